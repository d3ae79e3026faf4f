"""A site as the OGC SensorThings API 1.1 (OGC 18-088) shows it, to be read.

``catalogue`` makes entities of a site, ``walk`` pages through readings, ``grammar``, ``evaluate`` and
``options`` read what a request asks for, ``service`` answers it.
"""

from twuin.views.sensorthings.errors import NotSupported as NotSupported
from twuin.views.sensorthings.errors import WrongQuery as WrongQuery
from twuin.views.sensorthings.service import SensorThings as SensorThings
