"""Numbers that no town's network has: where an EPANET file's units are not those that it names.

A file may be right in form and still say, for example, ``Units CMS`` over demands in m3/h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from waterworks.network import LinkKind, Network
from waterworks.wording import counted

MOST_CONNECTIONS = 1_000_000
"""Of a DMA, which usually has 500 to 3,000."""
MOST_PRESSURE = 300.0
"""Mean of a DMA [m]: pipes of the highest usual class (PN 25) bear 255 m."""
LARGEST_PIPE = 5.0
"""[m]"""
SMALLEST_PIPE = 0.01
"""Median over all pipes [m]."""


def pipes(network: Network) -> list[str]:
    """What is not to be believed of the pipes' diameters."""
    pipe = np.flatnonzero(network.link_kind <= LinkKind.PIPE)
    if not len(pipe):
        return []
    odd = []
    size = network.diameter[pipe]
    wide = int((size > LARGEST_PIPE).sum())
    if wide:
        widest = network.link_ids[pipe[int(size.argmax())]]
        said = f"{counted(wide, 'pipe')} {'is' if wide == 1 else 'are'} wider than {LARGEST_PIPE:g} m"
        odd.append(f"{said} ({widest}: {size.max():,.1f} m)")
    middle = float(np.median(size))
    if middle < SMALLEST_PIPE:
        odd.append(f"half of the pipes are at most {middle * 1000:.1f} mm wide")
    return odd


def dma(name: str, connections: int, pressure: float) -> list[str]:
    """What is not to be believed of a DMA; its mean pressure [m] is NaN where it is not known."""
    odd = []
    if connections > MOST_CONNECTIONS:
        odd.append(f"DMA {name} would have {connections:,} connections")
    if not math.isnan(pressure) and not 0 <= pressure <= MOST_PRESSURE:
        odd.append(f"the mean pressure of DMA {name} is {pressure:,.0f} m")
    return odd


def told(odd: Sequence[str], units: str) -> str:
    """One sentence about all of it. units: EPANET's name of the file's flow unit."""
    some = "; ".join(odd[:4]) + (f"; and {len(odd) - 4} more" if len(odd) > 4 else "")
    return f"WARNING: are the units right? the file says Units {units}, and with that {some}"
