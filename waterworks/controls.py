"""Which links of an EPANET file are switched or throttled as time goes by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from epanet import toolkit

from waterworks.epanet_file import opened
from waterworks.network import LinkKind

_NO_SETTING = -1e9  # EPANET marks an action without a setting with -1e10


class Controlled(NamedTuple):
    """Indices as in ``read_network``. links: that controls, rules or speed patterns act on. throttled: those
    of them that are more than switched on and off: valves, and pumps whose speed changes."""

    links: frozenset[int]
    throttled: frozenset[int]


def controlled_links(path: Path) -> Controlled:
    """Raises NetworkError for a file that EPANET cannot read."""
    with opened(Path(path)) as p:
        actions: list[tuple[int, float]] = []
        for k in range(1, toolkit.getcount(p, toolkit.CONTROLCOUNT) + 1):
            _, link, setting, _, _ = toolkit.getcontrol(p, k)
            actions.append((int(link), float(setting)))
        for k in range(1, toolkit.getcount(p, toolkit.RULECOUNT) + 1):
            _, then, other, _ = toolkit.getrule(p, k)
            done = [toolkit.getthenaction(p, k, a) for a in range(1, then + 1)]
            done += [toolkit.getelseaction(p, k, a) for a in range(1, other + 1)]
            actions += [(int(link), float(setting)) for link, _, setting in done]
        for link in range(1, toolkit.getcount(p, toolkit.LINKCOUNT) + 1):
            if toolkit.getlinktype(p, link) == LinkKind.PUMP and (
                toolkit.getlinkvalue(p, link, toolkit.LINKPATTERN) > 0
            ):
                actions.append((link, 0.5))
        throttled = {
            link
            for link, setting in actions
            if toolkit.getlinktype(p, link) > LinkKind.PUMP
            or (setting not in (0.0, 1.0) and setting > _NO_SETTING)
        }
    return Controlled(frozenset(k - 1 for k, _ in actions), frozenset(k - 1 for k in throttled))
