"""Which notices share a message: a digest instead of a flood. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from twuin.notify.model import Address, Flood, Lane, Notice


def group(
    waiting: Iterable[Notice],
    lately: Mapping[tuple[Address, Lane], Sequence[datetime]],
    flood: Mapping[Address, Flood],
    now: datetime,
) -> list[list[Notice]]:
    """The messages to make now, each as its notices in order; what is not in them waits.

    waiting: notices that no message carries yet. lately: when messages of each address and lane were made
    (site time), at least those of its flood span. Several notices of one alert make one message, which tells
    how it stands now. In any ``flood.within`` there are at most ``flood.more_than`` messages: where more
    would come, what waits becomes one digest, now or as soon as one may come. Urgent ones and others count
    each on their own, so that a flood of silent sensors holds up no burst.
    """
    by_lane: dict[tuple[Address, Lane], list[Notice]] = {}
    for notice in waiting:
        if notice.due <= now:
            by_lane.setdefault((notice.address, notice.lane), []).append(notice)
    out: list[list[Notice]] = []
    for (address, lane), notices in sorted(by_lane.items()):
        notices.sort(key=lambda n: (n.made, n.event))
        if lane is Lane.EACH:
            out += [[n] for n in notices]
            continue
        by_alert: dict[str, list[Notice]] = {}
        for notice in notices:
            by_alert.setdefault(notice.alert, []).append(notice)
        if lane is Lane.DAILY:
            out.append(notices)
            continue
        limit = flood[address]
        recent = sum(_within(made, now, limit.within) for made in lately.get((address, lane), ()))
        if len(by_alert) <= limit.more_than - recent:
            out += by_alert.values()
        elif recent < limit.more_than:
            out.append(notices)
    return out


def _within(made: datetime, now: datetime, span: timedelta) -> bool:
    # A message from the future was made before the clock was set back: it holds up nothing.
    return now - span < made <= now
