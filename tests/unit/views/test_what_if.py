"""Other settings of the demo town's valves: against EPANET by other ways, and what is refused."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from epanet import toolkit

from twuin.views.what_if import Leakage, WhatIfs, schedule, settings_of
from waterworks.epanet_file import opened, read_network
from waterworks.errors import NotFound, WrongInput
from waterworks.hydraulics import steady_states
from waterworks.network import Network
from waterworks.site import Site

M3H = 1 / 3600


def known(dma: str) -> Leakage:
    return Leakage((10 * M3H, 8 * M3H, 12 * M3H), 3 * M3H, None, False, (1.0, 0.5, 1.5), "assumed", "")


@pytest.fixture(scope="module")
def what_ifs(site: Site, network: Network) -> WhatIfs:
    return WhatIfs(site, network, known)


def test_valves_stand_before_the_dmas_that_they_feed(what_ifs: WhatIfs) -> None:
    assert {v.id: v.dmas for v in what_ifs.valves()} == {
        "PRV-1": ["D2", "D3", "D4"], "PRV-2": ["D5"], "PRV-3": ["D4"],
    }  # fmt: skip


def test_a_setting_by_the_hour_is_what_epanet_makes_of_a_file_with_it(site: Site, tmp_path: Path) -> None:
    """Constant settings written into the file give the same heads within a millimetre."""
    assert site.network_file is not None
    text = site.network_file.read_text()
    edited, changed = re.subn(r"(PRV-1 \S+ \S+ \S+ PRV )\S+", r"\g<1>25", text)
    assert changed == 1
    (tmp_path / "edited.inp").write_text(edited)
    link = read_network(site.network_file).link_index["PRV-1"]
    ours = steady_states(site.network_file, range(24), {link: [25.0] * 24})
    theirs = steady_states(tmp_path / "edited.inp", range(24))
    assert np.abs(ours.head - theirs.head).max() < 1e-3
    mixed = steady_states(site.network_file, range(24), {link: [25.0] * 6 + [33.2] * 18})
    as_is = steady_states(site.network_file, range(24))
    behind = read_network(site.network_file).end[link]
    assert np.abs(mixed.head[:6, behind] - theirs.head[:6, behind]).max() < 1e-3
    assert np.abs(mixed.head[6:, behind] - as_is.head[6:, behind]).max() < 1e-3


def emitted(
    file: Path, network: Network, nodes: list[str], coefficient: float, valve: str, set_m: float
) -> float:
    """Water that emitters of exponent 1 lose in a day [m3], by EPANET alone."""
    with opened(file) as p, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        toolkit.setflowunits(p, toolkit.CMH)
        toolkit.setoption(p, toolkit.EMITEXPON, 1.0)
        toolkit.settimeparam(p, toolkit.DURATION, 86400)
        for node in nodes:
            toolkit.setnodevalue(p, network.node_index[node] + 1, toolkit.EMITTER, coefficient)
        toolkit.setlinkvalue(p, network.link_index[valve] + 1, toolkit.INITSETTING, set_m)
        toolkit.openH(p)
        toolkit.initH(p, 0)
        total, step = 0.0, 1
        while step:
            toolkit.runH(p)
            lost = sum(toolkit.getnodevalue(p, network.node_index[n] + 1, toolkit.EMITTERFLOW) for n in nodes)
            step = toolkit.nextH(p)
            total += lost * step / 3600
        toolkit.closeH(p)
    return float(total)


def test_water_saved_is_what_epanet_s_own_leaks_lose_less(site: Site, network: Network) -> None:
    """Leaks spread over D5 as emitters (N1 = 1), 6 m3/h in all at night: within 3 % of the day's saving."""
    assert site.network_file is not None
    nodes = [
        n for n, d in site.node_dma.items() if d == "D5" and network.base_demand[network.node_index[n]] > 0
    ]
    night = steady_states(site.network_file, [2]).head[0]
    pressure = np.array(
        [night[network.node_index[n]] - network.elevation[network.node_index[n]] for n in nodes]
    )
    at_night = 6.0
    coefficient = at_night / float(pressure.sum())
    lost = [emitted(site.network_file, network, nodes, coefficient, "PRV-2", s) for s in (31.2, 22.0)]
    told = WhatIfs(
        site, network,
        lambda _: Leakage((at_night * M3H,) * 3, None, None, False, (1.0, 1.0, 1.0), "given", ""),
    ).of("PRV-2", [(0, 22.0)])  # fmt: skip
    assert told.saved_m3day is not None
    assert told.saved_m3day.value == pytest.approx(lost[0] - lost[1], rel=0.03)
    assert told.zones[0].leakage_now_m3day == pytest.approx(lost[0], rel=0.03)


def test_a_night_s_setting_changes_the_night_and_what_is_behind_the_valve(what_ifs: WhatIfs) -> None:
    found = what_ifs.of("PRV-1", schedule(33.2, 20.0, 22, 5))
    assert [z.dma for z in found.zones] == ["D2", "D3"]  # D4 keeps its pressure: PRV-3 still regulates
    for z in found.zones:
        now, then = np.array(z.critical.now_m), np.array(z.critical.then_m)
        assert (now[:5] - then[:5] > 12).all() and (now[22:] - then[22:] > 12).all()
        assert np.abs(now[5:22] - then[5:22]).max() < 0.05
        assert z.saved_m3day is not None and 0 < z.saved_m3day.low < z.saved_m3day.value < z.saved_m3day.high
        assert z.background_m3day is not None and z.bursts_m3day is not None
        assert z.background_m3day + z.bursts_m3day == pytest.approx(z.saved_m3day.value, abs=0.02)
        assert z.breaks_share is None or z.breaks_share.value < 0.02  # the day's highest pressure stays
    assert found.saved_day == pytest.approx(found.saved_m3day.value * 5500, rel=1e-3)  # type: ignore[union-attr]


def test_customers_who_would_fall_below_the_service_pressure_are_counted(
    site: Site, network: Network
) -> None:
    served = WhatIfs(replace(site, losses=replace(site.losses, min_pressure_m=15.0)), network, known)
    assert served.of("PRV-2", [(0, 31.2)]).zones == []
    low = served.of("PRV-2", [(0, 8.0)])
    assert low.below_now == 0 and low.below_then is not None and 0 < low.below_then <= 738
    unset = WhatIfs(replace(site, losses=replace(site.losses, min_pressure_m=None)), network, known)
    assert unset.of("PRV-2", [(0, 8.0)]).below_then is None


def test_measured_pressure_at_night_shifts_the_model_s(site: Site, network: Network) -> None:
    measured = known("")._replace(night_m=50.0, measured=True)
    found = WhatIfs(site, network, lambda _: measured).of("PRV-2", [(0, 25.0)])
    [zone] = found.zones
    assert zone.measured_night_m == 50.0
    assert zone.zone.now_m[2] == pytest.approx(50.0, abs=0.3)


def test_without_leakage_pressure_is_told_and_why_no_more(site: Site, network: Network) -> None:
    nothing = Leakage(None, None, None, False, None, "", "few_nights")
    found = WhatIfs(site, network, lambda _: nothing).of("PRV-2", [(0, 25.0)])
    assert found.saved_m3day is None and found.saved_day is None
    assert [(z.why, z.saved_m3day) for z in found.zones] == [("few_nights", None)]


def test_an_exponent_that_is_asked_for_is_taken(what_ifs: WhatIfs) -> None:
    flat, steep = (what_ifs.of("PRV-2", [(0, 20.0)], n).saved_m3day for n in (0.5, 1.5))
    assert flat is not None and steep is not None and steep.value > 2 * flat.value
    assert what_ifs.of("PRV-2", [(0, 20.0)], 0.5).zones[0].n1_source == "asked"


def test_who_is_limited_to_dmas_sees_those_only(what_ifs: WhatIfs) -> None:
    limited = what_ifs.limited_to(frozenset({"D3"}), known)
    assert [(v.id, v.dmas) for v in limited.valves()] == [("PRV-1", ["D3"])]
    assert [z.dma for z in limited.of("PRV-1", [(0, 25.0)]).zones] == ["D3"]
    with pytest.raises(NotFound):
        limited.of("PRV-2", [(0, 25.0)])


@pytest.mark.parametrize(
    ("valve", "asked", "n1", "error", "said"),
    [
        ("PRV-9", [(0, 20.0)], None, NotFound, "there are PRV-1, PRV-2, PRV-3"),
        ("P1001", [(0, 20.0)], None, NotFound, "no pressure reducing valve"),
        ("PRV-1", [(0, 300.0)], None, WrongInput, "before it is"),
        ("PRV-1", [(0, -1.0)], None, WrongInput, "from 0 to 400"),
        ("PRV-1", [(0, float("nan"))], None, WrongInput, "from 0 to 400"),
        ("PRV-1", [(24, 20.0)], None, WrongInput, "0 to 23"),
        ("PRV-1", [(3, 20.0), (3, 21.0)], None, WrongInput, "each once"),
        ("PRV-1", [], None, WrongInput, "at least one"),
        ("PRV-1", [(0, 20.0)], 5.0, WrongInput, "ever measured"),
    ],
    ids=["unknown", "pipe", "beyond", "negative", "nan", "hour", "twice", "none", "n1"],
)
def test_nonsense_is_refused(
    what_ifs: WhatIfs, valve: str, asked: list[tuple[float, float]], n1: float | None, error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        what_ifs.of(valve, asked, n1)


def test_a_schedule_runs_over_midnight() -> None:
    assert settings_of(schedule(30.0, 20.0, 22, 5)) == [20.0] * 5 + [30.0] * 17 + [20.0] * 2
    assert settings_of(schedule(30.0, 20.0, 4, 4)) == [30.0] * 24
    assert settings_of(schedule(30.0, None, 22, 5)) == [30.0] * 24


def test_without_a_model_there_are_no_valves(site: Site) -> None:
    assert WhatIfs(site, None, known).valves() == []
    with pytest.raises(NotFound):
        WhatIfs(site, None, known).of("PRV-1", [(0, 20.0)])
