"""A small typed client of Twuin's HTTP interface (docs/client.md).

    from twuin.client import Twuin

It needs requests and NumPy, and nothing else of Twuin: a test and a contract on imports see to that.
"""

from twuin.client import records
from twuin.client.errors import ClientError, NoAnswer, NotUnderstood, Problem
from twuin.client.records import *  # noqa: F403
from twuin.client.series import DmaSeries, Readings
from twuin.client.twuin import Twuin

__all__ = ["ClientError", "DmaSeries", "NoAnswer", "NotUnderstood", "Problem", "Readings", "Twuin"]
__all__ += records.__all__
