"""``twuin export``: maps and series as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twuin.cli.options import DataOption, SiteOption, moment, out, settings_from
from twuin.views.export.layers import Layer
from twuin.views.export.series import SeriesFormat
from waterworks.errors import SettingsError

if TYPE_CHECKING:
    from twuin.views.views import Views

app = typer.Typer(no_args_is_help=True, help="Maps as GeoJSON and GeoPackage, series as CSV and Parquet.")

ToOption = Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write.")]


@app.command()
def geopackage(to: ToOption, site: SiteOption = None, data_dir: DataOption = None) -> None:
    """Write network, DMAs, sensors and alerts into one GeoPackage (.gpkg, WGS 84) for QGIS and others."""
    from twuin.views.export.geopackage import write_geopackage

    _folder(to)
    with _views(site, data_dir) as views:
        write_geopackage(views, to)
    out.print(str(to), markup=False)


@app.command()
def geojson(
    layer: Annotated[Layer, typer.Argument(help="What to write.")],
    to: ToOption,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Write one layer as GeoJSON (RFC 7946)."""
    from twuin.views.export.layers import geojson_bytes

    with _views(site, data_dir) as views:
        _write(to, iter([geojson_bytes(views, layer)]))
    out.print(str(to), markup=False)


@app.command()
def series(
    to: ToOption,
    sensor: Annotated[
        list[str] | None, typer.Option("--sensor", help="May be repeated. Default: all.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First instant, as 2026-10-01T00:00+07:00. Default: the first reading.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Up to before this instant. Default: the newest reading.")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Times in the site's zone instead of UTC.")] = False,
    site: SiteOption = None,
    data_dir: DataOption = None,
) -> None:
    """Write readings, as CSV or Parquet by the file's name: time, sensor, quantity, value, unit, quality."""
    try:
        format = SeriesFormat(to.suffix.removeprefix("."))
    except ValueError as e:
        raise SettingsError(
            f"--to {to}: the name ends in .csv or .parquet, which says what is written"
        ) from e
    begin, before = moment(start, "--start"), moment(end, "--end")
    if begin is not None and before is not None and begin >= before:
        raise SettingsError("--start must lie before --end")
    with _views(site, data_dir) as views:
        _write(to, views.export_series(sensor or (), begin, before, format, local=local))
    out.print(str(to), markup=False)


@contextmanager
def _views(site: Path | None, data_dir: Path | None) -> Iterator[Views]:
    from contextlib import closing

    from twuin.app import build, make_views, read_settings_site
    from twuin.instance import claim_folder

    settings = settings_from(site=site, data_dir=data_dir, clock={"kind": "data"})
    found = read_settings_site(settings)
    claim_folder(settings.data_dir, found.id, keep=False)
    with closing(build(settings, site=found)) as parts:
        yield make_views(parts)


def _folder(to: Path) -> None:
    if not to.parent.is_dir():
        raise SettingsError(f"--to {to}: there is no folder {to.parent}: make it first, or name another")


def _write(to: Path, chunks: Iterator[bytes]) -> None:
    """A new file, whole or not at all."""
    _folder(to)
    if to.exists():
        raise SettingsError(f"--to {to} is there already: name a new file, or remove it")
    beside = to.with_name(f".{to.name}.part")
    try:
        with beside.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        beside.replace(to)
    except OSError as e:
        raise SettingsError(f"{to} cannot be written ({e.strerror}): name another place with --to") from e
    finally:
        beside.unlink(missing_ok=True)
