"""The gate on made-up districts whose heads follow Hazen-Williams."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.detector import Detector
from analytics.gate.fault import Fault, FaultKind
from analytics.gate.gate import Gate
from analytics.gate.layout import INLET, PRESSURE, Layout
from analytics.gate.options import Options
from analytics.gate.watch import Watch

Floats = NDArray[np.float64]

DAYS, PER_DAY = 22, 96
ROWS = DAYS * PER_DAY
BEGIN = 16 * PER_DAY + 30  # half past seven in the morning


class Town(NamedTuple):
    """values (T, S): inlet and four pressures of each district."""

    values: Floats
    layout: Layout


def layout(areas: int = 1) -> Layout:
    what = np.tile([INLET] + [PRESSURE] * 4, areas)
    area = np.repeat(np.arange(areas), 5)
    sign = np.zeros((5 * areas, areas))
    sign[np.arange(areas) * 5, np.arange(areas)] = 1
    nothing = np.full(5 * areas, np.nan)
    least = np.where(what == PRESSURE, 0.3, np.nan)
    member = area[None] == np.arange(areas)[:, None]
    return Layout(what, area, member, sign, nothing, nothing, least, np.arange(5 * areas))


def town(leak: Floats | float = 0.0, seed: int = 1, areas: int = 1, at: float = 1.0) -> Town:
    """leak (T,) [m3/s] in the first district, felt ``at`` times as much as demand."""
    rng = np.random.default_rng(seed)
    columns = []
    for a in range(areas):
        hour = np.arange(ROWS) % PER_DAY / 4
        course = 0.006 * (
            1 + 0.6 * np.sin((hour - 9) / 24 * 2 * np.pi) + 0.25 * np.sin(hour / 12 * 2 * np.pi)
        )
        chance = np.exp(
            0.03 * np.repeat(rng.standard_normal(ROWS // 8), 8) + 0.03 * rng.standard_normal(ROWS)
        )
        lost = np.broadcast_to(leak, ROWS) if a == 0 else np.zeros(ROWS)
        demand = course * chance
        flow = (demand + lost) * (1 + 0.005 * rng.standard_normal(ROWS))
        columns.append(flow)
        for loss in (0.1, 5.0, 4.0, 3.0):  # head lost at the mean flow [m]
            own = np.exp(0.02 * rng.standard_normal(ROWS))
            felt = (demand * own + at * lost) / 0.006
            columns.append(45 - loss * felt**1.852 + 0.03 * rng.standard_normal(ROWS))
    return Town(np.round(np.column_stack(columns), 5), layout(areas))


def times() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row = np.arange(ROWS)
    return row // PER_DAY + 1000, row % PER_DAY


def run(t: Town, piece: int = ROWS, rows: int = ROWS, later: int = 0) -> Gate:
    gate = Gate(t.layout, 900, per_block=2)
    day, slot = times()
    day = day + later
    for a in range(0, rows, piece):
        part = slice(a, min(rows, a + piece))
        gate.advance(t.values[part], np.zeros(t.values[part].shape, bool), day[part], slot[part])
    return gate


def told(gate: Gate) -> list[tuple[int, str]]:
    return [(f.sensor, f.kind.value) for f in gate.faults]


@pytest.fixture(scope="module")
def quiet() -> Town:
    return town()


def test_a_quiet_district_has_no_faults() -> None:
    for seed in (2, 3):
        assert told(run(town(seed=seed, areas=2))) == []


def stuck(x: Floats, rng: np.random.Generator) -> Floats:
    return np.full(len(x), x[0])


def shifted(by: float) -> Callable[[Floats, np.random.Generator], Floats]:
    return lambda x, rng: x + by


def drifting(a_day: float) -> Callable[[Floats, np.random.Generator], Floats]:
    return lambda x, rng: x + a_day * np.arange(len(x)) / PER_DAY


def spiking(height: float) -> Callable[[Floats, np.random.Generator], Floats]:
    return lambda x, rng: x + height * (rng.random(len(x)) < 0.1)


def noisy(spread: float) -> Callable[[Floats, np.random.Generator], Floats]:
    return lambda x, rng: x + spread * rng.standard_normal(len(x))


FAULTS = [
    (FaultKind.STUCK, 0, stuck, 2.0),
    (FaultKind.STUCK, 3, stuck, 2.0),
    (FaultKind.OFFSET, 0, shifted(0.003), 3.0),
    (FaultKind.OFFSET, 0, shifted(-0.003), 6.0),
    (FaultKind.OFFSET, 2, shifted(-8.0), 3.0),
    (FaultKind.OFFSET, 4, shifted(2.0), 3.0),
    (FaultKind.DRIFT, 2, drifting(0.6), 72.0),
    (FaultKind.DRIFT, 0, drifting(0.0006), 96.0),
    (FaultKind.SPIKE, 3, spiking(8.0), 24.0),
    (FaultKind.NOISE, 2, noisy(2.0), 12.0),
    (FaultKind.REVERSED, 0, lambda x, rng: -x, 2.0),
]


@pytest.mark.parametrize(("kind", "sensor", "make", "hours"), FAULTS)
def test_each_fault_is_named_on_its_sensor_and_over_when_it_is(
    quiet: Town, kind: FaultKind, sensor: int, make: Callable[..., Floats], hours: float
) -> None:
    end = 20 * PER_DAY + 40
    values = quiet.values.copy()
    values[BEGIN:end, sensor] = make(values[BEGIN:end, sensor], np.random.default_rng(4))
    found = run(quiet._replace(values=values)).faults
    assert [f.sensor for f in found][:1] == [sensor]
    assert {f.sensor for f in found} == {sensor}
    assert found[0].kind is kind
    assert 0 < found[0].detected + 1 - BEGIN <= hours * 4
    assert found[0].onset >= BEGIN - PER_DAY / 2
    assert found[-1].end is not None and abs(found[-1].end - end) <= 12


def test_a_shift_that_was_taken_as_it_is_may_go_again(quiet: Town) -> None:
    values = quiet.values.copy()
    end = 20 * PER_DAY + 40
    values[BEGIN:end, 4] += 2.0
    gate = Gate(quiet.layout, 900, Options(adopt_days=2))
    gate.advance(values, np.zeros(values.shape, bool), *times())
    first, *back = gate.faults
    assert (first.sensor, first.kind) == (4, FaultKind.OFFSET)
    assert first.end is not None and first.end < end  # taken as it is
    assert all(f.sensor == 4 and f.end is not None for f in back)  # and well where it was before
    assert gate.state.bias[4] == 0


def test_a_meter_that_rests_at_times_is_not_stuck_when_it_does(quiet: Town) -> None:
    values = quiet.values.copy()
    values[np.arange(ROWS) % PER_DAY < 4, 0] = 0.0  # an hour each night
    values[BEGIN : BEGIN + 40, 0] = 0.0
    assert FaultKind.STUCK not in {f.kind for f in run(quiet._replace(values=values)).faults}


def test_a_pressure_is_put_back_while_another_is_out_for_weeks(quiet: Town) -> None:
    values = quiet.values.copy()
    values[8 * PER_DAY :, 2] = values[8 * PER_DAY, 2]
    values[BEGIN : BEGIN + 60, 4] = values[BEGIN, 4]
    faults = run(quiet._replace(values=values)).faults
    assert [(f.sensor, f.end is None) for f in faults] == [(2, True), (4, False)]
    assert faults[1].end is not None and abs(faults[1].end - BEGIN - 60) <= 4


def test_a_clock_that_is_off_is_told_with_its_offset(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 0] = np.roll(values[:, 0], 16)[BEGIN:]  # four hours ahead: readings stand too late
    (found,) = [f for f in run(quiet._replace(values=values)).faults if f.end is None]
    assert (found.sensor, found.kind) == (0, FaultKind.CLOCK)
    assert abs(found.size - 4 * 3600) <= 900


@pytest.mark.parametrize("at", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("growing", [False, True])
def test_a_leak_is_no_fault_wherever_it_is(at: float, growing: bool) -> None:
    since = np.arange(ROWS) - BEGIN
    size = 0.0025 * (np.clip(since / (4 * PER_DAY), 0, 1) if growing else 1.0)
    assert told(run(town(np.where(since >= 0, size, 0.0), at=at))) == []


def test_without_pressures_a_shift_of_the_meter_is_never_called_a_fault(quiet: Town) -> None:
    keep = np.array([0])
    lone = Layout(
        quiet.layout.what[keep],
        quiet.layout.area[keep],
        quiet.layout.member[:, keep],
        quiet.layout.sign[keep],
        *(a[keep] for a in quiet.layout[4:]),
    )
    values = quiet.values[:, keep].copy()
    values[BEGIN:] += 0.004
    assert told(run(Town(values, lone))) == []
    values[BEGIN:] = values[BEGIN]
    assert told(run(Town(values, lone))) == [(0, "stuck")]


def test_what_no_source_can_give_is_impossible(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN : BEGIN + 20, 2] = 90.0
    bounded = quiet.layout._replace(high=np.where(quiet.layout.what == PRESSURE, 60.0, np.nan))
    gate = run(Town(values, bounded))
    assert told(gate) == [(2, "impossible")]
    assert (gate.faults[0].onset, gate.faults[0].end) == (BEGIN, BEGIN + 20)


def test_hours_without_water_are_no_fault_and_marked_with_the_filling_after_them(quiet: Town) -> None:
    values = quiet.values.copy()
    dry = np.zeros(ROWS, bool)
    for d in range(16, 20):
        dry[d * PER_DAY + 40 : d * PER_DAY + 70] = True
    values[dry] = 0.0
    gate = run(quiet._replace(values=values))
    assert told(gate) == []
    marked = gate.unsupplied(0, ROWS)[:, 0]
    filling = np.zeros(ROWS, bool)
    for k in range(9):
        filling[k:] |= dry[: ROWS - k]
    assert np.array_equal(marked, filling)
    (cut,) = gate.dry
    assert (cut.onset, cut.rows) == (16 * PER_DAY + 40, 4 * 30)


def test_pieces_give_what_one_pass_gives_and_going_back_does_too(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 2] += 2.0
    t = quiet._replace(values=values)
    whole = run(t)
    assert run(t, piece=37).faults == whole.faults
    day, slot = times()
    at = whole.rewind(18 * PER_DAY + 11)
    assert at <= 18 * PER_DAY + 11
    whole.advance(values[at:], np.zeros(values[at:].shape, bool), day[at:], slot[at:])
    assert whole.faults == run(t).faults


def test_a_day_is_judged_with_its_last_row_whatever_comes_after(quiet: Town) -> None:
    """Small shifts that the mean of a day shows are told when the day ends, not with the next day's rows."""
    values = quiet.values.copy()
    values[BEGIN:, 2] += 0.4
    t = quiet._replace(values=values)
    (fault,) = [f for f in run(t).faults if f.sensor == 2]
    assert fault.detected % PER_DAY == PER_DAY - 1
    assert [f.detected for f in run(t, rows=fault.detected + 1).faults if f.sensor == 2] == [fault.detected]
    assert not [f for f in run(t, rows=fault.detected).faults if f.sensor == 2]


def test_cutting_the_future_never_changes_the_past(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 2] += np.linspace(0, 3, ROWS - BEGIN)
    t = quiet._replace(values=values)
    full, cut = run(t), 19 * PER_DAY + 7
    short = run(t, rows=cut)
    known = [(f.sensor, f.onset, f.detected) for f in full.faults if f.detected < cut]
    assert [(f.sensor, f.onset, f.detected) for f in short.faults] == known
    assert np.array_equal(short.unusable(0, cut), full.unusable(0, cut, known=cut - 1))


def test_the_order_of_sensors_and_the_unit_of_flow_do_not_matter(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 0] += 0.003
    (found,) = run(quiet._replace(values=values)).faults
    order = np.array([3, 1, 0, 4, 2])
    moved = Layout(
        quiet.layout.what[order],
        quiet.layout.area[order],
        quiet.layout.member[:, order],
        quiet.layout.sign[order],
        *(a[order] for a in quiet.layout[4:]),
    )
    (again,) = run(Town(values[:, order], moved)).faults
    assert (order[again.sensor], again.kind, again.onset) == (0, found.kind, found.onset)
    large = values * np.where(quiet.layout.what == INLET, 1024.0, 1.0)
    (scaled,) = run(Town(large, quiet.layout)).faults
    assert (scaled.kind, scaled.onset, scaled.detected) == (found.kind, found.onset, found.detected)
    assert scaled.size == pytest.approx(1024 * found.size, rel=1e-3)


@pytest.mark.parametrize("later", [-3, 7 * 52, 5000])
def test_the_date_does_not_matter(quiet: Town, later: int) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 2] += np.linspace(0, 3, ROWS - BEGIN)
    t = quiet._replace(values=values)
    found = run(t).faults
    assert found
    assert run(t, later=later).faults == found


def watched(t: Town) -> Watch:
    detector = Detector(1, 900)
    watch = Watch(Gate(t.layout, 900, per_block=detector.rows_per_block), detector, t.layout.sign != 0)
    day, slot = times()
    watch.advance(t.values, np.zeros(t.values.shape, bool), t.values[:, :1], day, slot, day % 7)
    return watch


def test_a_faulty_meter_raises_no_leak_and_its_inflow_is_unknown(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 0] += 0.003
    watch = watched(quiet._replace(values=values))
    (fault,) = watch.gate.faults
    assert [e for e in watch.detector.events if e.end is None] == []
    assert np.isnan(watch.detector.inflow[fault.onset :]).all()
    assert np.isfinite(watch.measured(fault.onset, ROWS)).all()


def test_a_leak_is_still_found_behind_the_gate() -> None:
    watch = watched(town(np.where(np.arange(ROWS) >= BEGIN, 0.0025, 0.0)))
    (event,) = watch.detector.events
    assert event.flow == pytest.approx(0.0025, rel=0.15)


def test_an_alarm_that_a_slow_fault_raised_is_taken_back(quiet: Town) -> None:
    values = quiet.values.copy()
    values[BEGIN:, 0] += 0.0008 * np.arange(ROWS - BEGIN) / PER_DAY + 0.0004
    watch = watched(quiet._replace(values=values))
    assert {f.sensor for f in watch.gate.faults} == {0}
    assert [e for e in watch.detector.events if e.end is None] == []
    blocks = watch.detector.rows_per_block
    for revoked in watch.revoked:
        assert revoked.sensor == 0
        assert revoked.at >= revoked.event.detected * blocks


def test_findings_are_copied_not_shared() -> None:
    f = Fault(1, FaultKind.NOISE, 3, 5, 0.1, evidence={"a": 1.0})
    g = f.copy()
    g.evidence["a"] = 2.0
    assert f.evidence == {"a": 1.0}
    assert f.covers(4) and not f.covers(2)
