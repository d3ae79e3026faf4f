"""What an archive says of itself: its last file, so that an archive that was cut off has none."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twuin.settings_words import message
from waterworks.errors import BackupError

FORMAT = 1
"""Of archives. One of a higher number was made by a newer Twuin."""

NAME = "manifest.json"

CONFIG, SITE, BROKER, DATA, DATABASE, READINGS = "config", "site", "broker", "data", "database", "readings"
PARTS = (CONFIG, SITE, BROKER, DATA, DATABASE, READINGS)
"""Top folders of an archive."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Entry(_Said):
    """A file of the archive. mode: its permissions. sha256: of its bytes."""

    name: str
    bytes: int = Field(ge=0)
    mode: int = Field(ge=0, le=0o7777)
    sha256: str

    @property
    def part(self) -> str:
        """The top folder that it lies in."""
        return PurePosixPath(self.name).parts[0]

    @property
    def inner(self) -> PurePosixPath:
        """Its path below that."""
        return PurePosixPath(*PurePosixPath(self.name).parts[1:])


class DatabasePart(_Said):
    """The relational state: its kind (sqlite, postgresql), its schema, rows and columns of each table."""

    kind: str
    schema_: str = Field(alias="schema")
    rows: dict[str, int]
    columns: dict[str, list[str]] = {}

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ReadingsPart(_Said):
    """The readings: what kept them, how many, of how many series, the first and last instant (RFC 3339)."""

    store: str
    count: int = Field(ge=0)
    series: int = Field(ge=0)
    first: str | None
    last: str | None


class Manifest(_Said):
    """All of an archive but itself.

    format: of the archive. twuin: the version that made it. began, ended: RFC 3339, UTC. named: files that
    settings name and that lie outside of the folders, by their setting: where they lay. left_out: what was
    asked to be left out, or lay there and cannot be kept.
    """

    format: int
    twuin: str
    site: str
    began: str
    ended: str
    host: str
    database: DatabasePart | None
    readings: ReadingsPart | None
    named: dict[str, str]
    left_out: list[str]
    files: list[Entry]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it holds."""
        held = {entry.part for entry in self.files}
        if self.database is not None:
            held.add(DATABASE)
        if self.readings is not None:
            held.add(READINGS)
        return tuple(part for part in PARTS if part in held)

    def of(self, part: str) -> list[Entry]:
        """Its files of one part."""
        return [entry for entry in self.files if entry.part == part]


class _Format(_Said):
    format: int
    twuin: str = "?"


def in_seconds(when: str | None) -> str:
    """A time of a manifest as people read it; as it is, where it is none."""
    try:
        return datetime.fromisoformat(when or "").isoformat(timespec="seconds")
    except ValueError:
        return when or "-"


def read_manifest(text: bytes, where: str) -> Manifest:
    """The manifest ``text`` of the archive ``where``. BackupError where it is none, or of a newer Twuin."""
    try:
        said = _Format.model_validate_json(text)
        if said.format > FORMAT:
            raise BackupError(
                f"{where} was made by Twuin {said.twuin}, which is newer than this one: install that "
                "version, or a newer one, and restore with it"
            )
        return Manifest.model_validate_json(text)
    except ValidationError as e:
        first = e.errors()[0]
        what = ".".join(str(part) for part in first["loc"]) or "it"
        raise BackupError(
            f"{where}: its {NAME} is none of a back-up ({what}: {message(first)}): use another archive"
        ) from None
