import numpy as np
import pytest

from firmware_sim.bound import bind
from firmware_sim.scenario import ScenarioError, parse_scenario
from waterworks.errors import SiteError
from waterworks.site import Site

LEAK = '[[leak]]\nstart = "+1h"\nflow_m3h = 3\n'
FAULT = '[[fault]]\nstart = "+1h"\n'
EVENT = '[[event]]\nstart = "+1h"\n'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (LEAK + 'pipe = "BCC"', 4, "did you mean 'BC'"),
        (LEAK + 'pipe = "PU"', 4, "is a PUMP: only pipes leak"),
        (LEAK + 'dma = "X"', 4, "has no dma 'X'"),
        (FAULT + 'kind = "stuck"\nsensor = "P-X"', 4, "has no sensor"),
        (FAULT + 'kind = "offline"\ndevice = "LOG-X"', 4, "has no device"),
        (EVENT + 'kind = "use"\nnode = "T"\nvalue = 3', 4, "is a TANK"),
        (EVENT + 'kind = "valve_setting"\nlink = "BC"\nvalue = 3', 4, "needs one of PRV"),
        (EVENT + 'kind = "pump_speed"\nlink = "V"\nvalue = 3', 4, "needs one of PUMP"),
        (LEAK.replace("+1h", "+1d 04:00") + 'pipe = "BC"\nend = "+20h"', 5, "is not after start"),
    ],
)
def test_what_the_site_has_not_is_named_by_its_line(
    site: Site, start: np.datetime64, text: str, line: int, says: str
) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        bind(site, parse_scenario(text, "s.toml"), start)
    assert [p.line for p in caught.value.problems] == [line]


def test_a_pipe_drawn_in_a_dma_lies_in_it_and_follows_the_seed(site: Site, start: np.datetime64) -> None:
    def drawn(seed: int) -> str:
        return bind(site, parse_scenario(f'seed = {seed}\n{LEAK}dma = "H"'), start).leaks[0].pipe

    assert {drawn(seed) for seed in range(40)} == {"BC", "CD", "EF"}
    assert drawn(3) == drawn(3)


def test_a_fault_of_a_device_hits_all_its_sensors(site: Site, start: np.datetime64) -> None:
    bound = bind(site, parse_scenario(FAULT + 'kind = "stuck"\ndevice = "INLET"'), start)
    assert bound.faults[0].sensors == ("IN", "P-B")


def test_a_site_without_a_network_cannot_be_simulated(site: Site, start: np.datetime64) -> None:
    from dataclasses import replace

    with pytest.raises(SiteError, match="needs a network"):
        bind(replace(site, network_file=None), parse_scenario(""), start)
