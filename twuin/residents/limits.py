"""How many reports are taken, from whom, and what is odd enough for a person to look first.

Nothing here asks anybody else, and nothing locks a neighbourhood out: mobile networks put thousands of phones
behind a few addresses, so what is much for one address or network is first held for a look, and refused only
at a rate at which no neighbourhood reports. Counts are those of the reports stored, so that they hold for all
processes and across restarts.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from twuin.residents.model import Odd

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

QUICK_S = 4.0
"""Nobody fills the form in within so long [s]; programs do in one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Within ``span``, more than ``held`` are looked at first, and more than ``refused`` are refused."""

    span: timedelta
    held: int
    refused: int


ADDRESS = Limit(HOUR, 5, 30)
"""From one address: a household, or some hundred phones of a mobile network."""

NETWORK = Limit(HOUR, 40, 240)
"""From a /24 (of IPv6: a /48)."""

PHONE = Limit(DAY, 3, 10)
"""With one phone number."""

HELD_MOST = 5_000
"""Reports that may wait for a person. Beyond that none is taken that is odd: nobody could look at all of
them."""


class Counts(NamedTuple):
    """How many reports there were: of this address, network and phone number in its span, and of all in an
    hour. held: how many wait."""

    address: int
    network: int
    phone: int
    all: int
    held: int


class Verdict(NamedTuple):
    """odd: why to look first. refused: take none, for so long.
    by: which limit says so, None: too many wait for a look."""

    odd: tuple[Odd, ...]
    refused: timedelta | None = None
    by: Odd | None = None


def judge(counts: Counts, *, flood: int, others: tuple[Odd, ...] = ()) -> Verdict:
    """Whether a report that comes now counts at once, is held, or is refused.

    flood: reports of everybody in an hour beyond which all are held. others: what is odd about it itself.
    """
    odd = list(others)
    for kind, count, limit in (
        (Odd.ADDRESS, counts.address, ADDRESS),
        (Odd.NETWORK, counts.network, NETWORK),
        (Odd.PHONE, counts.phone, PHONE),
    ):
        if count >= limit.refused:
            return Verdict(tuple(odd), limit.span, kind)
        if count >= limit.held:
            odd.append(kind)
    if counts.all >= flood:
        odd.append(Odd.FLOOD)
    if odd and counts.held >= HELD_MOST:
        return Verdict(tuple(odd), HOUR)
    return Verdict(tuple(odd))


def network_of(source: str) -> str:
    """The network of an address or of a /64: its /24 (IPv4) or /48 (IPv6); other texts stay as they are."""
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return source
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))
