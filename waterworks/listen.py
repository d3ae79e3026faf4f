"""Where a site's devices of other makers publish: MQTT topic filters, each with a format of messages."""

from __future__ import annotations

from typing import NamedTuple

from waterworks.names import Format

OWN = "twuin"
"""The first level of Twuin's own topics, which no filter of a site may reach into."""

_MOST = 65_535  # bytes of a filter (MQTT 3.1.1, section 4.7.3)


class Listening(NamedTuple):
    """``filter``: topics to take in; ``format``: what is in their messages."""

    filter: str
    format: Format


def wrong_filter(text: str) -> str | None:
    """What keeps ``text`` from being a filter of other makers' topics, if anything (MQTT 3.1.1, 4.7)."""
    levels = text.split("/")
    if not text or len(text.encode("utf-8", "replace")) > _MOST or "\0" in text:
        return "is no topic: write one such as 'pdam/reservoir3/level' or 'pdam/#'"
    if any(("#" in level and level != "#") or ("+" in level and level != "+") for level in levels):
        return "has a wildcard within a level: '+' and '#' stand alone between slashes"
    if "#" in levels[:-1]:
        return "has '#' before its end: it stands for all the levels that follow"
    if levels[0].startswith("$"):
        return "begins with '$', which is for the broker's own topics"
    if levels[0] == OWN:
        return f"is under {OWN}/, which Twuin reads in any case"
    if overlap(text, f"{OWN}/#"):
        return f"reaches into {OWN}/, which Twuin reads in any case: write the first level out"
    return None


def matches(filter: str, topic: str) -> bool:
    """Whether ``topic`` fits ``filter``: ``+`` is one level, ``#`` at the end any number, none included."""
    wanted, have = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):  # section 4.7.2
        return False
    for k, level in enumerate(wanted):
        if level == "#":
            return True
        if k >= len(have) or level not in ("+", have[k]):
            return False
    return len(wanted) == len(have)


def overlap(a: str, b: str) -> bool:
    """Whether a topic exists that fits both filters."""
    one, other = a.split("/"), b.split("/")
    for k in range(max(len(one), len(other))):
        here = one[k] if k < len(one) else None
        there = other[k] if k < len(other) else None
        if "#" in (here, there):
            return True
        if here is None or there is None or (here != there and "+" not in (here, there)):
            return False
    return True
