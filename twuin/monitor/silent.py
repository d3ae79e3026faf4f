"""Sensors from which nothing has come for far longer than their interval."""

from __future__ import annotations

import numpy as np

from twuin.alerts.model import Finding
from twuin.monitor.outages import Silence, grouped, lasting_ones, silence_finding
from waterworks.ports import ReadingStore
from waterworks.reading import Gap, Latest
from waterworks.site import Role, Sensor, Site

INTERVALS = 24
"""Missed readings in a row that make a silence."""

LEAST_S = 3 * 3600.0
"""Shorter silences are nobody's alert [s]: devices buffer, networks fail."""

LIVE_S = 86400.0
"""Readings that came later than this after they were taken were loaded, not heard [s]."""


def silence_limit(sensor: Sensor) -> np.timedelta64:
    """How long a sensor may say nothing."""
    return np.timedelta64(round(max(INTERVALS * sensor.interval_s, LEAST_S) * 1e6), "us")


class Silences:
    """Past and present silences of a site's sensors.

    The past ones are gaps in the data, a function of the data alone: a device that sends later what it
    kept was not silent. Only whether a sensor is silent now asks the clock.
    """

    def __init__(self, site: Site, store: ReadingStore) -> None:
        self._site, self._store = site, store
        self._gaps: dict[str, list[Gap]] = {}
        self._newest: dict[str, np.datetime64] = {}

    def changed(
        self, spans: dict[str, tuple[np.datetime64, np.datetime64]], latest: dict[str, Latest]
    ) -> None:
        """Look at what was stored: beyond what was known only there, otherwise at the whole sensor."""
        for name in spans:
            sensor = self._site.sensor.get(name)
            if sensor is None or sensor.role is Role.CONSUMPTION or name not in latest:
                continue
            newest = self._newest.get(name)
            first = spans[name][0]
            if newest is None or first <= newest:
                extent = self._store.extent([name])
                if extent is None:
                    continue
                start, known = extent[0], []
            else:
                start, known = newest, self._gaps.get(name, [])
            end, limit = latest[name].time, silence_limit(sensor)
            # In less than a silence there is none: the store need not be asked at every step.
            new = self._store.gaps(name, start, end, limit) if end - start > limit else []
            self._gaps[name] = [*known, *new]
            self._newest[name] = end

    def findings(self, latest: dict[str, Latest], now: np.datetime64, *, past: bool = False) -> list[Finding]:
        """All silences, past and present, as events (see ``twuin.monitor.outages``).

        past: past data are looked at, however fresh: the clock shows their end.
        """
        present = sorted((latest[n] for n in self._newest if n in latest), key=lambda r: r.time)
        if not present:
            return []
        # Second newest: one clock that is ahead does not make all others silent.
        front = present[-2 if len(present) > 2 else -1]
        # Past data are looked at, not operated: there the present is where they end. But when a site in
        # operation goes silent as a whole, for however long, then that is what it is.
        loaded = front.received - front.time > np.timedelta64(round(LIVE_S * 1e6), "us")
        # A clock of our own that is behind, as after a start without network, ends no silence.
        reference = front.time if loaded or past else max(now, front.received)
        silences: list[Silence] = []
        for name in self._newest:
            sensor = self._site.sensor[name]
            limit = silence_limit(sensor)
            own = [Silence(sensor, gap.start, gap.end, limit) for gap in self._gaps.get(name, ())]
            if name in latest and reference - latest[name].time > limit:
                own.append(Silence(sensor, latest[name].time, None, limit))
            silences += lasting_ones(own, reference)
        return [silence_finding(event, reference) for event in grouped(silences, len(self._newest))]
