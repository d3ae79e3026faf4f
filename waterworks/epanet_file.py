"""EPANET files into SI arrays, read by EPANET itself (owa-epanet)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from epanet import toolkit

from waterworks import epanet_text
from waterworks.errors import NetworkError, Problem
from waterworks.network import Floats, LinkKind, Network, NodeKind
from waterworks.units import Quantity, conversion

Project = Any
"""EPANET's handle of an open project (opaque)."""

_FOOT = 0.3048
_INCH = 0.0254
_NOT_GIVEN = -1e9  # EPANET marks a missing number with -1e10

# EPANET's flow units (EN_FlowUnits) -> ours.
_FLOW_UNITS: dict[int, tuple[str, str]] = {
    toolkit.CFS: ("CFS", "ft3/s"),
    toolkit.GPM: ("GPM", "gpm"),
    toolkit.MGD: ("MGD", "MGD"),
    toolkit.IMGD: ("IMGD", "IMGD"),
    toolkit.AFD: ("AFD", "acre-ft/d"),
    toolkit.LPS: ("LPS", "L/s"),
    toolkit.LPM: ("LPM", "L/min"),
    toolkit.MLD: ("MLD", "ML/d"),
    toolkit.CMH: ("CMH", "m3/h"),
    toolkit.CMD: ("CMD", "m3/d"),
    toolkit.CMS: ("CMS", "m3/s"),
}
_US = {"CFS", "GPM", "MGD", "IMGD", "AFD"}
_HEADLOSS = {toolkit.HW: "H-W", toolkit.DW: "D-W", toolkit.CM: "C-M"}

# Pressure units per foot of water in EPANET 2.3 (types.h): a valve set to 40 psi holds what EPANET makes
# of 40 psi, which is 0.05 % off the psi of NIST. Elsewhere we use the latter.
_PRESSURE_PER_FOOT = {
    toolkit.PSI: 0.4333,
    toolkit.KPA: 0.4333 * 6.895,
    toolkit.METERS: 0.3048,
    toolkit.BAR: 0.4333 * 0.068948,
    toolkit.FEET: 1.0,
}


class Factors(NamedTuple):
    """What to multiply a file's values by to get SI: lengths, diameters [m], flows [m3/s], pressures [m]."""

    units: str
    length: float
    diameter: float
    flow: float
    pressure: float


@contextmanager
def opened(path: Path) -> Iterator[Project]:
    """EPANET with the file ``path`` loaded and checked. Leaves no file behind.

    Raises NetworkError naming every mistake that EPANET reports, by line where it quotes one.
    Run hydraulics with ``initH(project, 0)``: other flags make EPANET write scratch files into the
    working directory.
    """
    if not path.is_file():
        raise NetworkError([Problem(path.name, None, f"there is no file {path}")])
    project = toolkit.createproject()
    try:
        # EPANET keeps its report open; once it is known to be good nobody reads it, and a file without
        # a name leaves nothing behind even when this process is killed.
        with tempfile.TemporaryDirectory(prefix="twuin-epanet-") as scratch:
            report = Path(scratch, "report.txt")
            try:
                toolkit.open(project, str(path), str(report), "")
                toolkit.openH(project)  # finds networks without source and unconnected nodes
                toolkit.closeH(project)
            except Exception as e:
                raise NetworkError(_problems(path, project, report, str(e))) from None
        yield project
    finally:
        toolkit.deleteproject(project)


def _problems(path: Path, project: Project, report: Path, error: str) -> list[Problem]:
    toolkit.close(project)  # flushes the report
    said = report.read_bytes().decode("utf-8", "surrogateescape") if report.exists() else ""
    return epanet_text.problems(path, said) or [Problem(path.name, None, error)]


def factors(project: Project) -> Factors:
    """The units of an open project."""
    name, flow = _FLOW_UNITS[toolkit.getflowunits(project)]
    us = name in _US
    density = toolkit.getoption(project, toolkit.SP_GRAVITY)
    per_foot = _PRESSURE_PER_FOOT[int(toolkit.getoption(project, toolkit.PRESS_UNITS))]
    if int(toolkit.getoption(project, toolkit.PRESS_UNITS)) in (toolkit.METERS, toolkit.FEET):
        density = 1.0
    return Factors(
        units=name,
        length=_FOOT if us else 1.0,
        diameter=_INCH if us else 1e-3,
        flow=conversion(flow, Quantity.FLOW).factor,
        pressure=_FOOT / (per_foot * density),
    )


def read_network(path: Path) -> Network:
    """The network of an EPANET file of any unit system, in SI.

    Beyond what ``Network`` says: base demands include the file's demand multiplier; ``setting`` is NaN
    for pipes, for valves that are fixed open or closed and for GPVs (theirs is a curve), a loss
    coefficient [-] for TCVs, percent for PCVs. Valves keep pressure settings as EPANET converts them.

    Raises NetworkError, naming file and line.
    """
    path = Path(path)
    with opened(path) as project:
        network = _network(project)
    _refuse_odd_numbers(path, network)
    return network


def _refuse_odd_numbers(path: Path, network: Network) -> None:
    """EPANET takes "nan" and "inf" for numbers; nothing that computes does."""
    of_nodes = {"elevation": network.elevation, "demand": network.base_demand}
    of_links = {"length": network.length, "diameter": network.diameter, "roughness": network.roughness}
    of_links["minor loss"] = network.minor_loss
    text: list[epanet_text.Line] = []
    problems = []
    for ids, columns in ((network.node_ids, of_nodes), (network.link_ids, of_links)):
        for what, column in columns.items():
            for i in np.flatnonzero(~np.isfinite(column)).tolist():
                text = text or epanet_text.lines(path)
                line = epanet_text.line_of(text, ids[i])
                problems.append(Problem(path.name, line, f"{what} of {ids[i]} is not a finite number"))
    if problems:
        raise NetworkError(problems)


def _network(project: Project) -> Network:
    f = factors(project)
    n = toolkit.getcount(project, toolkit.NODECOUNT)
    m = toolkit.getcount(project, toolkit.LINKCOUNT)
    headloss = _HEADLOSS[int(toolkit.getoption(project, toolkit.HEADLOSSFORM))]

    node_ids = tuple(_text(toolkit.getnodeid(project, i)) for i in range(1, n + 1))
    node_kind = np.fromiter((toolkit.getnodetype(project, i) for i in range(1, n + 1)), np.int32, n)
    tank = node_kind == NodeKind.TANK

    link_ids = tuple(_text(toolkit.getlinkid(project, i)) for i in range(1, m + 1))
    link_kind = np.fromiter((toolkit.getlinktype(project, i) for i in range(1, m + 1)), np.int32, m)
    ends = np.array([toolkit.getlinknodes(project, i) for i in range(1, m + 1)], np.int32).reshape(m, 2) - 1
    pipe = link_kind <= LinkKind.PIPE

    return Network(
        node_ids=node_ids,
        node_kind=node_kind,
        elevation=node_values(project, toolkit.ELEVATION, n) * f.length,
        base_demand=_base_demands(project, node_kind) * f.flow,
        xy=_coordinates(project, n),
        tank_diameter=np.where(tank, node_values(project, toolkit.TANKDIAM, n) * f.length, np.nan),
        tank_init=np.where(tank, node_values(project, toolkit.TANKLEVEL, n) * f.length, np.nan),
        tank_min=np.where(tank, node_values(project, toolkit.MINLEVEL, n) * f.length, np.nan),
        tank_max=np.where(tank, node_values(project, toolkit.MAXLEVEL, n) * f.length, np.nan),
        link_ids=link_ids,
        link_kind=link_kind,
        start=np.ascontiguousarray(ends[:, 0]),
        end=np.ascontiguousarray(ends[:, 1]),
        length=np.where(pipe, link_values(project, toolkit.LENGTH, m) * f.length, 0.0),
        diameter=np.where(
            link_kind == LinkKind.PUMP, 0.0, link_values(project, toolkit.DIAMETER, m) * f.diameter
        ),
        roughness=np.where(
            pipe, link_values(project, toolkit.ROUGHNESS, m) * _roughness_factor(headloss, f), 0.0
        ),
        minor_loss=np.where(link_kind == LinkKind.PUMP, 0.0, link_values(project, toolkit.MINORLOSS, m)),
        open=link_values(project, toolkit.INITSTATUS, m) != 0,
        setting=_settings(link_kind, link_values(project, toolkit.INITSETTING, m), f),
        vertices=_vertices(project, m),
        headloss=headloss,
        units=f.units,
        pump_curves=_pump_curves(project, link_kind, f),
    )


def _pump_curves(
    project: Project, link_kind: np.ndarray[Any, np.dtype[np.int32]], f: Factors
) -> dict[int, Floats]:
    curves = {}
    for i in np.flatnonzero(link_kind == LinkKind.PUMP).tolist():
        if toolkit.getpumptype(project, i + 1) in (toolkit.CONST_HP, toolkit.NOCURVE):
            continue
        curve = toolkit.getheadcurveindex(project, i + 1)
        count = toolkit.getcurvelen(project, curve)
        points = [toolkit.getcurvevalue(project, curve, k + 1) for k in range(count)]
        curves[i] = np.array(points, np.float64) * [f.flow, f.length]
    return curves


def _text(name: str) -> str:
    """An ID as people read it: files of old programs are in Windows-1252, not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return name


def node_values(project: Project, what: int, count: int) -> Floats:
    """A property of all nodes (count,), in the file's units."""
    out = toolkit.doubleArray(max(count, 1))
    toolkit.getnodevalues(project, what, out)
    return np.fromiter((out[i] for i in range(count)), np.float64, count)


def link_values(project: Project, what: int, count: int) -> Floats:
    """A property of all links (count,), in the file's units."""
    out = toolkit.doubleArray(max(count, 1))
    toolkit.getlinkvalues(project, what, out)
    return np.fromiter((out[i] for i in range(count)), np.float64, count)


def _roughness_factor(headloss: str, f: Factors) -> float:
    if headloss != "D-W":
        return 1.0
    return _FOOT * 1e-3 if f.units in _US else 1e-3  # millifeet or millimetres


def _settings(kind: np.ndarray[Any, np.dtype[np.int32]], value: Floats, f: Factors) -> Floats:
    given = np.where(value > _NOT_GIVEN, value, np.nan)
    factor = np.ones(len(kind))
    factor[np.isin(kind, (LinkKind.PRV, LinkKind.PSV, LinkKind.PBV))] = f.pressure
    factor[kind == LinkKind.FCV] = f.flow
    factor[(kind <= LinkKind.PIPE) | (kind == LinkKind.GPV)] = np.nan
    return np.asarray(given * factor)


def _base_demands(project: Project, node_kind: np.ndarray[Any, np.dtype[np.int32]]) -> Floats:
    """Mean demand (N,) in the file's units."""
    patterns = toolkit.getcount(project, toolkit.PATCOUNT)
    mean = [1.0] + [toolkit.getaveragepatternvalue(project, i) for i in range(1, patterns + 1)]
    out = np.zeros(len(node_kind))
    for i in np.flatnonzero(node_kind == NodeKind.JUNCTION):
        node = int(i) + 1
        out[i] = sum(
            toolkit.getbasedemand(project, node, k) * mean[toolkit.getdemandpattern(project, node, k)]
            for k in range(1, toolkit.getnumdemands(project, node) + 1)
        )
    return out * float(toolkit.getoption(project, toolkit.DEMANDMULT))


def _coordinates(project: Project, n: int) -> Floats:
    out = np.full((n, 2), np.nan)
    for i in range(n):
        try:
            out[i] = toolkit.getcoord(project, i + 1)
        except Exception:  # EPANET's error 254: the file gives this node no coordinates
            continue
    out[out < _NOT_GIVEN] = np.nan
    return out


def _vertices(project: Project, m: int) -> dict[int, Floats]:
    bends = {}
    for i in range(m):
        count = toolkit.getvertexcount(project, i + 1)
        if count:
            bends[i] = np.array([toolkit.getvertex(project, i + 1, k + 1) for k in range(count)])
    return bends
