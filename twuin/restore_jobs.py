"""What `twuin restore` does: bring an installation back from an archive, onto a machine that has none."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from ingest.durable import sync_folder
from twuin import __version__
from twuin.app import Say, open_embedded, open_readings
from twuin.backup import manifest as m
from twuin.backup import readings
from twuin.backup.archive import check_archive, unpack
from twuin.backup.files import BEFORE, BESIDE, STAGE, is_sqlite, prove_sqlite
from twuin.backup_jobs import BROKER_RUNS, FILES, SETTINGS
from twuin.db.copying import (
    SQLITE_NAME,
    Saved,
    bring_up_sqlite,
    is_empty,
    kind_of,
    load_postgresql,
    readable_schema,
    sqlite_file,
)
from twuin.settings import Settings, in_use, load, path_settings
from waterworks.errors import BackupError, SettingsError, StoreUnavailable
from waterworks.site_folder import read_site
from waterworks.wording import counted

LOOSE = "from-backup"
"""Folder in the data folder for files that no setting of this machine names."""


class Restored(NamedTuple):
    """What came back: of which archive, with which settings file (None: those in use), and what to know."""

    manifest: m.Manifest
    settings_file: Path | None
    parts: list[str]
    readings: int | None
    notes: list[str]


def run_restore(
    archive: Path,
    *,
    into: Path | None,
    config: Path | None,
    flags: dict[str, Any],
    without: Collection[str],
    replace: bool,
    say: Say,
) -> Restored:
    """Bring back what ``archive`` holds: to where the settings say, or all of it into the folder ``into``.

    into: gets settings, site, data and broker as folders, and a twuin.toml that names them. flags: settings
    given on the command line. without: parts to leave out. replace: what is there is moved aside, and
    readings are added to a store that has some. Raises BackupError, and what database and store raise.
    """
    unknown = sorted(set(without) - set(m.PARTS))
    if unknown:
        raise SettingsError(f"--without {unknown[0]!r} is none of {', '.join(m.PARTS)}")
    found = check_archive(archive)
    began = m.in_seconds(found.began)
    say(f"{archive} is whole: {counted(len(found.files), 'file')}, made {began} by Twuin {found.twuin}")
    _refuse_newer(archive, found)
    parts = [part for part in found.parts if part not in without]
    settings = _settings(archive, found, into, config, flags)
    work = _Restoring(archive, found, parts, settings, into, replace, say)
    return work.run()


def _refuse_newer(archive: Path, found: m.Manifest) -> None:
    if _number(found.twuin) > _number(__version__) or (
        found.database is not None and not readable_schema(found.database.schema_)
    ):
        raise BackupError(
            f"{archive} was made by Twuin {found.twuin}, which is newer than this one ({__version__}): "
            "install that version, or a newer one, and restore with it"
        )


def _number(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    numbers = []
    for part in version.split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits or not part.isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _settings(
    archive: Path, found: m.Manifest, into: Path | None, config: Path | None, flags: dict[str, Any]
) -> Settings:
    """The settings of this machine; with ``into``, those of the archive with all paths below it."""
    if into is None:
        settings = load(config, flags)
        if settings.site is None:
            raise SettingsError(
                "no site folder is named, into which to restore: name one with --site or a settings file "
                "(--config; the archive's own: `tar -xzf ARCHIVE config/twuin.toml`), or restore all of it "
                "into one folder with --into"
            )
        return settings
    said: dict[str, Any] = {}
    for text in _texts(archive, found, f"{m.CONFIG}/{SETTINGS}"):
        try:
            said = tomllib.loads(text)
        except ValueError as e:
            raise BackupError(f"{archive}: its {m.CONFIG}/{SETTINGS} is no TOML ({e})") from None
    into = into.absolute()
    root = {m.SITE: into / "site", m.DATA: into / "data", m.BROKER: into / "broker"}
    old = {
        m.SITE: found.named.get("site"),
        m.DATA: found.named.get("data_dir"),
        m.BROKER: found.named.get("broker_dir"),
    }
    kept = {entry.name for entry in found.files}
    for name, path in found.named.items():
        if name.startswith("notify.secrets."):
            continue
        new = None
        if f"{m.CONFIG}/{FILES}/{name}" in kept:
            new = into / FILES / name
        else:
            for part, folder in old.items():
                if folder is not None and Path(path).is_relative_to(folder):
                    new = root[part] / Path(path).relative_to(folder)
        if new is not None:
            _put(said, name, str(new))
    said |= {"site": str(root[m.SITE]), "data_dir": str(root[m.DATA]), "broker_dir": str(root[m.BROKER])}
    if str(said.get("database", "")).startswith("sqlite"):
        del said["database"]
    for name, value in flags.items():
        if value is not None and name not in ("site", "data_dir", "broker_dir"):
            said[name] = str(value) if isinstance(value, Path) else value
    try:
        return Settings.model_validate(said)
    except ValueError as e:
        raise BackupError(f"{archive}: its settings do not fit this version: {e}") from None


def _put(said: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for part in above:
        said = said.setdefault(part, {})
    said[last] = value


def _texts(archive: Path, found: m.Manifest, name: str) -> Iterator[str]:
    """The text of one file of an archive, if it is there."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "text"
        unpack(archive, found, lambda entry: to if entry.name == name else None)
        if to.exists():
            try:
                yield to.read_text("utf-8")
            except UnicodeDecodeError:
                raise BackupError(f"{archive}: its {name} is no text: use another archive") from None


@dataclass
class _Target:
    """A folder (of ``mode``, where made) that something comes into; ``stage``: where it waits for all."""

    folder: Path
    mode: int
    made: bool = False

    @property
    def stage(self) -> Path:
        return self.folder / STAGE


@dataclass
class _Restoring:
    archive: Path
    found: m.Manifest
    parts: list[str]
    settings: Settings
    into: Path | None
    replace: bool
    say: Say
    targets: dict[str, _Target] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    beside: list[tuple[Path, Path]] = field(default_factory=list)
    scratch: Path = Path()
    stamp: str = field(default_factory=lambda: f"{BEFORE}{datetime.now(UTC):%Y%m%dT%H%M%SZ}")

    def run(self) -> Restored:
        self._choose()
        self._look()
        kept: int | None = None
        with self._staged():
            self._unpack()
            if m.DATABASE in self.parts and self._sqlite is not None:
                self._bring_up_sqlite()
            if m.READINGS in self.parts:
                kept = self._load_readings()
            if m.DATABASE in self.parts and self._sqlite is None:
                self._load_postgresql()
            settings_file = self._write_settings()
            self._move_in()
        if m.DATABASE in self.parts:
            self.notes.append(
                "Everybody signs in anew. Accounts, passwords and tokens are those of "
                f"{m.in_seconds(self.found.began)}: what was changed or withdrawn since, do again"
            )
        return Restored(self.found, settings_file, self.parts, kept, self.notes)

    # -- what is to be where -----------------------------------------------------------------------

    @property
    def _embedded(self) -> bool:
        return self.settings.store.kind == "embedded"

    @property
    def _sqlite(self) -> Path | None:
        return sqlite_file(self.settings.database_url)

    def _choose(self) -> None:
        assert self.settings.site is not None
        data = self.settings.data_dir.absolute()
        if self.into is not None:
            self.targets["into"] = _Target(self.into.absolute(), 0o755)
        if m.SITE in self.parts:
            self.targets[m.SITE] = _Target(self.settings.site.absolute(), 0o755)
        if m.BROKER in self.parts:
            self.targets[m.BROKER] = _Target(self.settings.broker_dir.absolute(), 0o2750)
        if m.DATA in self.parts:
            self.targets[m.DATA] = _Target(data, 0o700)
        if m.DATABASE in self.parts:
            assert self.found.database is not None
            kind, wanted = kind_of(self.settings.database_url), self.found.database.kind
            if kind != wanted:
                raise BackupError(
                    f"the archive holds a database of {wanted}, the settings name one of {kind}: name one of "
                    f"{wanted} with --database, or leave it out with --without database"
                )
            if self._sqlite is not None:
                folder = self._sqlite.absolute().parent
                beside = self.targets.get(m.DATA)
                shared = beside is not None and beside.folder.resolve() == folder.resolve()
                self.targets[m.DATABASE] = beside if beside and shared else _Target(folder, 0o700)

    def _look(self) -> None:
        """Refuse before anything is written, where something is in the way."""
        for part, target in self.targets.items():
            there = self._in_the_way(part, target.folder)
            if not there:
                continue
            if part == m.DATA:
                _refuse_running(target.folder)
            if not self.replace:
                names = ", ".join(p.name for p in there[:3]) + (", ..." if len(there) > 3 else "")
                other = (
                    f"leave it as it is with --without {part}" if part in m.PARTS else "name another folder"
                )
                raise BackupError(
                    f"{target.folder} is not empty ({names}): restore into an empty folder, {other}, or let "
                    "--replace move what is there aside"
                )
        servers = m.DATABASE in self.parts and self._sqlite is None
        if servers and not self.replace and not is_empty(self.settings.database_url):
            raise BackupError(
                "the database is not empty: restore into an empty one (`createdb`), leave it as it is with "
                "--without database, or let --replace move what is there aside, into a schema of its own"
            )
        need = sum(entry.bytes for entry in self.found.files if entry.part in self.parts)
        for target in self.targets.values():
            above = target.folder
            while not above.exists():
                above = above.parent
            free = shutil.disk_usage(above).free
            if free < need:
                raise BackupError(
                    f"{target.folder}: {free >> 20:,} MiB are free on its disk, and the archive unpacks to "
                    f"{need >> 20:,} MiB: make room first"
                )

    def _in_the_way(self, part: str, folder: Path) -> list[Path]:
        try:
            there = sorted(folder.iterdir()) if folder.exists() else []
        except OSError as e:
            raise BackupError(f"{folder} cannot be read: {e.strerror}") from e
        there = [p for p in there if p.name not in (STAGE, "lost+found") and not p.name.startswith(BEFORE)]
        if part == m.DATABASE:
            assert self._sqlite is not None
            return [p for p in there if p.name == self._sqlite.name]
        if part == "into":
            return [p for p in there if p.name in ("twuin.toml", FILES)]
        inner = [t.folder for name, t in self.targets.items() if name not in (part, m.DATABASE)]
        return [p for p in there if p not in inner]

    @contextmanager
    def _staged(self) -> Iterator[None]:
        """Folders to work in, gone again where it does not end well."""
        one = list({id(target): target for target in self.targets.values()}.values())
        self.scratch = Path()
        try:
            for target in one:
                target.made = not target.folder.exists()
                target.folder.mkdir(parents=True, exist_ok=True)
                if target.made:
                    target.folder.chmod(target.mode)
                shutil.rmtree(target.stage, ignore_errors=True)
                target.stage.mkdir(mode=0o700, exist_ok=True)
            self.scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=one[0].stage if one else None))
            yield
        except OSError as e:
            raise BackupError(f"{e.filename or self.archive}: {e.strerror or e}; nothing was restored") from e
        finally:
            if self.scratch != Path():
                shutil.rmtree(self.scratch, ignore_errors=True)
            for target in reversed(one):
                shutil.rmtree(target.stage, ignore_errors=True)
                if target.made:
                    with suppress(OSError):
                        target.folder.rmdir()  # only where nothing came into it

    # -- the work ----------------------------------------------------------------------------------

    def _unpack(self) -> None:
        where = {part: target.stage for part, target in self.targets.items()}
        own = path_settings(self.settings)

        def place(entry: m.Entry) -> Path | None:
            if entry.part not in self.parts:
                return None
            inner = entry.inner
            if entry.part == m.CONFIG:
                return self._place_config(entry, where, own)
            if entry.part == m.DATABASE and self._sqlite is not None:
                return where[m.DATABASE] / self._sqlite.name
            if entry.part in (m.READINGS, m.DATABASE):
                return self.scratch / entry.name
            return where[entry.part] / inner

        unpack(self.archive, self.found, place)
        for part in (m.DATA, m.SITE, m.BROKER):
            if part in self.parts:
                for entry in self.found.of(part):
                    path = self.targets[part].stage / entry.inner
                    if is_sqlite(path):
                        prove_sqlite(path)
                self.say(f"{part} folder: {counted(len(self.found.of(part)), 'file')}")

    def _place_config(self, entry: m.Entry, where: dict[str, Path], own: dict[str, Path]) -> Path | None:
        """Where a file that a setting names goes: to where this machine's settings say, if none is there."""
        inner = entry.inner.parts
        if self.into is not None:
            stage = where["into"]
            if inner[0] == FILES and len(inner) == 2:
                return stage / FILES / inner[1]
            return stage / "twuin.toml.before" if inner == ("twuin.toml",) else None
        if inner[0] != FILES or len(inner) != 2:
            return None
        named = own.get(inner[1])
        if named is not None and not os.path.lexists(named) and named.parent.is_dir():
            staged = self.scratch / FILES / inner[1]
            self.beside.append((staged, named))
            return staged
        if named is not None and os.path.lexists(named):
            self.notes.append(f"{named} was there already and is left as it is")
            return None
        if m.DATA not in where:
            return None
        to = self.targets[m.DATA].folder / LOOSE / inner[1]
        self.notes.append(f"{inner[1]} ({self.found.named.get(inner[1], '?')!r} before) lies in {to}")
        return where[m.DATA] / LOOSE / inner[1]

    def _bring_up_sqlite(self) -> None:
        assert self._sqlite is not None
        path = self.targets[m.DATABASE].stage / self._sqlite.name
        if not path.is_file():
            raise BackupError(f"{self.archive} has no {m.DATABASE}/{SQLITE_NAME}: use another archive")
        prove_sqlite(path)
        bring_up_sqlite(path)
        for end in BESIDE:
            path.with_name(path.name + end).unlink(missing_ok=True)
        assert self.found.database is not None
        self.say(f"database: {counted(sum(self.found.database.rows.values()), 'row')}")

    def _load_postgresql(self) -> None:
        said = self.found.database
        assert said is not None
        files = {table: self.scratch / m.DATABASE / f"{table}.copy" for table in said.columns}
        lost = [table for table, path in files.items() if not path.is_file()]
        if lost:
            raise BackupError(f"{self.archive} has no {m.DATABASE}/{lost[0]}.copy: use another archive")
        saved = Saved(said.kind, said.schema_, said.rows, said.columns)
        aside = self.stamp.replace("-", "_").lower()
        try:
            if load_postgresql(self.settings.database_url, saved, files, aside if self.replace else ""):
                self.notes.append(
                    f"what the database held lies in its schema {aside}: drop it once all is well"
                )
        except StoreUnavailable as e:
            raise BackupError(f"{e}: nothing was restored; start the database, and try again") from e
        self.say(f"database: {counted(sum(said.rows.values()), 'row')}")

    def _load_readings(self) -> int:
        """Append all readings, and count what the store then holds."""
        said = self.found.readings
        assert said is not None
        files = sorted((self.scratch / m.READINGS).glob("*.parquet"))
        folder = self.targets[m.SITE].stage if m.SITE in self.targets else self.settings.site
        assert folder is not None
        in_stage = self._embedded and m.DATA in self.targets
        stage = self.targets[m.DATA].stage if in_stage else folder
        opened = open_embedded(stage) if in_stage else open_readings(self.settings, read_site(folder))
        try:
            with closing(opened) as store:
                if not in_stage and store.extent() is not None and not self.replace:
                    raise BackupError(
                        "the store has readings already: leave them as they are with --without readings, or "
                        "let --replace add the archive's to them"
                    )
                done = readings.load(store, files)
                held = readings.count(store)
        except StoreUnavailable as e:
            raise BackupError(f"{e}: start it, or leave the readings out with --without readings") from e
        if done.stored + done.expired < said.count or held < said.count - done.expired:
            raise BackupError(
                f"the store holds {held:,} readings of the archive's {said.count:,}: look at its log"
            )
        if done.expired:
            self.notes.append(f"{done.expired:,} readings are older than the store keeps any (retention)")
        if in_stage:
            for name in ("store.lock", "store.sock"):
                (stage / name).unlink(missing_ok=True)
        self.say(f"readings: {held:,} in the store")
        return held

    def _write_settings(self) -> Path | None:
        """With ``into``: a twuin.toml that names all that came back."""
        if self.into is None:
            return None
        text = "# Settings as they were in use at the back-up, with the paths of this folder.\n"
        path = self.targets["into"].stage / "twuin.toml"
        path.write_text(text + tomli_w.dumps(in_use(self.settings)), "utf-8")
        path.chmod(0o600)
        return self.targets["into"].folder / "twuin.toml"

    def _move_in(self) -> None:
        """All that waits takes its place; what was there goes aside."""
        for part, target in self.targets.items():
            there = self._in_the_way(part, target.folder)
            if there:
                aside = target.folder / self.stamp
                aside.mkdir(mode=0o700, exist_ok=True)
                for path in there:
                    path.rename(aside / path.name)
                self.notes.append(f"what was in {target.folder} lies in {aside}: remove it once all is well")
        for staged, named in self.beside:
            if staged.exists():
                shutil.move(staged, named)
                _own(named, named.parent)
        shutil.rmtree(self.scratch, ignore_errors=True)
        if m.BROKER in self.targets:
            _broker_folders(self.targets[m.BROKER].stage)
        for target in {id(t): t for t in self.targets.values()}.values():
            _own_all(target.stage, target.folder)
            for path in sorted(target.stage.iterdir()):
                path.rename(target.folder / path.name)
            target.stage.rmdir()
            sync_folder(target.folder)


def _broker_folders(stage: Path) -> None:
    """Folders as `twuin broker init` makes them: their group reads, and what it itself keeps it may write."""
    (stage / BROKER_RUNS).mkdir(exist_ok=True)
    for folder in (stage, *(p for p in stage.rglob("*") if p.is_dir())):
        if folder != stage:
            folder.chmod(0o2770 if folder.name == BROKER_RUNS else 0o2750)


def _refuse_running(folder: Path) -> None:
    """BackupError where a Twuin process works in the data folder."""
    for path in folder.glob("*.lock"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"Twuin runs in the data folder {folder} ({path.name}): stop it first"
            ) from None
        except OSError:
            continue


def _own(path: Path, like: Path) -> None:
    """Give what root made to who owns the folder that it is for."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _own_all(stage: Path, like: Path) -> None:
    if os.geteuid() == 0:
        for at, folders, files in os.walk(stage):
            for name in (*folders, *files):
                _own(Path(at) / name, like)
