"""The Outbox on SQLAlchemy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database
from twuin.db.tables import MessageRow, NoticeRow, NotifyKnownRow, NotifyPlaceRow
from twuin.notify.model import (
    Address,
    Event,
    Form,
    Known,
    Lane,
    Message,
    MessageState,
    Notice,
    Priority,
    Standing,
    Text,
)
from twuin.notify.ports import OutboxConflict, Place

PORTION = 500
"""Rows that are asked for or written by one statement."""


def open_outbox(where: str | Database) -> SqlOutbox:
    """The outbox in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlOutbox(open_database(where))


class SqlOutbox:
    """Notices and messages in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    def place(self, site: str) -> Place:
        ask = select(NotifyPlaceRow.cursor).where(NotifyPlaceRow.site == site)
        with transaction(self._engine) as db:
            return Place(db.execute(ask).scalar_one_or_none())

    def known(self, site: str, alerts: Collection[str]) -> dict[str, Known]:
        found: dict[str, Known] = {}
        wanted = sorted(alerts)
        with transaction(self._engine) as db:
            for first in range(0, len(wanted), PORTION):
                ask = select(*NotifyKnownRow.__table__.c).where(
                    NotifyKnownRow.site == site, NotifyKnownRow.alert.in_(wanted[first : first + PORTION])
                )
                for row in db.execute(ask).mappings():
                    found[row["alert"]] = Known(
                        row["alert"], Standing(row["standing"]), Priority(row["priority"]), row["events"]
                    )
        return found

    def told(self, site: str, alert: str) -> set[Address]:
        ask = (
            select(NoticeRow.receiver, NoticeRow.channel)
            .where(NoticeRow.site == site, NoticeRow.alert == alert)
            .distinct()
        )
        with transaction(self._engine) as db:
            return {Address(*row) for row in db.execute(ask)}

    def record(
        self, site: str, before: Place, cursor: int, known: Sequence[Known], notices: Sequence[Notice]
    ) -> None:
        try:
            with transaction(self._engine, writes=True) as db:
                self._move(db, site, before, cursor)
                self._upsert(
                    db,
                    NotifyKnownRow,
                    [
                        {
                            "site": site,
                            "alert": k.alert,
                            "standing": k.standing.value,
                            "priority": int(k.priority),
                            "events": k.events,
                        }
                        for k in known
                    ],
                    ("site", "alert"),
                    replace=True,
                )
                self._upsert(
                    db,
                    NoticeRow,
                    [_notice_row(site, n) for n in notices],
                    ("site", "event", "receiver", "channel"),
                    replace=False,
                )
        except _Conflict:
            raise OutboxConflict("someone else has looked at these alerts meanwhile") from None

    def _move(self, db: Connection, site: str, before: Place, cursor: int) -> None:
        moved = update(NotifyPlaceRow).where(NotifyPlaceRow.site == site)
        if before.cursor is None:
            moved = moved.where(NotifyPlaceRow.cursor.is_(None))
        else:
            moved = moved.where(NotifyPlaceRow.cursor == before.cursor)
        if db.execute(moved.values(cursor=cursor)).rowcount == 1:
            return
        if before.cursor is not None:
            raise _Conflict
        try:
            db.execute(insert(NotifyPlaceRow).values(site=site, cursor=cursor, holder=""))
        except IntegrityError as e:
            raise _Conflict from e

    def _upsert(
        self,
        db: Connection,
        table: type[Any],
        rows: Sequence[dict[str, Any]],
        key: tuple[str, ...],
        *,
        replace: bool,
    ) -> None:
        make = sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert
        statement: Any = make(table)
        if replace and rows:
            changed = {c: statement.excluded[c] for c in rows[0] if c not in key}
            statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=key)
        for first in range(0, len(rows), PORTION):
            db.execute(statement, rows[first : first + PORTION])

    def waiting(self, site: str) -> list[Notice]:
        ask = (
            select(*NoticeRow.__table__.c)
            .where(NoticeRow.site == site, NoticeRow.message == "")
            .order_by(NoticeRow.made, NoticeRow.event, NoticeRow.receiver, NoticeRow.channel)
        )
        with transaction(self._engine) as db:
            return [_notice(row) for row in db.execute(ask).mappings()]

    def lately(self, site: str, since: datetime) -> dict[tuple[Address, Lane], list[datetime]]:
        ask = select(MessageRow.receiver, MessageRow.channel, MessageRow.lane, MessageRow.made).where(
            MessageRow.site == site, MessageRow.made >= since
        )
        found: dict[tuple[Address, Lane], list[datetime]] = {}
        with transaction(self._engine) as db:
            for receiver, channel, lane, made in db.execute(ask):
                found.setdefault((Address(receiver, channel), Lane(lane)), []).append(made)
        return found

    def compose(self, site: str, message: Message, notices: Sequence[Notice]) -> None:
        try:
            with transaction(self._engine, writes=True) as db:
                for notice in notices:
                    carried = update(NoticeRow).where(
                        NoticeRow.site == site,
                        NoticeRow.event == notice.event,
                        NoticeRow.receiver == notice.address.receiver,
                        NoticeRow.channel == notice.address.channel,
                        NoticeRow.message == "",
                    )
                    if db.execute(carried.values(message=message.id)).rowcount != 1:
                        raise _Conflict
                db.execute(insert(MessageRow).values(**_message_row(site, message)))
        except _Conflict:
            raise OutboxConflict("someone else has made a message of these notices meanwhile") from None

    def post(self, site: str, message: Message) -> bool:
        row = _message_row(site, message)
        there = select(MessageRow.id).where(MessageRow.site == site, MessageRow.id == message.id)
        with transaction(self._engine, writes=True) as db:
            if db.execute(there).first() is not None:
                return False
            self._upsert(db, MessageRow, [row], ("site", "id"), replace=False)
            return True

    def lease(self, site: str, holder: str, now: datetime, span: timedelta) -> bool:
        row = NotifyPlaceRow
        free = or_(
            row.holder.in_(("", holder)),
            row.held_until.is_(None),
            row.held_until < now,
            row.held_until > now + 10 * span,  # set before the clock was set back
        )
        with transaction(self._engine, writes=True) as db:
            taken = update(row).where(row.site == site, free).values(holder=holder, held_until=now + span)
            if db.execute(taken).rowcount == 1:
                return True
            if db.execute(select(row.site).where(row.site == site)).first() is not None:
                return False
            self._upsert(
                db,
                row,
                [{"site": site, "cursor": None, "holder": holder, "held_until": now + span}],
                ("site",),
                replace=False,
            )
            mine = select(row.holder).where(row.site == site)
            return db.execute(mine).scalar_one() == holder

    def release(self, site: str, holder: str) -> None:
        row = NotifyPlaceRow
        with transaction(self._engine, writes=True) as db:
            db.execute(
                update(row).where(row.site == site, row.holder == holder).values(holder="", held_until=None)
            )

    def messages(
        self,
        site: str,
        states: Collection[MessageState] = (),
        limit: int | None = None,
        *,
        newest: bool = False,
    ) -> list[Message]:
        ask = select(*MessageRow.__table__.c).where(MessageRow.site == site)
        if states:
            ask = ask.where(MessageRow.state.in_(sorted(s.value for s in states)))
        order = (MessageRow.created, MessageRow.id)
        ask = ask.order_by(*(c.desc() if newest else c for c in order)).limit(limit)
        with transaction(self._engine) as db:
            return [_message(row) for row in db.execute(ask).mappings()]

    def due(self, site: str, now: datetime, span: timedelta) -> list[Message]:
        row = MessageRow
        place = func.row_number().over(
            partition_by=(row.receiver, row.channel), order_by=(row.created, row.id)
        )
        ready = (
            select(*row.__table__.c, place.label("place"))
            .where(
                row.site == site,
                row.state == MessageState.WAITING.value,
                or_(row.next_try <= now, row.next_try > now + span),
            )
            .subquery()
        )
        ask = select(ready).where(ready.c.place == 1).order_by(ready.c.created, ready.c.id)
        with transaction(self._engine) as db:
            return [_message(found) for found in db.execute(ask).mappings()]

    def begin(self, site: str, id: str, now: datetime) -> Message | None:
        row = MessageRow
        with transaction(self._engine, writes=True) as db:
            begun = (
                update(row)
                .where(row.site == site, row.id == id, row.state == MessageState.WAITING.value)
                .values(state=MessageState.SENDING.value, attempts=row.attempts + 1, tried=now)
            )
            if db.execute(begun).rowcount != 1:
                return None
            ask = select(*row.__table__.c).where(row.site == site, row.id == id)
            return _message(db.execute(ask).mappings().one())

    def settle(
        self,
        site: str,
        id: str,
        attempt: int,
        state: MessageState,
        *,
        error: str = "",
        doubts: int | None = None,
        next_try: datetime | None = None,
        at: datetime | None = None,
    ) -> bool:
        row = MessageRow
        values: dict[str, Any] = {"state": state.value, "error": error, "settled": at}
        if doubts is not None:
            values["doubts"] = doubts
        if next_try is not None:
            values["next_try"] = next_try
        with transaction(self._engine, writes=True) as db:
            done = update(row).where(
                row.site == site,
                row.id == id,
                row.state == MessageState.SENDING.value,
                row.attempts == attempt,
            )
            return bool(db.execute(done.values(**values)).rowcount == 1)

    def retry(self, site: str, ids: Collection[str], now: datetime, give_up: datetime) -> int:
        row = MessageRow
        again = (MessageState.GIVEN_UP.value, MessageState.UNCERTAIN.value, MessageState.WAITING.value)
        with transaction(self._engine, writes=True) as db:
            count = 0
            for id in ids:
                anew = update(row).where(row.site == site, row.id == id, row.state.in_(again))
                values = {"state": MessageState.WAITING.value, "next_try": now, "give_up": give_up}
                count += db.execute(anew.values(**values, doubts=0, settled=None)).rowcount
            return count

    def counts(self, site: str) -> dict[MessageState, int]:
        ask = select(MessageRow.state, func.count()).where(MessageRow.site == site).group_by(MessageRow.state)
        with transaction(self._engine) as db:
            return {MessageState(state): n for state, n in db.execute(ask)}

    def prune(self, site: str, before: datetime) -> int:
        row = MessageRow
        old = (
            row.site == site,
            row.state == MessageState.DELIVERED.value,
            row.settled < before,
        )
        with transaction(self._engine, writes=True) as db:
            gone = select(row.id).where(*old)
            db.execute(delete(NoticeRow).where(NoticeRow.site == site, NoticeRow.message.in_(gone)))
            return int(db.execute(delete(row).where(*old)).rowcount)

    def close(self) -> None:
        self._database.close()


class _Conflict(Exception):
    """Rolls the transaction back."""


def _notice_row(site: str, n: Notice) -> dict[str, Any]:
    return {
        "site": site,
        "event": n.event,
        "receiver": n.address.receiver,
        "channel": n.address.channel,
        "alert": n.alert,
        "what": n.what.value,
        "priority": int(n.priority),
        "lane": n.lane.value,
        "made": n.made,
        "due": n.due,
        "message": n.message,
    }


def _notice(row: Any) -> Notice:
    return Notice(
        row["event"],
        Address(row["receiver"], row["channel"]),
        row["alert"],
        Event(row["what"]),
        Priority(row["priority"]),
        Lane(row["lane"]),
        row["made"],
        row["due"],
        row["message"],
    )


def _message_row(site: str, m: Message) -> dict[str, Any]:
    return {
        "site": site,
        "id": m.id,
        "receiver": m.address.receiver,
        "channel": m.address.channel,
        "form": m.form.value,
        "lane": m.lane.value,
        "notices": m.notices,
        "alerts": list(m.alerts),
        "title": m.text.title,
        "body": m.text.body,
        "html": m.text.html,
        "payload": m.payload,
        "made": m.made,
        "created": m.created,
        "next_try": m.next_try,
        "give_up": m.give_up,
        "state": m.state.value,
        "attempts": m.attempts,
        "doubts": m.doubts,
        "error": m.error,
        "tried": m.tried,
        "settled": m.settled,
    }


def _message(row: Any) -> Message:
    return Message(
        id=row["id"],
        address=Address(row["receiver"], row["channel"]),
        form=Form(row["form"]),
        lane=Lane(row["lane"]),
        notices=row["notices"],
        alerts=tuple(row["alerts"]),
        text=Text(row["title"], row["body"], row["html"]),
        payload=row["payload"],
        made=row["made"],
        created=row["created"],
        next_try=row["next_try"],
        give_up=row["give_up"],
        state=MessageState(row["state"]),
        attempts=row["attempts"],
        doubts=row["doubts"],
        error=row["error"],
        tried=row["tried"],
        settled=row["settled"],
    )
