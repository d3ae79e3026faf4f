"""What `twuin backup` does: keep an installation, as it runs, in one file; and see that a file is whole."""

from __future__ import annotations

import re
import socket
import tomllib
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from twuin import __version__
from twuin.app import Say, open_readings, read_settings_site
from twuin.backup import manifest as m
from twuin.backup import readings
from twuin.backup.archive import ArchiveWriter, check_archive, write_archive
from twuin.backup.files import BESIDE, copy_file, copy_sqlite, passing, walk
from twuin.db.copying import SQLITE_NAME, describe_sqlite, kind_of, save_postgresql, sqlite_file
from twuin.instance import check_owner
from twuin.settings import Settings, file_in_use, in_use, path_settings
from waterworks.errors import BackupError, SettingsError, StoreUnavailable
from waterworks.reading import as_datetime
from waterworks.site import Site
from waterworks.wording import counted

SETTINGS = "settings.toml"
"""In ``config``: all settings in use, wherever they came from."""

FILES = "files"
"""In ``config``: files that settings name and that lie outside of the folders."""

BROKER_RUNS = "data"
"""Of the broker's folder: what it itself holds while it runs (messages that wait, sessions)."""

SECRET = 0o600


class Kept(NamedTuple):
    """A back-up that was made: its file, what it says of itself, and older ones that were removed."""

    path: Path
    bytes: int
    manifest: m.Manifest
    removed: list[Path]


def run_backup(
    settings: Settings, to: Path, *, config: Path | None, without: Collection[str], keep: int | None, say: Say
) -> Kept:
    """Keep all of an installation in an archive: ``to``, or a new file in the folder ``to``.

    config: the settings file that was named. without: parts to leave out. keep: so many archives of this site
    stay in the folder. Raises BackupError, SettingsError, and what database and store raise.
    """
    unknown = sorted(set(without) - set(m.PARTS))
    if unknown:
        raise SettingsError(f"--without {unknown[0]!r} is none of {', '.join(m.PARTS)}")
    site = read_settings_site(settings)
    if not {m.DATA, m.DATABASE, m.READINGS} <= set(without):
        if not settings.data_dir.is_dir():
            raise SettingsError(
                f"there is no data folder {settings.data_dir}: "
                "name it with --data-dir, as Twuin itself runs with"
            )
        check_owner(settings.data_dir, site.id)
    path = _place(settings, site, to, keep)
    with write_archive(path) as archive:
        made = _Keeping(settings, site, archive, set(without), say).all(file_in_use(config))
    removed = [] if keep is None else _remove_older(path, site, keep)
    return Kept(path, path.stat().st_size, made, removed)


def _place(settings: Settings, site: Site, to: Path, keep: int | None) -> Path:
    folder = to if to.is_dir() else to.parent
    if not folder.is_dir():
        raise SettingsError(f"--to {to}: there is no folder {folder}: make it first, or name another")
    if keep is not None and not to.is_dir():
        what = "is a file" if to.exists() else "does not exist"
        raise SettingsError(
            f"--to {to} {what}: --keep needs a folder there that exists, from which it removes older back-ups"
        )
    for name, own in _folders(settings, site).items():
        if folder.resolve().is_relative_to(own.resolve()):
            raise SettingsError(
                f"--to {to} lies in the {name} folder {own}, which is lost with what it keeps: name a folder "
                "elsewhere, best on another disk"
            )
    if to.is_dir():
        return to / f"{_stem(site)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    if not to.name.endswith((".tar.gz", ".tgz")):
        what = "is no folder" if to.exists() else "does not exist"
        raise SettingsError(
            f"--to {to} {what}: make a folder of that name first, or name a file that ends in .tar.gz"
        )
    return to


def _folders(settings: Settings, site: Site) -> dict[str, Path]:
    return {m.DATA: settings.data_dir, m.SITE: site.folder, m.BROKER: settings.broker_dir}


def _stem(site: Site) -> str:
    return f"twuin-{re.sub('[^A-Za-z0-9._-]', '_', site.id)}"


def _remove_older(path: Path, site: Site, keep: int) -> list[Path]:
    named = re.compile(re.escape(_stem(site)) + r"-\d{8}T\d{6}Z\.tar\.gz")
    found = sorted(p for p in path.parent.iterdir() if named.fullmatch(p.name))
    older = found[: -max(keep, 1)]
    for each in older:
        try:
            each.unlink()
        except OSError as e:
            raise BackupError(f"{path} is made, but {each} cannot be removed: {e.strerror}") from e
    return older


class _Keeping:
    """One back-up that is being made.

    The order is what makes it consistent while all runs. What tells what came (the ledger) is taken first,
    then where readings wait (quarantine, spool), then the alerts, and last the readings: a reading moves only
    this way, so each that a part taken earlier speaks of is in one taken later.
    """

    def __init__(
        self, settings: Settings, site: Site, archive: ArchiveWriter, without: set[str], say: Say
    ) -> None:
        self._settings, self._site, self._archive, self._without, self._say = (
            settings, site, archive, without, say,
        )  # fmt: skip
        self._left_out = [f"{part}: asked for" for part in m.PARTS if part in without]

    def all(self, config: Path | None) -> m.Manifest:
        began = datetime.now(UTC)
        folders = _folders(self._settings, self._site)
        named = {"site": str(self._site.folder.absolute())}
        if m.CONFIG not in self._without:
            named |= self._config(config, folders)
        if m.DATA not in self._without:
            self._data(folders)
        if m.SITE not in self._without:
            self._folder(m.SITE, folders[m.SITE], (folders[m.DATA], folders[m.BROKER]))
        broker = folders[m.BROKER]
        if m.BROKER not in self._without and broker.is_dir():
            self._folder(m.BROKER, broker, (folders[m.DATA], folders[m.SITE], broker / BROKER_RUNS))
        database = None if m.DATABASE in self._without else self._database()
        kept = None if m.READINGS in self._without else self._readings()
        made = m.Manifest(
            format=m.FORMAT,
            twuin=__version__,
            site=self._site.id,
            began=began.isoformat(),
            ended=datetime.now(UTC).isoformat(),
            host=socket.gethostname(),
            database=database,
            readings=kept,
            named=named,
            left_out=self._left_out,
            files=self._archive.files,
        )
        self._archive.finish(made)
        return made

    def _keep(self, source: Path, name: str, *, secret: bool = False) -> None:
        staged = self._archive.stage / "file"
        mode = copy_file(source, staged)
        if mode is not None:
            self._archive.add(name, staged, SECRET if secret else mode)

    def _text(self, name: str, text: str) -> None:
        staged = self._archive.stage / "file"
        staged.write_text(text, encoding="utf-8")
        self._archive.add(name, staged, SECRET)

    def _config(self, config: Path | None, folders: dict[str, Path]) -> dict[str, str]:
        """Settings, and the files that they name outside of the folders; where these lie, by setting."""
        self._text(f"{m.CONFIG}/{SETTINGS}", tomli_w.dumps(in_use(self._settings)))
        if config is not None:
            self._keep(config, f"{m.CONFIG}/twuin.toml", secret=True)
        named = {}
        inside = [folder.resolve() for folder in folders.values()]
        for name, path in path_settings(self._settings).items():
            named[name] = str(path)
            if path.is_file() and not any(path.resolve().is_relative_to(folder) for folder in inside):
                self._keep(path, f"{m.CONFIG}/{FILES}/{name}", secret=True)
        for name, path in _secrets_of_notify(self._settings, self._site).items():
            named[name] = str(path)
            if path.is_file():
                self._keep(path, f"{m.CONFIG}/{FILES}/{name}", secret=True)
            else:
                self._left_out.append(f"{path}: the secret of notify.toml is not there")
        self._say("settings kept, and the files they name")
        return named

    def _data(self, folders: dict[str, Path]) -> None:
        data, without = folders[m.DATA], [folders[m.SITE], folders[m.BROKER]]
        own = sqlite_file(self._settings.database_url)
        if own is not None:
            without += [own, *(own.with_name(own.name + end) for end in BESIDE)]
        found = [s for s in walk(data, self._left_out, tuple(without)) if not passing(s.inner)]
        order = {"ledger.sqlite": 0, "spool": 2}
        found.sort(key=lambda s: (order.get(s.inner.split("/")[0], 1), s.inner))
        for source in found:
            self._keep(source.path, f"{m.DATA}/{source.inner}")
        self._say(f"data folder kept: {counted(len(found), 'file')}")

    def _folder(self, part: str, folder: Path, without: tuple[Path, ...]) -> None:
        found = [s for s in walk(folder, self._left_out, without) if not s.inner.endswith(BESIDE)]
        for source in found:
            self._keep(source.path, f"{part}/{source.inner}")
        self._say(f"{part} folder kept: {counted(len(found), 'file')}")

    def _database(self) -> m.DatabasePart:
        url, stage = self._settings.database_url, self._archive.stage
        if kind_of(url) == "sqlite":
            live, copy = sqlite_file(url), stage / SQLITE_NAME
            assert live is not None
            if not live.is_file():
                raise BackupError(f"there is no database {live}: start Twuin once, or name its settings")
            copy_sqlite(live, copy)
            saved = describe_sqlite(copy)
            for end in BESIDE:
                copy.with_name(copy.name + end).unlink(missing_ok=True)
            self._archive.add(f"{m.DATABASE}/{SQLITE_NAME}", copy, SECRET)
        else:
            try:
                saved = save_postgresql(
                    url, stage, lambda path: _added(self._archive, f"{m.DATABASE}/{path.name}", path)
                )
            except StoreUnavailable as e:
                raise BackupError(f"{e}: start it, or leave it out with --without database") from e
        self._say(f"database kept: {counted(sum(saved.rows.values()), 'row')}")
        return m.DatabasePart(kind=saved.kind, schema=saved.schema, rows=saved.rows, columns=saved.columns)

    def _readings(self) -> m.ReadingsPart:
        store_settings = self._settings.store
        influx = store_settings.kind == "influxdb"
        kind = f"influxdb {store_settings.version}" if influx else "embedded"
        try:
            with closing(open_readings(self._settings, self._site)) as store:
                count, series, extent = readings.save(
                    store,
                    self._archive.stage,
                    lambda path: _added(self._archive, f"{m.READINGS}/{path.name}", path),
                )
        except StoreUnavailable as e:
            raise BackupError(f"{e}: wait for it, or leave it out with --without readings") from e
        first, last = (as_datetime(when).isoformat() for when in extent) if extent else (None, None)
        self._say(f"readings kept: {count:,} of {series:,} series")
        return m.ReadingsPart(store=kind, count=count, series=series, first=first, last=last)


def _added(archive: ArchiveWriter, name: str, path: Path) -> None:
    archive.add(name, path, SECRET)


def _secrets_of_notify(settings: Settings, site: Site) -> dict[str, Path]:
    """Files of secrets that notify.toml names, as ``notify.secrets.NAME``; none where it cannot be read."""
    file = settings.notify.file or site.folder / "notify.toml"
    try:
        said: Any = tomllib.loads(file.read_text("utf-8")).get("secrets", {})
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {
        f"notify.secrets.{name}": Path(secret["file"])
        for name, secret in said.items()
        if isinstance(secret, dict)
        and isinstance(secret.get("file"), str)
        and re.fullmatch("[A-Za-z0-9_-]{1,40}", name)
    }


def run_check(path: Path) -> m.Manifest:
    """Read all of an archive, and prove that it is what it says. Raises BackupError."""
    return check_archive(path)
