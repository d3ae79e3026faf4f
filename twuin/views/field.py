"""Read model: a crew's jobs, and all that it takes along of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twuin.alerts.crew import REPORTED
from twuin.alerts.lifecycle import MONITOR
from twuin.alerts.model import PENDING, UNREPAIRED, Entry, Kind, State
from twuin.alerts.promises import Standing
from twuin.alerts.steps import same_name
from twuin.views.convert import entry_out
from twuin.views.field_models import JobDetail, JobOut, JobsOut, Landmark, ListenPipe, ListenPoint
from twuin.views.isolation import IsolationOut
from twuin.views.models import AlertDetail, AlertOut, ClockOut, EntryOut
from twuin.views.surroundings import Surroundings
from waterworks.errors import NotFound
from waterworks.network import Network
from waterworks.site import Fitting, Site, StopValve

if TYPE_CHECKING:
    from twuin.views.views import Views

MOST_JOBS = 60
"""Jobs of one answer: more than a crew does in a week."""

MOST_LISTENED = 12
"""Pipes of a list of where to listen; a crew that has found nothing there asks the control room."""

MOST_LANDMARKS = 3

FOR_CREWS = (Kind.LEAK, Kind.NIGHT_FLOW, Kind.SUPPLY, Kind.LOW_INFLOW)
"""What is offered to crews that nobody has taken; faults of sensors go to whom they are assigned."""

_PRIORITIES = ("high", "medium", "low")
_FAR = datetime.max.replace(tzinfo=UTC)


class FieldViews:
    """The jobs that ``views`` has. network: of the whole site; what is named of it lies in a job's way."""

    def __init__(self, views: Views, site: Site, network: Network | None) -> None:
        self._views = views
        self._site = site
        self._network = network
        self._around = Surroundings(views, site, network)

    def jobs(self, names: Collection[str]) -> JobsOut:
        """Alerts assigned to one of ``names``, and those that nobody took: by priority, promise and age."""
        living = self._views.alerts(state=PENDING, limit=500).items
        found = [a for a in living if is_of(a.assignee, names)]
        free = [a for a in living if not a.assignee and a.kind in FOR_CREWS and not a.watched]
        found += [a for a in free if a.state in (State.OPEN, State.ACKNOWLEDGED)]
        jobs = sorted((self._job(a, names) for a in found), key=_urgency)
        crews = sorted({a.assignee for a in living if a.assignee}, key=str.casefold)
        return JobsOut(site=self._views.frame(), crews=crews, jobs=jobs[:MOST_JOBS])

    def job(self, id: str, names: Collection[str]) -> JobDetail:
        """One alert with all that a crew needs on the spot. Raises NotFound."""
        alert = self._views.alert(id)
        isolation = self.isolation_of(alert)
        map, centre = self._around.map(alert, isolation)
        return JobDetail(
            **dict(alert),
            mine=is_of(alert.assignee, names),
            landmarks=self._landmarks(centre),
            listen=self._listen(alert),
            isolation=isolation,
            lon=None if centre is None else round(centre[0], 6),
            lat=None if centre is None else round(centre[1], 6),
            georeferenced=bool(self._site.crs),
            photos=self._views.photos.of(id),
            map=map,
        )

    def isolation_of(self, alert: AlertDetail) -> IsolationOut | None:
        """How to shut off the pipe where the leak was found, else the likeliest, while it leaks."""
        found = alert.place.pipe if alert.place else ""
        pipe = found or (alert.suspects[0].pipe if alert.suspects else "")
        if not pipe or alert.state not in UNREPAIRED:
            return None
        try:
            return self._views.isolations.of(pipe)
        except NotFound:  # a pipe of a network that has been changed since
            return None

    def _job(self, alert: AlertOut, names: Collection[str]) -> JobOut:
        promises = self._views.promises(alert.id)
        return JobOut(**dict(alert), mine=is_of(alert.assignee, names), promises=promises)

    def _listen(self, alert: AlertDetail) -> list[ListenPipe]:
        shares = {a.pipe: a.share for a in alert.area}
        ranked = sorted(alert.suspects, key=lambda s: -s.probability)
        chances = {s.pipe: s.probability for s in ranked}
        order = [*chances, *(a.pipe for a in alert.area if a.pipe not in chances)]
        facts = self._around.pipes
        found = []
        for pipe in order:
            if pipe not in facts:
                continue
            about, middle = facts[pipe]
            found.append(
                ListenPipe(
                    pipe=pipe,
                    probability=chances.get(pipe),
                    share=shares.get(pipe, 0),
                    length_m=about["length_m"],
                    diameter_mm=about["diameter_mm"],
                    lon=middle[0],
                    lat=middle[1],
                    points=self._points(pipe),
                )
            )
        return found[:MOST_LISTENED]

    def _points(self, pipe: str) -> list[ListenPoint]:
        """Fittings in the pipe, and at its ends in the pipes beside it: the sound reaches them."""
        network = self._network
        assert network is not None
        link = network.link_index[pipe]
        ends = {network.node_ids[network.start[link]], network.node_ids[network.end[link]]}
        every: list[tuple[str, str, StopValve | Fitting]] = [
            ("valve", v.state.value, v) for v in self._site.valves
        ]
        every += [(f.kind.value, "", f) for f in self._site.fittings]
        near = [e for e in every if e[2].pipe == pipe or e[2].node in ends]
        places = self._around.nodes
        return [
            ListenPoint(
                kind=kind,
                id=at.id,
                name=at.name,
                pipe=at.pipe,
                node=at.node,
                state=state,
                lon=places.get(at.node, (None, None))[0],
                lat=places.get(at.node, (None, None))[1],
            )
            for kind, state, at in sorted(near, key=lambda e: (e[2].pipe != pipe, e[2].id))
        ]

    def _landmarks(self, centre: tuple[float, float] | None) -> list[Landmark]:
        if centre is None or not self._site.crs:
            return []
        near = [
            Landmark(kind=kind, id=id, name=name, distance_m=round(self._around.metres(centre, at)))
            for kind, id, name, at in self._around.named()
        ]
        return sorted(near, key=lambda m: m.distance_m)[:MOST_LANDMARKS]


def is_of(assignee: str, names: Iterable[str]) -> bool:
    """Whether something is assigned to one of ``names``."""
    return bool(assignee) and any(same_name(assignee, n) for n in names if n)


def meanwhile(history: Iterable[Entry], key: str, happened: datetime | None) -> list[EntryOut]:
    """What other people did since something happened that was told with ``key``, oldest first."""
    lines = list(history)
    own = next((e for e in lines if e.key == key), None)
    since = happened or (own.at if own else None)
    return [
        entry_out(e)
        for e in lines
        if since is not None
        and e.at > since
        and e.actor != MONITOR
        and e.key != key
        and e.action not in ("note", REPORTED)
        and (own is None or e.actor != own.actor)
    ]


def _urgency(job: JobOut) -> tuple[int, int, datetime, datetime]:
    due = min((c.due for c in job.promises if open_clock(c)), default=_FAR)
    return (int(job.state not in UNREPAIRED), _PRIORITIES.index(job.priority), due, job.onset)


def open_clock(clock: ClockOut) -> bool:
    """Whether a promise is still to be kept."""
    return clock.done is None and clock.standing is not Standing.STOPPED
