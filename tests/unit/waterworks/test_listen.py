"""``[listen]`` of site.toml: which topics fit a filter, and which filters a site may not name."""

from __future__ import annotations

from typing import Any

import pytest

from waterworks.listen import Listening, matches, overlap, wrong_filter
from waterworks.names import Format
from waterworks.site_folder import check_site, read_site


# Section 4.7 of MQTT 3.1.1, most of it its own examples.
@pytest.mark.parametrize(
    ("filter", "topic", "fits"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "sport/tennis", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/x", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a", False),
    ],
)
def test_a_topic_fits_a_filter_as_the_standard_says(filter: str, topic: str, fits: bool) -> None:
    assert matches(filter, topic) is fits


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        ("a/#", "a/b", True),
        ("a/#", "a", True),
        ("a/+", "+/b", True),
        ("a/+/c", "a/b/#", True),
        ("a/+", "a/b/c", False),
        ("a/b", "a/c", False),
        ("a/#", "b/#", False),
        ("#", "x/y/z", True),
    ],
)
def test_filters_overlap_where_a_topic_fits_both(a: str, b: str, both: bool) -> None:
    assert overlap(a, b) is both
    assert overlap(b, a) is both


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "a/b+", "$SYS/#", "twuin/#", "a\0b", "#", "+/level"])
def test_what_is_no_filter_of_other_makers_is_told(text: str) -> None:
    assert wrong_filter(text)


def test_a_site_says_where_other_devices_publish(folder: Any) -> None:
    folder.write(
        "site.toml",
        (folder.path / "site.toml").read_text() + '\n[listen]\nplain = ["pdam/#", "valve/+/level"]\n',
    )
    assert check_site(folder.path) == []
    assert read_site(folder.path).listen == (
        Listening("pdam/#", Format.PLAIN),
        Listening("valve/+/level", Format.PLAIN),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[listen]\nplane = ["a/#"]', "unknown key 'plane' in [listen]: did you mean 'plain'?"),
        ('[listen]\nplain = "a/#"', 'plain is not a list of topics: write plain = ["pdam/#"]'),
        ('[listen]\nplain = ["a/#/b"]', "plain 'a/#/b' has '#' before its end"),
        ('[listen]\nplain = ["twuin/x"]', "plain 'twuin/x' is under twuin/"),
        ('[listen]\nplain = ["a/#", "a/b"]', "plain 'a/b' and plain 'a/#' share topics"),
    ],
)
def test_a_mistake_in_it_is_named_with_its_line(folder: Any, text: str, message: str) -> None:
    before = (folder.path / "site.toml").read_text()
    folder.write("site.toml", before + "\n" + text + "\n")
    line = (before + "\n" + text).count("\n") + 1
    found = [(p.file, p.line, p.message) for p in check_site(folder.path)]
    assert [(f, n) for f, n, m in found if message in m] == [("site.toml", line)], found
