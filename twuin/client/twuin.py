"""A Twuin, asked over its HTTP interface."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np

from twuin.client import files, series
from twuin.client.connection import Connection
from twuin.client.decode import record, records
from twuin.client.errors import ClientError, NotUnderstood
from twuin.client.records import (
    Alert,
    AlertDetail,
    Cause,
    Dma,
    Kind,
    LeakType,
    Losses,
    Method,
    NightFlow,
    Place,
    Reason,
    Sensor,
    Site,
    State,
    Work,
    WorkDetail,
    WorkKind,
)

T = TypeVar("T")
Instant = datetime | np.datetime64
"""A time: a datetime with its zone, or NumPy's, which is taken for UTC."""

Step = Literal[
    "acknowledge", "assign", "accept", "arrive", "locate", "not_found",
    "start_repair", "repaired", "close", "reopen", "note",
]  # fmt: skip
Order = Literal["newest", "urgent"]
Layer = Literal["pipes", "facilities", "dmas", "sensors", "alerts"]
PAGE = 200
CHUNK = 1 << 16


class Twuin:
    """One Twuin. Each method asks it once, or as often as its answer has pages.

    url: as in a browser, ``https://water.example``. token: made on the page ``/me`` or with ``twuin token
    add``; a demo takes none. timeout_s: to wait for a connection, and for each next part of an answer.
    retries: so often it asks again when there was no answer, or 429, 502, 503, 504; of what changes something
    only what carries a key. verify: False, or a file with the certificates to trust instead of the usual.

    All methods raise ``Problem`` where Twuin says no, ``NoAnswer`` where it cannot be reached, and
    ``NotUnderstood`` where the answer is not one of Twuin's. Not to be shared by threads.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: int = 3,
        verify: bool | str = True,
    ) -> None:
        self._connection = Connection(url, token, timeout_s=timeout_s, retries=retries, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Twuin({self._connection.root.removesuffix('/api/v1')!r})"

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

    # The site and its DMAs

    def site(self) -> Site:
        """The site, and what time it is there."""
        return record(Site, self._connection.get("site"))

    def dmas(self) -> list[Dma]:
        """Every DMA and how it stands."""
        return records(Dma, self._connection.get("dmas"))

    def dma(self, id: str) -> Dma:
        """One of them."""
        return record(Dma, self._connection.get("dmas", id))

    def dma_series(
        self, id: str, start: Instant | None = None, end: Instant | None = None, *, max_points: int = 20_000
    ) -> series.DmaSeries:
        """Inflow against what is expected, ``start <= time < end``.

        Without ``end`` up to the newest, without ``start`` seven days. Where there are more times than
        ``max_points`` (at most 20,000), means over even steps.
        """
        query = {"start": _when(start), "end": _when(end), "max_points": max_points}
        return series.dma_series(id, self._connection.get("dmas", id, "series", **query))

    def night_flow(self, id: str, *, days: int = 30) -> list[NightFlow]:
        """Minimum night flow of the last so many nights, oldest first."""
        return records(NightFlow, self._connection.get("dmas", id, "night-flow", days=days))

    def network(self) -> dict[str, Any]:
        """Pipes, valves, pumps, tanks and outlines of DMAs: a GeoJSON FeatureCollection in WGS 84."""
        return _object(self._connection.get("network.geojson"))

    # Sensors and readings

    def sensors(self) -> list[Sensor]:
        """Every sensor with its newest reading."""
        return records(Sensor, self._connection.get("sensors"))

    def sensor(self, id: str) -> Sensor:
        """One of them."""
        return record(Sensor, self._connection.get("sensors", id))

    def readings(
        self,
        sensor: str,
        start: Instant | None = None,
        end: Instant | None = None,
        *,
        max_points: int | None = None,
    ) -> series.Readings:
        """Readings of a sensor with ``start <= time < end``, oldest first.

        Without ``max_points`` every reading, and without ``start`` and ``end`` all there are. With it (2 to
        20,000) means over even steps where there are more, without ``start`` of seven days.
        """
        query: dict[str, Any] = {"start": _when(start), "end": _when(end)}
        if max_points is not None:
            query["max_points"] = max_points
            return series.means(sensor, self._connection.get("sensors", sensor, "readings", **query))
        unit = self.sensor(sensor).unit
        with self._connection.stream("export", "series", sensor=sensor, format="csv", **query) as answer:
            answer.encoding = "utf-8"
            return series.readings(sensor, unit, answer.iter_lines(CHUNK, decode_unicode=True))

    # Alerts

    def alerts(
        self,
        *,
        state: State | Sequence[State] = (),
        kind: Kind | Sequence[Kind] = (),
        dma: str | None = None,
        assignee: str | None = None,
        since: Instant | None = None,
        order: Order = "newest",
    ) -> Iterator[Alert]:
        """Alerts, newest onset first; pages are asked for as they are reached.

        since: only events that lasted at or after this. order: "urgent" for the most urgent first.
        """
        query = {
            "state": _some(state),
            "kind": _some(kind),
            "dma": dma,
            "assignee": assignee,
            "since": _when(since),
            "order": order,
        }
        return self._pages(Alert, "alerts", query)

    def alert(self, id: str) -> AlertDetail:
        """One alert with its history, its promises and how far to search."""
        return record(AlertDetail, self._connection.get("alerts", id))

    def act(
        self,
        alert: Alert,
        action: Step,
        *,
        note: str = "",
        assignee: str = "",
        place: Place | None = None,
        leak_type: LeakType | None = None,
        method: Method | None = None,
        reason: Reason | None = None,
        cause: Cause | None = None,
        duplicate_of: str = "",
        happened: Instant | None = None,
        actor: str = "",
        key: str | None = None,
    ) -> AlertDetail:
        """Take a step with an alert as it was seen (docs/alerts.md says what each takes), and the alert then.

        Where it changed since, ``Problem`` with status 409: look at it again, then act. key: the same step
        with the same key is done once; made anew for each call, so that trying again is safe. actor: who
        acts, in a demo; elsewhere it is the token's owner.
        """
        body = {
            "action": action,
            "version": alert.version,
            "key": key or uuid.uuid4().hex,
            "note": note,
            "assignee": assignee,
            "place": _place(place),
            "leak_type": leak_type,
            "method": method,
            "reason": reason,
            "cause": cause,
            "duplicate_of": duplicate_of,
            "happened": _when(happened),
            "actor": actor,
        }
        told = self._connection.post("alerts", alert.id, "transitions", body=_given(body), again=True)
        return record(AlertDetail, told)

    # Losses and planned works

    def losses(self, start: date | None = None, end: date | None = None) -> Losses:
        """Losses from the local day ``start`` up to and with ``end``; without the last 28 whole days."""
        query = {"start": None if start is None else f"{start:%Y-%m-%d}"}
        query["end"] = None if end is None else f"{end:%Y-%m-%d}"
        return record(Losses, self._connection.get("losses", **query))

    def works(
        self, *, since: Instant | None = None, until: Instant | None = None, dma: str | None = None
    ) -> list[Work]:
        """Planned works that end after ``since`` (without: 30 days back) and begin before ``until``."""
        return records(Work, self._connection.get("works", since=_when(since), until=_when(until), dma=dma))

    def work(self, id: str) -> WorkDetail:
        """One of them with its history."""
        return record(WorkDetail, self._connection.get("works", id))

    def enter_work(
        self,
        kind: WorkKind,
        start: Instant,
        end: Instant | None = None,
        *,
        dmas: Iterable[str] = (),
        pipes: Iterable[str] = (),
        sensors: Iterable[str] = (),
        weekdays: Iterable[int] = (),
        from_time: str = "",
        to_time: str = "",
        extra_m3h: float | None = None,
        no_supply: bool = False,
        low_pressure: bool = False,
        silent: bool = False,
        refill_h: float | None = None,
        note: str = "",
        actor: str = "",
        key: str | None = None,
    ) -> WorkDetail:
        """Enter a planned work (docs/works.md says what each word means), and the work then.

        key: with the same key it is entered once, however often it is sent: give the other system's own
        number. Made anew for each call, so that trying again is safe.
        """
        body = {
            "kind": kind,
            "start": _when(start),
            "end": _when(end),
            "dmas": list(dmas),
            "pipes": list(pipes),
            "sensors": list(sensors),
            "weekdays": list(weekdays),
            "from_time": from_time,
            "to_time": to_time,
            "extra_m3h": extra_m3h,
            "no_supply": no_supply,
            "low_pressure": low_pressure,
            "silent": silent,
            "refill_h": refill_h,
            "note": note,
            "actor": actor,
            "key": key or uuid.uuid4().hex,
        }
        return record(WorkDetail, self._connection.post("works", body=_given(body), again=True))

    # Files

    def layer(self, name: Layer) -> dict[str, Any]:
        """A map layer as a GeoJSON FeatureCollection in WGS 84 (docs/exports.md)."""
        return _object(self._connection.get("export", "layers", name))

    def export_geopackage(self, path: str | Path, *, replace: bool = False) -> Path:
        """All layers as a GeoPackage."""
        return self._save(path, replace, "export", "geopackage")

    def export_series(
        self,
        path: str | Path,
        sensors: str | Sequence[str] = (),
        start: Instant | None = None,
        end: Instant | None = None,
        *,
        format: Literal["csv", "parquet"] | None = None,
        local: bool = False,
        replace: bool = False,
    ) -> Path:
        """Readings as CSV or Parquet (None: by the ending of ``path``); of all sensors, where none is named.

        local: times in the site's zone instead of UTC.
        """
        kind = format or {".csv": "csv", ".parquet": "parquet"}.get(Path(path).suffix.lower())
        if kind is None:
            raise ClientError(f"{path} ends neither in .csv nor in .parquet: say format=")
        query = {"sensor": _some(sensors), "start": _when(start), "end": _when(end), "format": kind}
        query["local"] = "true" if local else None
        return self._save(path, replace, "export", "series", **query)

    def _save(self, path: str | Path, replace: bool, *where: str, **query: Any) -> Path:
        with self._connection.stream(*where, **query) as answer:
            return files.write(Path(path), answer.iter_content(CHUNK), replace=replace)

    def _pages(self, kind: type[T], path: str, query: Mapping[str, Any]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = _object(self._connection.get(path, limit=PAGE, cursor=cursor, **query))
            yield from records(kind, page.get("items"))
            following = page.get("next")
            if following is None:
                return
            if not isinstance(following, str) or following == cursor:
                raise NotUnderstood(f"the list after {cursor!r} goes on with itself")
            cursor = following


def _object(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise NotUnderstood("the answer is no object: is Twuin of the client's version?")
    return told


def _when(at: Instant | None) -> str | None:
    """As the API takes times. ClientError for a datetime without a zone, which may mean any."""
    if at is None:
        return None
    if isinstance(at, np.datetime64):
        if np.isnat(at):
            raise ClientError("NaT is no time")
        return f"{at.astype('datetime64[us]')}Z"
    if at.tzinfo is None:
        raise ClientError(f"{at} has no zone: say which, as in datetime(2026, 10, 5, tzinfo=UTC)")
    return at.isoformat()


def _some(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` without what was not said; a zero was."""
    return {name: value for name, value in body.items() if value or isinstance(value, float | int)}


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return _given({"pipe": place.pipe, "along_m": place.along_m, "lon": place.lon, "lat": place.lat})
