"""The PhotoStore on SQLAlchemy."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from twuin.db.engine import transaction
from twuin.db.migrate import Database, open_database
from twuin.db.photo_tables import PhotoRow
from twuin.db.tables import AlertRow
from twuin.photos.model import Photo, PhotoRefused, Picture


def open_photo_store(where: str | Database) -> SqlPhotoStore:
    """The photos in a database, at a URL or already open (see ``open_database``).

    Raises SettingsError, StoreError, StoreUnavailable.
    """
    return SqlPhotoStore(open_database(where))


class SqlPhotoStore:
    """Photos in a relational database that several processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    def add(self, photo: Photo, picture: Picture, *, most: int) -> Photo:
        files = {"whole": picture.whole, "small": picture.small}
        try:
            with transaction(self._engine, writes=True) as db:
                # Two who add to one alert wait for each other: so they cannot both add the last one.
                db.execute(
                    select(AlertRow.id)
                    .where(AlertRow.site == photo.site, AlertRow.id == photo.alert)
                    .with_for_update()
                )
                same = select(*_PHOTO).where(PhotoRow.site == photo.site, PhotoRow.id == photo.id)
                if (known := db.execute(same).mappings().first()) is not None:
                    return _photo(known)
                count = select(func.count()).where(
                    PhotoRow.site == photo.site, PhotoRow.alert == photo.alert, PhotoRow.removed.is_(None)
                )
                if db.execute(count).scalar_one() >= most:
                    raise _TooMany
                _insert(db, {**asdict(photo), **files})
        except _TooMany:
            raise PhotoRefused(f"alert {photo.alert} has {most} photos: no more are kept") from None
        except _Twice:  # the same came with another alert at this very moment
            known_now = self._find(photo.site, photo.id)
            assert known_now is not None
            return known_now
        return photo

    def of(self, site: str, alert: str) -> list[Photo]:
        ask = select(*_PHOTO).where(PhotoRow.site == site, PhotoRow.alert == alert)
        with transaction(self._engine) as db:
            rows = db.execute(ask.order_by(PhotoRow.at, PhotoRow.id)).mappings().all()
        return [_photo(row) for row in rows]

    def get(self, site: str, alert: str, id: str) -> Photo | None:
        found = self._find(site, id)
        return found if found is not None and found.alert == alert else None

    def _find(self, site: str, id: str) -> Photo | None:
        ask = select(*_PHOTO).where(PhotoRow.site == site, PhotoRow.id == id)
        with transaction(self._engine) as db:
            row = db.execute(ask).mappings().first()
        return None if row is None else _photo(row)

    def file(self, site: str, alert: str, id: str, *, small: bool) -> bytes | None:
        column = PhotoRow.small if small else PhotoRow.whole
        ask = select(column).where(PhotoRow.site == site, PhotoRow.alert == alert, PhotoRow.id == id)
        with transaction(self._engine) as db:
            found: bytes | None = db.execute(ask).scalar_one_or_none()
        return found

    def remove(self, site: str, alert: str, id: str, *, at: datetime, by: str) -> None:
        gone = {"removed": at, "removed_by": by, "whole": None, "small": None}
        which = update(PhotoRow).where(PhotoRow.site == site, PhotoRow.alert == alert, PhotoRow.id == id)
        with transaction(self._engine, writes=True) as db:
            db.execute(which.values(**gone))

    def close(self) -> None:
        self._database.close()


_PHOTO = tuple(getattr(PhotoRow, f.name) for f in fields(Photo))


class _TooMany(Exception):
    """Rolls the transaction back."""


class _Twice(Exception):
    """Rolls the transaction back."""


def _insert(db: Any, values: dict[str, Any]) -> None:
    try:
        db.execute(insert(PhotoRow).values(**values))
    except IntegrityError as e:
        raise _Twice from e


def _photo(row: Any) -> Photo:
    return Photo(**row)
