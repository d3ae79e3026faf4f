"""The palette: legible (WCAG 2.2 AA) in light and dark, and told apart without colour vision."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from twuin.web.render import STATIC

CSS = (STATIC / "css" / "twuin.css").read_text("utf-8")
WALL = (STATIC / "css" / "wall.css").read_text("utf-8")
TEXT_PAIRS = [
    *[(ink, ground) for ink in ("ink", "ink-2", "accent") for ground in ("bg", "surface", "surface-2")],
    *[(state, "surface") for state in ("normal", "watch", "leak", "nodata")],
    *[(state, "surface-2") for state in ("normal", "watch", "leak")],
    ("on-accent", "accent"),
    ("on-state", "leak"),
    ("top-ink", "top"),
    ("top-ink-2", "top"),
    ("ink", "warn-bg"),
    ("ink", "bad-bg"),
    ("ink", "good-bg"),
]
DRAWN_PAIRS = [(c, "map") for c in ("normal", "watch", "leak", "nodata", "suspect", "sensor", "water")]


def palettes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", CSS)
    found = {s.strip(): dict(re.findall(r"--([\w-]+): (#\w{6});", body)) for s, body in blocks}
    return {
        "light": found[":root"],
        "dark": found[':root[data-theme="dark"]'],
        "dark by device": found[':root:not([data-theme="light"])'],
    }


def wall_palette() -> dict[str, str]:
    """The colours of displays on a wall: those of the dark pages, and what is other on a wall."""
    own = re.search(r":root[^{]*\{([^}]*)\}", WALL)
    assert own is not None
    return palettes()["dark"] | dict(re.findall(r"--([\w-]+): (#\w{6});", own[1]))


def linear(hex_colour: str) -> list[float]:
    channels = [int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def luminance(hex_colour: str) -> float:
    red, green, blue = linear(hex_colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_on_a_wall_reaches_the_contrast_of_level_aaa_and_states_nearly_so() -> None:
    palette, grounds = wall_palette(), ("bg", "surface", "surface-2")
    inks = {(ink, ground): 7.0 for ink in ("ink", "ink-2") for ground in grounds}
    states = {
        (s, ground): 6.5 for s in ("normal", "watch", "leak", "nodata", "suspect") for ground in grounds
    }
    drawn = {(s, "map"): 4.5 for s, _ in DRAWN_PAIRS}
    wanted = inks | states | drawn
    found = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in wanted}
    assert {pair: round(c, 2) for pair, c in found.items() if c < wanted[pair]} == {}
    banners = re.findall(r"wall-banner(?:\.down)? \{[^}]*background: (#\w{6})(?:; color: (#\w{6}))?", WALL)
    assert len(banners) == 2
    assert all(contrast(ground, ink or "#101418") > 7 for ground, ink in banners)


FIELD_PAIRS = [
    *[(ink, ground) for ink in ("ink", "ink-2") for ground in ("bg", "surface")],
    *[("ink", ground) for ground in ("good-bg", "warn-bg", "bad-bg")],
    *[("on-state", state) for state in ("high", "medium", "low")],
    ("accent", "bg"), ("high", "bg"), ("on-accent", "accent"), ("top-ink", "top"),
]  # fmt: skip


def test_text_on_the_crews_phone_is_readable_in_the_sun() -> None:
    blocks = re.findall(r":root \{([^}]*)\}", (STATIC / "css" / "field.css").read_text("utf-8"))
    palette: dict[str, str] = {}
    for block, least in zip(blocks, (7.0, 4.5), strict=True):  # light, dark
        palette |= dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        poor = {p: contrast(palette[p[0]], palette[p[1]]) for p in FIELD_PAIRS}
        assert {p: round(c, 2) for p, c in poor.items() if c < least} == {}


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_reaches_the_contrast_of_level_aa(name: str) -> None:
    palette = palettes()[name]
    poor = {p: contrast(palette[p[0]], palette[p[1]]) for p in TEXT_PAIRS}
    assert {p: round(c, 2) for p, c in poor.items() if c < 4.5} == {}


@pytest.mark.parametrize("name", ["light", "dark"])
def test_lines_of_map_and_charts_stand_out_from_their_ground(name: str) -> None:
    palette = palettes()[name]
    poor = {p: contrast(palette[p[0]], palette[p[1]]) for p in DRAWN_PAIRS}
    assert {p: round(c, 2) for p, c in poor.items() if c < 3} == {}


def test_dark_by_switch_and_dark_by_device_are_the_same() -> None:
    found = palettes()
    assert found["dark"] == found["dark by device"]
    assert set(found["dark"]) == set(found["light"])


# Viénot, Brettel & Mollon (1999), Digital video colourmaps for checking the legibility of displays by
# dichromats: linear RGB as seen without the red, or without the green cones.
DICHROMATS = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("kind", DICHROMATS)
def test_normal_and_leak_differ_without_red_or_green_cones(name: str, kind: str) -> None:
    palette = palettes()[name]

    def seen(colour: str) -> list[float]:
        rgb = [sum(w * c for w, c in zip(row, linear(colour), strict=True)) for row in DICHROMATS[kind]]
        return [max(0.0, c) ** (1 / 2.4) for c in rgb]

    for one, other in combinations(("normal", "leak", "suspect"), 2):
        apart = (
            sum((a - b) ** 2 for a, b in zip(seen(palette[one]), seen(palette[other]), strict=True)) ** 0.5
        )
        assert apart > 0.15, (one, other)
