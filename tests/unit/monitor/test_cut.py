"""How a site is cut into parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from twuin.monitor.cut import cut
from waterworks.site import Dma, Role, Sensor, Site
from waterworks.units import Quantity


def town(dmas: int, joined: list[tuple[int, int]] = []) -> Site:  # noqa: B006 - not changed
    def meter(id: str, dma: str, from_dma: str = "") -> Sensor:
        return Sensor(id, Quantity.FLOW, "m3/h", dma, id, Role.INLET, from_dma, interval_s=900.0)

    ids = [f"D{k}" for k in range(dmas)]
    return Site(
        id="town",
        name="Town",
        timezone=ZoneInfo("Asia/Jakarta"),
        dmas=tuple(Dma(d, d, 100, zone="Z") for d in ids),
        sensors=(
            *(meter(f"M{k}", d) for k, d in enumerate(ids)),
            *(meter(f"J{a}-{b}", ids[b], ids[a]) for a, b in joined),
            Sensor("P", Quantity.PRESSURE, "m", "", "P", interval_s=900.0),
        ),
        folder=Path(),
    )


@given(
    st.integers(2, 25),
    st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=12),
    st.integers(1, 8),
)
def test_every_dma_and_sensor_is_in_one_part_and_no_meter_lies_between_two(
    dmas: int, pairs: list[tuple[int, int]], most: int
) -> None:
    site = town(dmas, sorted({(a % dmas, b % dmas) for a, b in pairs if a % dmas != b % dmas}))
    parts = cut(site, most)
    assert sorted(d.id for p in parts for d in p.dmas) == sorted(d.id for d in site.dmas)
    assert sorted(s.id for p in parts for s in p.sensors) == sorted(s.id for s in site.sensors)
    for part in parts:
        own = {d.id for d in part.dmas}
        assert all({s.dma, s.from_dma} - {""} <= own for s in part.sensors)


def test_parts_are_as_large_as_may_be_where_nothing_joins_dmas() -> None:
    assert [len(p.dmas) for p in cut(town(10), 4)] == [4, 4, 2]


def test_dmas_that_meters_join_stay_together_though_there_are_more_of_them() -> None:
    chain = [(k, k + 1) for k in range(4)]
    assert [len(p.dmas) for p in cut(town(8, chain), 3)] == [5, 3]


def test_a_zone_that_is_cut_is_none_in_the_parts() -> None:
    assert all(not p.zones for p in cut(town(4), 2))


def test_a_small_site_and_one_with_a_hydraulic_model_stay_whole() -> None:
    small = town(4)
    assert cut(small, 4) == [small]
    modelled = replace(town(9), network_file=Path("network.inp"))
    assert cut(modelled, 2) == [modelled]
