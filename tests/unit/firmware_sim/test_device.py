from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from firmware_sim.bound import bind
from firmware_sim.device import Device, Samples, View, build_devices
from firmware_sim.observing import observed
from firmware_sim.scenario import parse_scenario
from waterworks.site import Site

S = 1_000_000
FIVE = 300 * S
EXACT = (
    "[devices]\nflow_noise = 0\npressure_noise_m = 0\nlevel_noise_m = 0\nclock_spread_s = 0\n"
    "send_delay_s = 0\nreconnect_delay_s = 0\n"
)


class Bench:
    """One device on a made-up truth that rises by one a step in every value."""

    def __init__(self, site: Site, start: np.datetime64, text: str, device: str) -> None:
        bound = bind(site, parse_scenario(text), start)
        points = observed(site, bound.network)
        devices = build_devices(bound, {name: i for i, name in enumerate(points)})
        self.device: Device = next(d for d in devices if d.id == device)
        self.start = int(start.astype("datetime64[us]").astype(np.int64))
        self.width = len(points)

    def samples(self, first: int, last: int) -> Samples:
        """From step ``first`` to before step ``last``."""
        rising = np.arange(first, last + 1, dtype=float)[:, None] * np.ones(self.width)
        view = View(self.start + first * FIVE, FIVE, rising)
        return self.device.samplers[0].samples(self.start + first * FIVE, self.start + last * FIVE, view)


Make = Callable[..., Bench]


@pytest.fixture
def bench(site: Site, start: np.datetime64) -> Make:
    def make(text: str, device: str = "LOG-E") -> Bench:
        return Bench(site, start, EXACT + text, device)

    return make


def steps(b: Bench, samples: Samples) -> list[int]:
    return ((samples.true - b.start) // FIVE).tolist()


def fault(kind: str, of: str, start: str, end: str = "", more: str = "") -> str:
    end = f'end = "{end}"\n' if end else ""
    return f'[[fault]]\nkind = "{kind}"\n{of}\nstart = "{start}"\n{end}{more}\n'


def test_values_lie_straight_between_steps(bench: Make) -> None:
    b = bench("interval_s = 60\n")
    assert np.allclose(b.samples(2, 4).values[:, 0], np.round(2 + np.arange(10) / 5, 2))


def test_values_come_in_the_sensors_unit_and_its_steps(bench: Make) -> None:
    bars = bench("", "LOG-C").samples(40, 42).values[:, 0]
    assert bars.tolist() == [3.923, 4.021]  # 40 m and 41 m of water, to a millibar
    litres = bench("", "USER").samples(1, 2).values[:, 0]
    assert litres.tolist() == [3_600_000.0]  # 1 m3/s, to a litre an hour


def test_meter_noise_has_its_size(site: Site, start: np.datetime64) -> None:
    text = "[devices]\ninterval_s = 1\nclock_spread_s = 0\npressure_noise_m = 0.05\n"
    text += "pressure_resolution_m = 1e-6\n"
    values = Bench(site, start, text, "LOG-E").samples(0, 20).values[:, 0]
    noise = values - np.arange(6000) / 300
    assert abs(noise.std() - 0.05) < 0.002 and abs(noise.mean()) < 0.002


def test_a_stuck_meter_repeats_its_first_value_however_time_is_cut(bench: Make) -> None:
    text = fault("stuck", 'sensor = "P-E"', "+15min", "+1h")
    whole = bench(text).samples(0, 20).values[:, 0]
    b = bench(text)
    pieces = np.concatenate([b.samples(k, k + 1).values[:, 0] for k in range(20)])
    assert whole.tolist() == pieces.tolist() == [0, 1, 2, *[3] * 9, *range(12, 20)]


def test_offset_drift_reversal_and_spikes_reach_the_values(bench: Make) -> None:
    sensor = 'sensor = "P-E"'
    assert bench(fault("offset", sensor, "+5min", "", "value = 2.5")).samples(0, 2).values[:, 0].tolist() == [
        0,
        3.5,
    ]
    drifting = bench(fault("drift", sensor, "+0s", "", "value = 288")).samples(0, 3).values[:, 0]
    assert drifting.tolist() == [0, 2, 4]
    assert bench(fault("reversed", sensor, "+0s")).samples(0, 3).values[:, 0].tolist() == [0, -1, -2]
    spiky = bench(fault("spikes", sensor, "+0s", "", "value = 100\nshare = 0.5")).samples(0, 200)
    away = spiky.values[:, 0] - np.arange(200)
    assert set(away.tolist()) == {-100, 0, 100}


def test_what_is_sampled_offline_waits_for_the_end_of_the_outage(bench: Make) -> None:
    b = bench(fault("offline", 'device = "LOG-E"', "+10min", "+30min"))
    samples = b.samples(0, 8)
    assert samples.waited.tolist() == [False, False, True, True, True, True, False, False]
    sent = (samples.sent - b.start) // FIVE
    assert sent.tolist() == [0, 1, 6, 6, 6, 6, 6, 7]


@pytest.mark.parametrize(("keep", "left"), [("newest", [4, 5]), ("oldest", [2, 3])])
def test_a_full_buffer_keeps_what_it_is_told_to(bench: Make, keep: str, left: list[int]) -> None:
    b = bench(
        f'buffer_samples = 2\nbuffer_keep = "{keep}"\n'
        + fault("offline", 'device = "LOG-E"', "+10min", "+30min")
    )
    assert steps(b, b.samples(0, 8)) == [0, 1, *left, 6, 7]


def test_a_device_that_never_comes_back_delivers_no_more(bench: Make) -> None:
    b = bench(fault("offline", 'device = "LOG-E"', "+10min"))
    assert steps(b, b.samples(0, 8)) == [0, 1]


def test_outages_that_touch_are_one(bench: Make) -> None:
    first = fault("offline", 'device = "LOG-E"', "+10min", "+20min")
    b = bench(first + fault("offline", 'device = "LOG-E"', "+20min", "+30min"))
    assert [(o.start - b.start, (o.end or 0) - b.start) for o in b.device.outages] == [(2 * FIVE, 6 * FIVE)]


def test_garbage_and_duplicates_hit_their_share_of_what_goes_out_live(bench: Make) -> None:
    device = 'device = "LOG-E"'
    b = bench(
        fault("garbage", device, "+0s", "", "share = 0.3")
        + fault("duplicates", device, "+0s", "", "share = 0.3")
        + fault("offline", device, "+1d", "+2d")
    )
    found = b.samples(0, 3000)
    live = ~found.waited
    assert 0.25 < found.garbage[live].mean() < 0.35
    assert not (found.garbage & found.duplicate).any()
    assert not (found.garbage | found.duplicate)[found.waited].any()


def test_a_battery_runs_down_faster_when_the_device_sends_more_often(bench: Make) -> None:
    device = bench("").device
    begin, later = device.start_us, device.start_us + 365 * 86_400 * S
    slow = device.health(begin).battery_v - device.health(later).battery_v
    device.set_interval(60)
    fast = device.health(begin).battery_v - device.health(later).battery_v
    assert 0 < slow < fast
    assert -140 <= device.health(later).signal_dbm <= -50


def test_sensors_with_intervals_of_their_own_are_read_at_them(site: Site, start: np.datetime64) -> None:
    assert Bench(site, start, EXACT, "TANK").device.interval_s == 900
    assert Bench(site, start, EXACT + "interval_s = 60\n", "TANK").device.interval_s == 60
