from typing import Any

import numpy as np
import pytest

from ingest.reasons import Reason
from ingest.validate import BELIEVABLE, Validated, explain, validate_columns
from waterworks.reading import Quality
from waterworks.site import Site
from waterworks.units import Quantity

NOW = np.datetime64("2026-11-21T12:00:00", "us")
SECOND = np.timedelta64(1_000_000, "us")
DAY = 86_400 * SECOND


def check(
    site: Site, rows: list[tuple[str, Any, float]], units: dict[str, str] | None = None, **more: Any
) -> Validated:
    """rows: (sensor, time, value)."""
    names = list(dict.fromkeys(r[0] for r in rows))
    return validate_columns(
        site,
        names,
        [names.index(r[0]) for r in rows],
        np.array([r[1] for r in rows], "datetime64[us]"),
        [r[2] for r in rows],
        [(units or {}).get(n, "") for n in names],
        received=NOW,
        **more,
    )


def test_values_become_si_by_the_unit_of_the_message_or_of_the_site(site: Site) -> None:
    got = validate_columns(
        site,
        ["D1-IN", "D1-IN", "FREE"],
        [0, 1, 2, 0],
        [NOW] * 4,
        [36, 10, 212, -36],
        ["", "L/s", ""],
        received=NOW,
    )
    assert got.batch.names == ("D1-IN", "FREE")
    assert got.batch.sensor.tolist() == [0, 0, 1, 0]
    assert got.batch.value == pytest.approx([0.01, 0.01, 100.0, -0.01])
    assert not len(got.rejected) and got.reasons == []


def test_names_that_no_reading_is_left_of_do_not_occur(site: Site) -> None:
    got = check(site, [("NOWHERE", NOW, 1), ("TANK", NOW, np.nan), ("D1-IN", NOW, 1)])
    assert got.batch.names == ("D1-IN",)
    assert got.batch.sensor.tolist() == [0]


@pytest.mark.parametrize(
    ("sensor", "time", "value", "unit", "reason"),
    [
        ("NOWHERE", NOW, 1.0, "", Reason.UNKNOWN_SENSOR),
        ("D1-IN", NOW, 1.0, "bar", Reason.UNKNOWN_UNIT),
        ("D1-IN", NOW, 1.0, "x" * 10_000, Reason.UNKNOWN_UNIT),
        ("D1-IN", np.datetime64("NaT", "us"), 1.0, "", Reason.BAD_TIME),
        ("D1-IN", np.datetime64("1999-12-31T23:59:59.999999", "us"), 1.0, "", Reason.TIME_TOO_OLD),
        ("D1-IN", NOW + DAY + np.timedelta64(1, "us"), 1.0, "", Reason.TIME_AHEAD),
        ("D1-IN", NOW, np.nan, "", Reason.NOT_FINITE),
        ("D1-IN", NOW, np.inf, "", Reason.NOT_FINITE),
        ("D1-P1", NOW, 1.7e308, "MPa", Reason.NOT_FINITE),
    ],
)
def test_what_cannot_be_stored_is_rejected_with_its_reason(
    site: Site, sensor: str, time: Any, value: float, unit: str, reason: Reason
) -> None:
    got = check(site, [("TANK", NOW, 1), (sensor, time, value), ("TANK", NOW + SECOND, 2)], {sensor: unit})
    assert got.rejected.tolist() == [1]
    assert got.reasons == [reason]
    assert got.batch.value == pytest.approx([0.01, 0.02])
    line = explain(site, reason, sensor, unit, time, value)
    assert sensor in line and "\n" not in line and len(line) < 500


def test_both_ends_of_the_allowed_time_are_allowed(site: Site) -> None:
    got = check(site, [("TANK", np.datetime64("2000-01-01", "us"), 1), ("TANK", NOW + DAY, 2)])
    assert len(got.batch) == 2


def test_time_is_compared_with_now_where_it_is_given(site: Site) -> None:
    rows = [("TANK", NOW + 3 * DAY, 1.0)]
    assert check(site, rows).reasons == [Reason.TIME_AHEAD]
    assert check(site, rows, now=NOW + 3 * DAY).reasons == []


def test_first_fault_in_the_order_of_looking_is_the_one_reported(site: Site) -> None:
    got = check(site, [("NOWHERE", NOW + 3 * DAY, np.nan), ("TANK", NOW + 3 * DAY, np.nan)])
    assert got.reasons == [Reason.UNKNOWN_SENSOR, Reason.TIME_AHEAD]


def test_unbelievable_values_are_stored_and_flagged(site: Site) -> None:
    got = check(site, [("TANK", NOW, 600), ("TANK", NOW + SECOND, 601), ("TANK", NOW + 2 * SECOND, -1)])
    assert got.batch.quality.tolist() == [0, Quality.OUT_OF_RANGE, Quality.OUT_OF_RANGE]
    low, high = BELIEVABLE[Quantity.PRESSURE]
    bar = 10.19716  # m
    got = check(site, [("D1-P1", NOW, high / bar * 0.99), ("D1-P1", NOW + SECOND, low / bar * 1.01)])
    assert got.batch.quality.tolist() == [0, Quality.OUT_OF_RANGE]


def test_flags_of_the_sender_stay_beside_ours(site: Site) -> None:
    got = check(site, [("TANK", NOW, 601), ("TANK", NOW + SECOND, 1)], quality=[Quality.SUSPECT, 0])
    assert got.batch.quality.tolist() == [Quality.SUSPECT | Quality.OUT_OF_RANGE, 0]


def test_a_sensor_speaks_only_through_its_own_device(site: Site) -> None:
    def of(device: str, sensor: str) -> list[Reason]:
        return check(site, [(sensor, NOW, 1.0)], devices=[device]).reasons

    assert of("d1", "D1-IN") == []
    assert of("", "D1-IN") == []  # from a file: nobody knows
    assert of("any", "FREE") == []  # the site names no device
    assert of("d2", "D1-IN") == [Reason.WRONG_DEVICE]


def test_no_readings_are_no_mistake(site: Site) -> None:
    got = validate_columns(site, [], [], [], [], [], received=NOW)
    assert len(got.batch) == 0 and got.reasons == []


def test_columns_of_different_length_are_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="length"):
        validate_columns(site, ["TANK"], [0, 0], [NOW], [1.0], [""], received=NOW)
    with pytest.raises(ValueError, match="units"):
        validate_columns(site, ["TANK"], [0], [NOW], [1.0], [], received=NOW)


def test_seconds_taken_for_milliseconds_are_named_as_such(site: Site) -> None:
    assert "milliseconds" in explain(
        site, Reason.TIME_TOO_OLD, "TANK", time=np.datetime64(1_795_230_000, "ms")
    )
    assert "clock" in explain(site, Reason.TIME_TOO_OLD, "TANK", time=np.datetime64("1980-01-06", "us"))
