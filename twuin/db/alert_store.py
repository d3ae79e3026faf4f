"""The AlertStore on SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Text,
    and_,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from twuin.alerts.model import Alert, Causes, Entry, Finding, Kind, Reason, State, Suspect, Told
from twuin.alerts.ports import AlertChanges, AlertQuery, Alerts, Change, Entries, Lines, RevisionConflict
from twuin.alerts.sight import OF_SENSORS
from twuin.alerts.work import (
    Cause,
    LeakType,
    Method,
    Place,
    Work,
    check_json,
    check_of,
    place_json,
    reported_json,
    reported_of,
)
from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database
from twuin.db.tables import AlertRow, CursorRow, EntryRow


def open_alert_store(where: str | Database) -> SqlAlertStore:
    """The alerts in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlAlertStore(open_database(where))


class SqlAlertStore:
    """Alerts in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    def get(self, site: str, id: str) -> Alert | None:
        with transaction(self._engine) as db:
            row = db.execute(_ALERTS.where(AlertRow.site == site, AlertRow.id == id)).mappings().first()
        return None if row is None else _alert(row)

    def find(self, site: str, query: AlertQuery) -> Alerts:
        conditions = [AlertRow.site == site]
        if query.states:
            conditions.append(AlertRow.state.in_(sorted(s.value for s in query.states)))
        if query.kinds:
            conditions.append(AlertRow.kind.in_(sorted(k.value for k in query.kinds)))
        if query.dma is not None:
            conditions.append(AlertRow.dma == query.dma)
        if query.subject is not None:
            conditions.append(AlertRow.subject == query.subject)
        if query.assignee is not None:
            conditions.append(AlertRow.assignee == query.assignee)
        if query.duplicate_of is not None:
            conditions.append(AlertRow.duplicate_of == query.duplicate_of)
        if query.sight is not None:
            sensors = sorted(query.sight.sensors)
            own = and_(
                AlertRow.kind.in_(sorted(k.value for k in OF_SENSORS)),
                or_(AlertRow.subject.in_(sensors), _names_any(self._engine.dialect.name, sensors)),
            )
            conditions.append(or_(AlertRow.dma.in_(sorted(query.sight.dmas)), own))
        if query.since is not None:
            conditions.append(or_(AlertRow.ended.is_(None), AlertRow.ended >= query.since))
        if query.before is not None:
            onset, id = query.before
            conditions.append(or_(AlertRow.onset < onset, and_(AlertRow.onset == onset, AlertRow.id < id)))
        ask = (
            _ALERTS.where(*conditions).order_by(AlertRow.onset.desc(), AlertRow.id.desc()).limit(query.limit)
        )
        with transaction(self._engine) as db:
            rows = db.execute(ask).mappings().all()
        return [_alert(row) for row in rows]

    def commit(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        try:
            with transaction(self._engine, writes=True) as db:
                # In one order for all: two who write the same alerts wait, and lock nobody up.
                for change in sorted(changes, key=lambda c: (c.alert.site, c.alert.id)):
                    _write(db, change)
                by_site: dict[str, list[Entry]] = {}
                for change in changes:
                    by_site.setdefault(change.alert.site, []).extend(change.entries)
                for site, entries in sorted(by_site.items()):
                    if entries:
                        _append(db, site, entries)
        except _Conflict as e:
            raise RevisionConflict(f"alert {e} was changed by someone else meanwhile") from None

    def history(self, site: str, id: str) -> Entries:
        ask = select(*EntryRow.__table__.c).where(EntryRow.site == site, EntryRow.alert == id)
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(EntryRow.seq)).mappings().all()
        return [_entry(row) for row in rows]

    def lines(self, site: str, since: int, until: int) -> Lines:
        ask = select(*EntryRow.__table__.c).where(
            EntryRow.site == site, EntryRow.seq > since, EntryRow.seq <= until
        )
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(EntryRow.seq)).mappings().all()
        return [(row["seq"], _entry(row)) for row in rows]

    def keyed(self, site: str, key: str) -> Entry | None:
        if not key:
            return None
        ask = select(*EntryRow.__table__.c).where(EntryRow.site == site, EntryRow.key == key)
        with transaction(self._engine) as db:
            row = db.execute(ask).mappings().first()
        return None if row is None else _entry(row)

    def changes(self, site: str, since: int, limit: int = 500) -> AlertChanges:
        last = func.max(EntryRow.seq).label("last")
        with transaction(self._engine) as db:
            newest = _cursor(db, site)
            if newest <= since:
                return AlertChanges(since, [])
            ask = (
                select(EntryRow.alert, last)
                .where(EntryRow.site == site, EntryRow.seq > since, EntryRow.seq <= newest)
                .group_by(EntryRow.alert)
                .order_by(last)
                .limit(limit + 1)
            )
            touched = db.execute(ask).all()
            ids = [row.alert for row in touched[:limit]]
            found = _ALERTS.where(AlertRow.site == site, AlertRow.id.in_(ids))
            alerts = {row["id"]: _alert(row) for row in db.execute(found).mappings()}
        cursor = newest if len(touched) <= limit else touched[limit - 1].last
        return AlertChanges(cursor, [alerts[id] for id in ids])

    def cursor(self, site: str) -> int:
        with transaction(self._engine) as db:
            return _cursor(db, site)

    def counts(self, site: str) -> dict[tuple[Kind, State], int]:
        ask = (
            select(AlertRow.kind, AlertRow.state, func.count())
            .where(AlertRow.site == site)
            .group_by(AlertRow.kind, AlertRow.state)
        )
        with transaction(self._engine) as db:
            return {(Kind(kind), State(state)): n for kind, state, n in db.execute(ask)}

    def causes(self, site: str) -> Causes:
        ask = (
            select(AlertRow.dma, AlertRow.kind, AlertRow.cause, func.count())
            .where(
                AlertRow.site == site,
                AlertRow.reason == Reason.FALSE_ALARM.value,
                AlertRow.cause.is_not(None),
            )
            .group_by(AlertRow.dma, AlertRow.kind, AlertRow.cause)
        )
        with transaction(self._engine) as db:
            rows = db.execute(ask).all()
        return {(dma, Kind(kind), Cause(str(cause))): n for dma, kind, cause, n in rows}

    def close(self) -> None:
        self._database.close()


_ALERTS = select(*AlertRow.__table__.c)


def _names_any(dialect: str, sensors: list[str]) -> ColumnElement[bool]:
    """Whether the evidence of a silence names any of these sensors as silent at the same time."""
    if dialect == "postgresql":
        named = cast(sensors, postgresql.ARRAY(Text))
        return func.jsonb_exists_any(AlertRow.evidence["sensors"], named, type_=Boolean)
    each = func.json_each(AlertRow.evidence, "$.sensors").table_valued("value")
    return select(each.c.value).where(each.c.value.in_(sensors)).exists()


class _Conflict(Exception):
    """Rolls the transaction back; the message is the alert's id."""


def _write(db: Connection, change: Change) -> None:
    alert = change.alert
    if change.expected is None:
        try:
            db.execute(insert(AlertRow).values(**_row(alert)))
        except IntegrityError as e:
            raise _Conflict(alert.id) from e
        return
    guarded = update(AlertRow).where(
        AlertRow.site == alert.site, AlertRow.id == alert.id, AlertRow.revision == change.expected
    )
    if db.execute(guarded.values(**_row(alert))).rowcount != 1:
        raise _Conflict(alert.id)


def _append(db: Connection, site: str, entries: Sequence[Entry]) -> None:
    moved = update(CursorRow).where(CursorRow.site == site).values(value=CursorRow.value + len(entries))
    if db.execute(moved).rowcount == 0:
        try:
            db.execute(insert(CursorRow).values(site=site, value=len(entries)))
        except IntegrityError as e:  # another process wrote this site's first one just now
            raise _Conflict(entries[0].alert) from e
    keys = [e.key for e in entries if e.key]
    if keys:  # others of this site wait for the cursor: nobody can use one between this look and the write
        used = db.execute(
            select(EntryRow.alert).where(EntryRow.site == site, EntryRow.key.in_(keys)).limit(1)
        )
        if (alert := used.scalar_one_or_none()) is not None:
            raise _Conflict(alert)
    first = _cursor(db, site) - len(entries) + 1
    rows = [
        {
            "site": site,
            "seq": first + i,
            **asdict(e),
            "reason": None if e.reason is None else e.reason.value,
            "key": e.key or None,
        }
        for i, e in enumerate(entries)
    ]
    db.execute(insert(EntryRow), rows)


def _cursor(db: Connection, site: str) -> int:
    return db.execute(select(CursorRow.value).where(CursorRow.site == site)).scalar_one_or_none() or 0


def _row(alert: Alert) -> dict[str, Any]:
    f = alert.finding
    return {
        "site": alert.site,
        "id": alert.id,
        "state": alert.state.value,
        "reason": None if alert.reason is None else alert.reason.value,
        "version": alert.version,
        "revision": alert.revision,
        "held": alert.held,
        "told": None if alert.told is None else _told_json(alert.told),
        "kind": f.kind.value,
        "subject": f.subject,
        "dma": f.dma,
        "onset": f.onset,
        "detected": f.detected,
        "as_of": f.as_of,
        "ended": f.ended,
        "flow": f.flow,
        "flow_low": f.flow_low,
        "flow_high": f.flow_high,
        "volume": f.volume,
        "confidence": f.confidence,
        "suspects": [[s.pipe, s.probability, s.lon, s.lat] for s in f.suspects],
        "near": list(f.near),
        "evidence": f.evidence,
        "onset_low": f.onset_low,
        "onset_high": f.onset_high,
        "centre": f.centre,
        "radius_50_m": f.radius_50_m,
        "radius_90_m": f.radius_90_m,
        "gain": f.gain,
        "assignee": alert.work.assignee,
        "cause": None if alert.work.cause is None else alert.work.cause.value,
        "duplicate_of": alert.work.duplicate_of,
        "work": _work_json(alert.work),
        "supported": alert.supported,
    }


def _alert(row: Any) -> Alert:
    finding = Finding(
        kind=Kind(row["kind"]),
        subject=row["subject"],
        dma=row["dma"],
        onset=row["onset"],
        detected=row["detected"],
        as_of=row["as_of"],
        ended=row["ended"],
        flow=row["flow"],
        flow_low=row["flow_low"],
        flow_high=row["flow_high"],
        volume=row["volume"],
        confidence=row["confidence"],
        suspects=tuple(Suspect(*s) for s in row["suspects"]),
        near=tuple(row["near"]),
        evidence=row["evidence"],
        onset_low=row["onset_low"],
        onset_high=row["onset_high"],
        centre=row["centre"],
        radius_50_m=row["radius_50_m"],
        radius_90_m=row["radius_90_m"],
        gain=row["gain"],
    )
    return Alert(
        row["id"],
        row["site"],
        State(row["state"]),
        finding,
        _reason(row["reason"]),
        row["version"],
        row["revision"],
        row["held"],
        None if row["told"] is None else _told(row["told"]),
        _work(row),
        row["supported"],
    )


def _entry(row: Any) -> Entry:
    return Entry(
        row["alert"],
        row["at"],
        row["actor"],
        row["action"],
        row["note"],
        _reason(row["reason"]),
        row["details"],
        row["happened"],
        row["key"] or "",
    )


def _reason(text: str | None) -> Reason | None:
    return None if text is None else Reason(text)


def _told_json(told: Told) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(told).items()}


def _told(stored: dict[str, Any]) -> Told:
    return Told(
        as_of=datetime.fromisoformat(stored["as_of"]),
        onset=datetime.fromisoformat(stored["onset"]),
        ended=None if stored["ended"] is None else datetime.fromisoformat(stored["ended"]),
        flow=stored["flow"],
        volume=stored["volume"],
        confidence=stored["confidence"],
        suspects=tuple(stored["suspects"]),
        watched=stored.get("watched", False),  # those of before do not say
    )


def _work_json(work: Work) -> dict[str, Any]:
    """What of the work has no column of its own."""
    found = {
        "place": None if work.place is None else place_json(work.place),
        "leak_type": None if work.leak_type is None else work.leak_type.value,
        "method": None if work.method is None else work.method.value,
        "repaired_at": None if work.repaired_at is None else work.repaired_at.isoformat(),
        "leak": work.leak,
        "leak_sd": work.leak_sd,
        "check": None if work.check is None else check_json(work.check),
        "reported": None if work.reported is None else reported_json(work.reported),
    }
    return {k: v for k, v in found.items() if v is not None}


def _work(row: Any) -> Work:
    kept = row["work"]
    return Work(
        row["assignee"],
        Place(**kept["place"]) if "place" in kept else None,
        LeakType(kept["leak_type"]) if "leak_type" in kept else None,
        Method(kept["method"]) if "method" in kept else None,
        datetime.fromisoformat(kept["repaired_at"]) if "repaired_at" in kept else None,
        None if row["cause"] is None else Cause(row["cause"]),
        row["duplicate_of"],
        kept.get("leak"),
        kept.get("leak_sd"),
        check_of(kept["check"]) if "check" in kept else None,
        reported_of(kept["reported"]) if "reported" in kept else None,
    )
