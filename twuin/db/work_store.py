"""The WorkStore on SQLAlchemy."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database
from twuin.db.tables import WorkLineRow
from twuin.works.model import Action, Line
from twuin.works.plan_json import plan_json, plan_of
from twuin.works.ports import LineConflict
from waterworks.errors import DatabaseUnavailable

ATTEMPTS = 20
"""How often a line is numbered anew because another process was faster."""


def open_work_store(where: str | Database) -> SqlWorkStore:
    """The planned works in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlWorkStore(open_database(where))


class SqlWorkStore:
    """Planned works in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    def newest(self, site: str) -> int:
        with transaction(self._engine) as db:
            return _newest(db, site)

    def lines(self, site: str, since: int = 0) -> list[Line]:
        ask = select(*WorkLineRow.__table__.c).where(WorkLineRow.site == site, WorkLineRow.seq > since)
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(WorkLineRow.seq)).mappings().all()
        return [
            Line(
                row["site"],
                row["work"],
                row["number"],
                row["at"],
                row["actor"],
                Action(row["action"]),
                plan_of(row["plan"]),
                row["note"],
                row["seq"],
            )
            for row in rows
        ]

    def append(self, line: Line) -> Line:
        for _ in range(ATTEMPTS):
            try:
                with transaction(self._engine, writes=True) as db:
                    same = (
                        WorkLineRow.site == line.site,
                        WorkLineRow.work == line.work,
                        WorkLineRow.number == line.number,
                    )
                    if db.execute(select(WorkLineRow.seq).where(*same)).first() is not None:
                        raise LineConflict(f"planned work {line.work} was changed by someone else meanwhile")
                    stored = replace(line, seq=_newest(db, line.site) + 1)
                    try:
                        db.execute(insert(WorkLineRow).values(**_row(stored)))
                    except IntegrityError as e:  # another process took this number just now
                        raise _Again from e
                    return stored
            except _Again:
                continue
        raise DatabaseUnavailable(f"the planned works of site {line.site} are being changed all the time")

    def close(self) -> None:
        self._database.close()


class _Again(Exception):
    """Rolls the transaction back."""


def _newest(db: Connection, site: str) -> int:
    ask = select(func.max(WorkLineRow.seq)).where(WorkLineRow.site == site)
    return db.execute(ask).scalar_one_or_none() or 0


def _row(line: Line) -> dict[str, object]:
    return {
        "site": line.site,
        "seq": line.seq,
        "work": line.work,
        "number": line.number,
        "at": line.at,
        "actor": line.actor,
        "action": line.action.value,
        "plan": plan_json(line.plan),
        "note": line.note,
    }
