"""A site folder from nothing but an EPANET file. What cannot be known is guessed, and said to be so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from waterworks import areas, doubts, epanet_text, geo, zones
from waterworks.areas import OUTSIDE, Areas
from waterworks.epanet_file import read_network
from waterworks.errors import NetworkError, Problem, Severity, SiteError
from waterworks.hydraulics import steady_states
from waterworks.network import Floats, LinkKind, Network, NodeKind
from waterworks.placing import spread
from waterworks.site_folder import (
    DMAS_FILE,
    NETWORK_FILE,
    NODES_FILE,
    SENSORS_FILE,
    SITE_FILE,
    check_site,
)
from waterworks.tables import MAX_ID
from waterworks.wording import counted
from waterworks.zones import shut

CONNECTION_M3_A_MONTH = 20.0
"""Demand of a connection from which their number is estimated [m3 a month]: a household's in an Indonesian
town, its share of the losses that a model's demands usually contain included."""

_US = {"CFS", "GPM", "MGD", "IMGD", "AFD"}
_METER_UNIT = {"LPS": "L/s", "LPM": "L/min", "CMS": "m3/s", "MLD": "ML/d", "CMD": "m3/d"}
_TIMEZONE = "Asia/Jakarta"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was made, and what it rests on: ``notes`` are sentences for the user."""

    folder: Path
    dmas: int
    sensors: int
    notes: tuple[str, ...]


def import_site(
    inp: Path, out: Path, *, name: str | None = None, timezone: str | None = None, crs: str | None = None
) -> ImportReport:
    """Make the site folder ``out`` from the EPANET file ``inp``. name: of the site; the folder's if None.

    DMAs, inlet meters, tank levels and pressure sensors are proposed; ``check_site`` finds no error in
    what was written. Raises NetworkError when the file cannot be read, SiteError when ``out`` holds a
    site already or an argument is wrong.
    """
    inp, out = Path(inp), Path(out)
    network = read_network(inp)  # its mistakes are told before anything is written
    if not (network.node_kind == NodeKind.JUNCTION).any():
        raise NetworkError([Problem(inp.name, None, "has no junction: there is nothing to watch in it")])
    _refuse(out, crs)
    notes: list[str] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise SiteError([Problem(str(out), None, f"cannot be made: {e.strerror or e}")]) from None
    copied = _copy(inp, out / NETWORK_FILE, notes)
    network = read_network(copied)
    divided = areas.guess(network, epanet_text.tags(copied))
    ids = _unique_ids(divided.names if divided.how.startswith("the tags") else _numbered(divided))
    frame = crs if crs is not None else _guess_crs(network, notes)
    if timezone is None:
        notes.append(f"timezone {_TIMEZONE} is assumed")
    if len(ids) == 1:
        notes.append(f"one DMA, {ids[0]}: the network has nothing inside that divides it")
    else:
        notes.append(f"{counted(len(ids), 'DMA')} after {divided.how}")

    sensors = _sensors(network, divided, ids, notes)
    dmas = _dmas(network, copied, divided, ids, notes)
    title = name or out.resolve().name or inp.stem  # the file is often called network.inp, as are all others
    _write(out / SITE_FILE, _site_text(_unique_ids([title])[0], title, timezone or _TIMEZONE, frame))
    _write(out / DMAS_FILE, dmas)
    _write(out / SENSORS_FILE, _table(_SENSOR_COLUMNS, sensors))
    if _needs_nodes(out, network, divided, ids):
        inside = np.flatnonzero(divided.label != OUTSIDE).tolist()
        rows = [(network.node_ids[i], ids[int(divided.label[i])]) for i in inside]
        _write(out / NODES_FILE, _table(("node", "dma"), rows, quoting=csv.QUOTE_ALL))
        notes.append(f"{NODES_FILE} lists the nodes of each DMA, as meters alone do not tell them apart")
    problems = check_site(out)
    wrong = [p for p in problems if p.severity is Severity.ERROR]
    if wrong:
        raise SiteError(wrong)
    notes.extend(f"to look at: {p}" for p in problems)
    return ImportReport(out, len(ids), len(sensors), tuple(notes))


def _refuse(out: Path, crs: str | None) -> None:
    if out.exists() and not out.is_dir():
        raise SiteError([Problem(str(out), None, "is a file: give the name of a new folder")])
    there = [n for n in (SITE_FILE, DMAS_FILE, SENSORS_FILE, NODES_FILE) if (out / n).exists()]
    if there:
        raise SiteError(
            [Problem(str(out), None, f"holds {', '.join(there)} already: give the name of a new folder")]
        )
    if crs and (wrong := geo.wrong_crs(crs)):
        raise SiteError([Problem("crs", None, f"{crs!r} {wrong}")])


def _copy(inp: Path, to: Path, notes: list[str]) -> Path:
    """The file into the folder, in UTF-8: names in it are written into tables."""
    raw = inp.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
        notes.append(f"{inp.name} is not UTF-8; it was read as Windows-1252 and copied as UTF-8")
    if to.exists() and to.samefile(inp) and text.encode() == raw:
        return to
    if to.exists() and not to.samefile(inp):
        raise SiteError([Problem(str(to.parent), None, f"holds {to.name} already: give a new folder")])
    to.write_bytes(text.encode())
    return to


def _numbered(divided: Areas) -> list[str]:
    return [f"D{k + 1}" for k in range(len(divided.names))]


def _unique_ids(names: Iterable[str]) -> list[str]:
    """Names as ids: what MQTT topics and series cannot carry is taken out."""
    out: list[str] = []
    for name in names:
        base = re.sub(r"[^\w.\-]+", "-", name).strip("-._")[: MAX_ID - 12] or "site"
        new, k = base, 2
        while new.lower() in {o.lower() for o in out}:
            new, k = f"{base}-{k}", k + 1
        out.append(new)
    return out


def _guess_crs(network: Network, notes: list[str]) -> str:
    good = network.xy[np.isfinite(network.xy).all(axis=1)]
    if len(good) < 2:
        notes.append("the file has no coordinates: there will be no map")
        return ""
    x, y = good[:, 0], good[:, 1]
    extent = float(max(np.ptp(x), np.ptp(y)))
    middle = (float(x.mean()), float(y.mean()))
    degrees = bool((np.abs(x) <= 180).all() and (np.abs(y) <= 90).all())
    if degrees and 1e-3 < extent < 2 and max(abs(middle[0]), abs(middle[1])) > 2 * extent:
        notes.append("coordinates look like longitude and latitude: crs is EPSG:4326")
        return "EPSG:4326"
    hint = ""
    if 1e5 < middle[0] < 9e5 and 0 < middle[1] < 1e7 and extent < 3e5:
        hint = "; they look like UTM: on Java that is EPSG:32748 (west of 108 E) or EPSG:32749"
    notes.append(f"crs is left empty, as coordinates do not say where on earth they are{hint}")
    return ""


_SENSOR_COLUMNS = (
    "id", "name", "quantity", "unit", "role", "dma", "from_dma", "element", "device", "interval_s",
)  # fmt: skip


def _sensors(network: Network, divided: Areas, ids: list[str], notes: list[str]) -> list[tuple[str, ...]]:
    us = network.units in _US
    flow = "gpm" if us else _METER_UNIT.get(network.units, "m3/h")
    length, pressure = ("ft", "psi") if us else ("m", "m")
    rows: list[tuple[str, ...]] = []
    used: set[str] = set()

    def add(base: str, *cells: str) -> None:
        new, k = base, 2
        while new.lower() in used:
            new, k = f"{base}{k}", k + 1
        used.add(new.lower())
        rows.append((new, *cells, new, "300"))

    def area(node: int) -> str:
        k = int(divided.label[node])
        return "" if k == OUTSIDE else ids[k]

    links = areas.borders(network, divided.label).tolist()
    for i in links:
        dma, from_dma = area(network.end[i]), area(network.start[i])
        element = network.link_ids[i]
        what = f"Flow {from_dma or 'source'} to {dma or 'outside'}"
        add(f"{dma or from_dma}-IN", what, "flow", flow, "inlet", dma, from_dma, element)
    against = sum(not area(network.end[i]) for i in links)
    notes.append(
        f"{counted(len(links), 'inlet meter')} on the links between DMAs and sources; positive is the "
        "direction in which the file draws the link"
        + (f" ({against} {'leaves its' if against == 1 else 'leave their'} DMA)" if against else "")
    )
    tanks = np.flatnonzero(network.node_kind == NodeKind.TANK).tolist()
    for i in tanks:
        tank = network.node_ids[i]
        role = "storage" if area(i) else "monitor"
        add(f"L-{_unique_ids([tank])[0]}", f"Level of {tank}", "level", length, role, area(i), "", tank)
    if tanks:
        notes.append(counted(len(tanks), "tank level"))
    points = 0
    cut = shut(network)
    cut[links] = True
    for k, dma in enumerate(ids):
        inside = np.flatnonzero((divided.label == k) & (network.node_kind == NodeKind.JUNCTION))
        count = min(5, max(3, round(len(inside) / 60)))
        for n, node in enumerate(spread(network, inside.tolist(), count, cut=cut), 1):
            name = network.node_ids[node]
            add(f"{dma}-P{n}", f"Pressure at {name}", "pressure", pressure, "monitor", dma, "", name)
            points += 1
    notes.append(f"{counted(points, 'pressure sensor')} suggested, spread out along the pipes of each DMA")
    return rows


def _dmas(network: Network, path: Path, divided: Areas, ids: list[str], notes: list[str]) -> str:
    pressure = _mean_pressure(network, path, notes)
    a_connection = CONNECTION_M3_A_MONTH / (365.25 / 12 * 86400)  # m3/s
    dma_of = zones.link_dma(
        network,
        {network.node_ids[i]: ids[int(k)] for i, k in enumerate(divided.label) if k != OUTSIDE},
    )
    pipe = network.link_kind <= LinkKind.PIPE
    rows = []
    odd = doubts.pipes(network)
    for k, dma in enumerate(ids):
        inside = (divided.label == k) & (network.node_kind == NodeKind.JUNCTION)
        demand = max(float(network.base_demand[inside].sum()), 0.0)
        mains = float(network.length[pipe & (np.array(dma_of, object) == dma)].sum())
        mean = float(pressure[inside].mean()) if pressure is not None and inside.any() else np.nan
        connections = round(demand / a_connection)
        odd += doubts.dma(dma, connections, mean)
        rows.append(
            (
                dma,
                divided.names[k],
                str(connections),
                f"{mains / 1000:.2f}",
                f"{mean:.1f}" if mean > 0 else "",
            )
        )
    if odd:
        notes.insert(0, doubts.told(odd, network.units))
    notes.append(
        f"connections are estimated from base demand at {CONNECTION_M3_A_MONTH:g} m3 a month each: "
        f"put the true numbers into {DMAS_FILE}"
    )
    return (
        f"# connections: estimated from base demand at {CONNECTION_M3_A_MONTH:g} m3 a month each. "
        "Put the true numbers here.\n" + _table(("id", "name", "connections", "mains_km", "pressure_m"), rows)
    )


def _mean_pressure(network: Network, path: Path, notes: list[str]) -> Floats | None:
    """(N,) mean pressure over the day [m], None where the model does not run."""
    try:
        head = steady_states(path, [0, 3, 6, 9, 12, 15, 18, 21]).head
    except NetworkError as e:
        notes.append(f"average pressures are left empty: {e}")
        return None
    return np.asarray((head - network.elevation).mean(axis=0))


def _needs_nodes(out: Path, network: Network, divided: Areas, ids: list[str]) -> bool:
    """Whether the meters alone would divide the network otherwise."""
    from waterworks.site_folder import read_site

    try:
        found = read_site(out).node_dma
    except SiteError:
        return True
    meant = {
        network.node_ids[i]: ids[int(k)]
        for i, k in enumerate(divided.label)
        if k != OUTSIDE and network.node_kind[i] == NodeKind.JUNCTION
    }
    return found != meant


def _site_text(site: str, name: str, timezone: str, crs: str) -> str:
    quoted: Callable[[str], str] = lambda s: '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'  # noqa: E731
    frame = f"crs = {quoted(crs)}" if crs else '# crs = "EPSG:32749"  # of the coordinates in network.inp'
    return (
        f"id = {quoted(site)}\nname = {quoted(name)}\ntimezone = {quoted(timezone)}\n{frame}\n"
        f'network = "{NETWORK_FILE}"\n\n'
        '[monitor]\nnight = [0, 5]\nholidays = []\nwater_cost = 0\ncurrency = "IDR"\n'
    )


def _table(
    heading: Sequence[str], rows: Iterable[Sequence[str]], *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=quoting)
    writer.writerow(heading)
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
