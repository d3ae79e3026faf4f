"""Step tests of the demo town: what a plan says, what flows say, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ingest.store.duck import DuckStore
from twuin.alerts.memory import MemoryAlertStore
from twuin.alerts.model import Finding, Kind, Suspect
from twuin.alerts.service import AlertService
from twuin.views.step_test import StepDone, StepTests
from twuin.views.views import Views
from waterworks.clocks import ScaledClock
from waterworks.errors import NotFound, WrongInput
from waterworks.network import Network
from waterworks.priorities import Critical
from waterworks.reading import ReadingBatch, instant
from waterworks.site import Role, Site, StopValve, ValveState

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # 10.00 in the town
M3H = 1 / 3600


@pytest.fixture
def store(tmp_path: Any) -> Any:
    opened = DuckStore(tmp_path / "readings.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def look(site: Site, network: Network, store: DuckStore) -> Callable[..., Views]:
    def at(**changes: Any) -> Views:
        clock = ScaledClock(instant(NOW), 1.0)
        alerts = AlertService(site.id, MemoryAlertStore(), clock)
        return Views(replace(site, **changes), store, alerts, clock=clock, network=network)

    return at


def node_in(views: StepTests, dma: str, site: Site, network: Network) -> str:
    """A node that a plan shuts off in its first step."""
    first = views.plan(dma).steps[0].pipes[0]
    link = network.link_index[first]
    ends = [network.node_ids[network.start[link]], network.node_ids[network.end[link]]]
    return next(n for n in ends if site.node_dma.get(n) == dma)


def test_every_dma_gets_a_plan_whose_parts_add_up(look: Callable[..., Views], site: Site) -> None:
    tests = look().step_tests
    for dma in site.dmas:
        plan = tests.plan(dma.id, steps=8)
        assert 4 <= len(plan.steps) <= 8
        assert sum(s.share for s in plan.steps) + plan.last.share == pytest.approx(1, abs=1e-4)
        served = sum(s.connections for s in plan.steps) + plan.last.connections
        assert served == pytest.approx(dma.connections, abs=len(plan.steps))
        drops = sum(s.drop_m3h for s in plan.steps) + plan.last.drop_m3h
        assert drops == pytest.approx(plan.inflow_m3h, abs=0.01)
        dry = [s.connections_dry for s in plan.steps]
        assert dry == sorted(dry) and dry[-1] < dma.connections
        every = [p for s in plan.steps for p in s.pipes] + plan.last.pipes
        assert len(every) == len(set(every))
        shut = [v.id for s in plan.steps for v in s.shut]
        assert len(shut) == len(set(shut)) == plan.valves
        assert all(s.elsewhere == [] for s in plan.steps)  # DMAs behind it keep their water
        assert plan.assumed and plan.noise_source == "assumed" and plan.pressure_source == "given"


def test_a_hospital_keeps_its_water_or_is_named(
    look: Callable[..., Views], site: Site, network: Network
) -> None:
    node = node_in(look().step_tests, "D2", site, network)
    tests = look(critical=(Critical("RSUD", "D2", node), Critical("Klinik", "D2"))).step_tests
    spared = tests.plan("D2")
    assert spared.critical_dry == [] and spared.unplaced == ["Klinik"]
    assert node not in {e for s in spared.steps for e in s.critical}
    shut = tests.plan("D2", spare=False)
    assert shut.critical_dry == ["RSUD"]
    assert [s.critical for s in shut.steps].count(["RSUD"]) == 1


def test_valves_of_the_site_are_used_and_stuck_ones_passed_over(
    look: Callable[..., Views], network: Network
) -> None:
    plan = look().step_tests.plan("D3")
    first = plan.steps[0].shut[0]
    every = tuple(
        StopValve(f"V-{name}", name, network.node_ids[network.start[i]])
        for i, name in enumerate(network.link_ids)
        if name in network.pipe_length
    )
    listed = look(valves=every).step_tests.plan("D3")
    assert not listed.assumed and listed.steps[0].shut[0].id == f"V-{first.id}"
    stuck = tuple(replace(v, state=ValveState.STUCK) if v.pipe == first.id else v for v in every)
    other = look(valves=stuck).step_tests.plan("D3")
    assert f"V-{first.id}" not in {v.id for s in other.steps for v in s.shut}


def test_a_leak_s_suspects_get_the_finest_steps(look: Callable[..., Views], site: Site) -> None:
    views = look()
    suspects = views.step_tests.plan("D5").last.pipes[-4:]
    finding = Finding(
        Kind.LEAK, "D5", "D5", NOW - timedelta(days=1), NOW - timedelta(hours=9), NOW, flow=5 * M3H,
        flow_low=4 * M3H, flow_high=6 * M3H, confidence=0.9,
        suspects=tuple(Suspect(p, 0.2) for p in suspects),
    )  # fmt: skip
    alert = views._alerts.apply([finding])[0].id
    plan = views.step_tests.plan("D5", alert=alert)
    assert (plan.alert, plan.leak_m3h, plan.outside_share) == (alert, 5.0, 0.0)
    assert plan.last.share < 0.5
    with pytest.raises(WrongInput, match="is of DMA D5"):
        views.step_tests.plan("D1", alert=alert)
    with pytest.raises(NotFound):
        views.step_tests.plan("D5", alert="none")


def test_who_is_limited_to_dmas_plans_in_those_only(look: Callable[..., Views]) -> None:
    views = look()
    limited = views.limited_to(frozenset({"D2"}))
    assert limited.step_tests.plan("D2") == views.step_tests.plan("D2")
    assert [d.id for d in limited.step_tests.dmas()] == ["D2"]
    with pytest.raises(NotFound, match="no DMA 'D1'"):
        limited.step_tests.plan("D1")


def test_without_a_model_there_is_none(site: Site, store: DuckStore) -> None:
    clock = ScaledClock(instant(NOW), 1.0)
    views = Views(site, store, AlertService(site.id, MemoryAlertStore(), clock), clock=clock)
    assert views.step_tests.dmas() == []
    with pytest.raises(NotFound, match="no network model"):
        views.step_tests.plan("D1")


def put(store: DuckStore, site: Site, dma: str, begin: datetime, flows: list[float], minutes: int) -> None:
    """Readings of a DMA's only inlet, one a minute: each flow [m3/h] for so many minutes."""
    [meter] = [s for s in site.sensors if s.role is Role.INLET and s.dma == dma]
    values = np.repeat(np.array(flows) * M3H, minutes)
    times = instant(begin) + np.arange(len(values)) * np.timedelta64(60, "s")
    store.append(
        ReadingBatch.columns(
            (meter.id,), np.zeros(len(values), np.int32), times, values, received=instant(NOW),
            quality=np.zeros(len(values), np.uint16),
        )
    )  # fmt: skip


def test_flows_are_read_from_the_meter_where_only_times_are_given(
    look: Callable[..., Views], store: DuckStore, site: Site
) -> None:
    views = look()
    plan = views.step_tests.plan("D3", steps=4)
    begin = NOW - timedelta(hours=8)
    left = [plan.inflow_m3h + 6.0]
    for s in plan.steps:
        left.append(left[-1] - s.drop_m3h - (6.0 if s.step == 2 else 0.0))
    put(store, site, "D3", begin, left, 20)
    times = [begin + timedelta(minutes=20 * (k + 1)) for k in range(len(plan.steps))]
    done = [StepDone(tuple(v.id for v in s.shut), t) for s, t in zip(plan.steps, times, strict=True)]
    found = views.step_tests.evaluate("D3", done)
    assert (found.verdict, found.verdict_steps) == ("area", [2])
    assert [f.flow_m3h for f in found.flows] == pytest.approx(left, abs=0.01)
    assert all(f.readings and f.readings >= 15 for f in found.flows)
    hand = [replace_flow(d, f) for d, f in zip(done, left[1:], strict=True)]
    assert views.step_tests.evaluate("D3", hand, before=left[0] * M3H).verdict_steps == [2]


def replace_flow(done: StepDone, flow_m3h: float) -> StepDone:
    return done._replace(at=None, flow=flow_m3h * M3H)


def test_a_test_that_stopped_early_is_judged_by_what_was_done(look: Callable[..., Views]) -> None:
    tests = look().step_tests
    plan = tests.plan("D3", steps=5)
    first = plan.steps[0]
    shut = tuple(v.id for v in first.shut)
    before = plan.inflow_m3h + 8.0
    found = tests.evaluate(
        "D3", [StepDone(shut, flow=(before - first.drop_m3h - 8.0) * M3H)], before=before * M3H
    )
    assert (found.verdict, found.verdict_steps, len(found.areas)) == ("area", [1], 2)
    assert set(found.areas[0].pipes) == set(first.pipes)


def test_a_drop_below_what_customers_use_is_pointed_out(look: Callable[..., Views]) -> None:
    tests = look().step_tests
    plan = tests.plan("D4", steps=3)
    biggest = max(plan.steps, key=lambda s: s.drop_m3h)
    left = [60.0]  # much flows, so that noise does not explain it
    for s in plan.steps:
        left.append(left[-1] + (9.0 if s is biggest else -s.drop_m3h))
    done = [
        StepDone(tuple(v.id for v in s.shut), flow=f * M3H) for s, f in zip(plan.steps, left[1:], strict=True)
    ]
    found = tests.evaluate("D4", done, before=left[0] * M3H)
    assert [a.step for a in found.areas if a.passing] == [biggest.step]


@pytest.mark.parametrize(
    ("steps", "before", "code"),
    [
        ([], 1.0, "no_step"),
        ([StepDone(("nothing",), flow=1.0)], 1.0, "no_valve"),
        ([StepDone((), flow=1.0)], 1.0, "nothing_shut"),
        ([StepDone(("P2064",), flow=1.0)], 1.0, "nothing_dry"),
        ([StepDone(("FIRST",))], 1.0, "no_flow"),
        ([StepDone(("FIRST",), NOW)], None, "no_reading"),
        ([StepDone(("FIRST",), NOW), StepDone(("FIRST",), NOW)], None, "disorder"),
        ([StepDone(("FIRST",), NOW), StepDone(("FIRST",), NOW + timedelta(minutes=2))], None, "no_reading"),
    ],
    ids=["none", "valve", "empty", "elsewhere", "flow", "silent", "times", "near"],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(
    look: Callable[..., Views], steps: list[StepDone], before: float | None, code: str
) -> None:
    tests = look().step_tests
    first = tuple(v.id for v in tests.plan("D3").steps[0].shut)
    made = [s._replace(shut=first) if s.shut == ("FIRST",) else s for s in steps]
    with pytest.raises(WrongInput) as refused:
        tests.evaluate("D3", made, before=before)
    assert refused.value.code == code
