"""The ReportStore of residents' reports on SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database
from twuin.db.report_tables import PublicReportLineRow, PublicReportPersonRow, PublicReportRow
from twuin.residents.model import Category, Line, Odd, Outcome, Report, Standing
from twuin.residents.ports import (
    Found,
    KeyUsed,
    Lines,
    ReportChange,
    ReportQuery,
    Sealed,
    VersionConflict,
)


def open_report_store(where: str | Database) -> SqlReportStore:
    """Residents' reports in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlReportStore(open_database(where))


_REPORTS = select(*PublicReportRow.__table__.c)
_R, _P, _L = PublicReportRow, PublicReportPersonRow, PublicReportLineRow


class _Conflict(Exception):
    """Rolls the transaction back."""


class SqlReportStore:
    """Residents' reports in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    def add(self, report: Report, sealed: Sealed, line: Line) -> None:
        try:
            with transaction(self._engine, writes=True) as db:
                try:
                    db.execute(insert(_R).values(**_row(report)))
                except IntegrityError:
                    raise _Conflict from None
                who = {"site": report.site, "report": report.id}
                db.execute(insert(_P).values(**who, person=sealed.person, photo=sealed.photo))
                _append(db, report.site, [line])
        except _Conflict:
            raise KeyUsed(f"the form of report {report.id} was stored already") from None

    def get(self, site: str, id: str) -> Report | None:
        return self._one(_R.site == site, _R.id == id)

    def by_code(self, site: str, digest: str) -> Report | None:
        return self._one(_R.site == site, _R.code == digest)

    def by_key(self, site: str, key: str) -> Report | None:
        return self._one(_R.site == site, _R.key == key)

    def _one(self, *conditions: Any) -> Report | None:
        with transaction(self._engine) as db:
            row = db.execute(_REPORTS.where(*conditions)).mappings().first()
        return None if row is None else _report(row)

    def find(self, site: str, query: ReportQuery) -> Found:
        where: list[Any] = [_R.site == site]
        if query.states:
            where.append(_R.state.in_(sorted(s.value for s in query.states)))
        if query.categories:
            where.append(_R.category.in_(sorted(c.value for c in query.categories)))
        if query.dmas is not None:
            where.append(_R.dma.in_(sorted(query.dmas)))
        if query.alert:
            where.append(_R.alert == query.alert)
        if query.event:
            where.append(_R.event == query.event)
        if query.since is not None:
            where.append(_R.received >= query.since)
        if query.until is not None:
            where.append(_R.received < query.until)
        if query.joined is not None:
            where.append(_R.alert != "" if query.joined else _R.alert == "")
        if query.unerased:
            where.append(_R.erased.is_(None))
        if query.before is not None:
            received, id = query.before
            where.append(or_(_R.received < received, and_(_R.received == received, _R.id < id)))
        ask = _REPORTS.where(*where).order_by(_R.received.desc(), _R.id.desc()).limit(query.limit)
        with transaction(self._engine) as db:
            return [_report(row) for row in db.execute(ask).mappings()]

    def change(self, changes: Sequence[ReportChange]) -> None:
        try:
            with transaction(self._engine, writes=True) as db:
                for change in sorted(changes, key=lambda c: (c.report.site, c.report.id)):
                    _write(db, change.report, change.expected)
                for change in changes:
                    _append(db, change.report.site, change.lines)
        except _Conflict as e:
            raise VersionConflict(f"report {e} was changed by someone else meanwhile") from None

    def history(self, site: str, id: str) -> Lines:
        ask = select(*_L.__table__.c).where(_L.site == site, _L.report == id).order_by(_L.seq)
        with transaction(self._engine) as db:
            rows = db.execute(ask).mappings().all()
        return [Line(r["report"], r["at"], r["actor"], r["action"], r["details"]) for r in rows]

    def count(
        self, site: str, since: datetime, *, source: str = "", network: str = "", phone: str = ""
    ) -> int:
        where = [_R.site == site, _R.created >= since]
        for column, value in ((_R.source, source), (_R.network, network), (_R.phone, phone)):
            if value:
                where.append(column == value)
        with transaction(self._engine) as db:
            return db.execute(select(func.count()).select_from(_R).where(*where)).scalar_one()

    def held(self, site: str) -> int:
        ask = select(func.count()).select_from(_R).where(_R.site == site, _R.state == Standing.HELD.value)
        with transaction(self._engine) as db:
            return db.execute(ask).scalar_one()

    def photo_bytes(self, site: str) -> int:
        ask = select(func.coalesce(func.sum(func.length(_P.photo)), 0)).where(_P.site == site)
        with transaction(self._engine) as db:
            return int(db.execute(ask).scalar_one())

    def sealed(self, site: str, id: str) -> Sealed | None:
        ask = select(_P.person, _P.photo).where(_P.site == site, _P.report == id)
        with transaction(self._engine) as db:
            row = db.execute(ask).first()
        return None if row is None else Sealed(row.person, row.photo)

    def erase(self, report: Report, expected: int, line: Line) -> None:
        try:
            with transaction(self._engine, writes=True) as db:
                _write(db, report, expected)
                db.execute(delete(_P).where(_P.site == report.site, _P.report == report.id))
                _append(db, report.site, [line])
        except _Conflict as e:
            raise VersionConflict(f"report {e} was changed by someone else meanwhile") from None

    def close(self) -> None:
        self._database.close()


def _write(db: Connection, report: Report, expected: int) -> None:
    guarded = update(_R).where(_R.site == report.site, _R.id == report.id, _R.version == expected)
    if db.execute(guarded.values(**_row(report))).rowcount != 1:
        raise _Conflict(report.id)


def _append(db: Connection, site: str, lines: Sequence[Line]) -> None:
    if lines:
        db.execute(insert(_L), [{"site": site, **asdict(line)} for line in lines])


def _row(report: Report) -> dict[str, Any]:
    row = asdict(report)
    row |= {
        "category": report.category.value,
        "state": report.state.value,
        "odd": [o.value for o in report.odd],
        "outcome": None if report.outcome is None else report.outcome.value,
    }
    return row


def _report(row: Any) -> Report:
    return Report(
        **{
            **row,
            "category": Category(row["category"]),
            "state": Standing(row["state"]),
            "odd": tuple(Odd(o) for o in row["odd"]),
            "outcome": None if row["outcome"] is None else Outcome(row["outcome"]),
            "photo": bool(row["photo"]),
        }
    )
