"""Twuin: an open monitor for municipal water networks."""

from importlib.metadata import version

__version__ = version("twuin")
