"""Whatever is asked gets one clear answer, and costs no more than a large page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from twuin.api import sensorthings as routes
from twuin.api.pace import Pace, TooMany
from twuin.views.sensorthings import NotSupported, WrongQuery
from twuin.views.sensorthings.evaluate import FUNCTIONS, check, holds
from twuin.views.sensorthings.grammar import parse
from twuin.views.sensorthings.model import KINDS
from twuin.views.sensorthings.options import read_query

DEEP = "(" * 31 + "result gt 1" + ")" * 31


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("$filter=result gt", 400, "ends too early"),
        ("$filter=result gtt 5", 400, "not understood at character 8"),
        ("$filter=result gt 5 andd true", 400, "not understood"),
        ("$filter=name eq 'x'", 400, "Observation has no 'name': it has id, phenomenonTime"),
        ("$filter=Datastream eq 'x'", 400, "is an entity"),
        ("$filter=Datastream/Observations/result gt 1", 501, "cannot look through a series"),
        ("$filter=foo(result) eq 1", 400, "there is no function 'foo'"),
        ("$filter=any(result) eq 1", 501, "not supported"),
        ("$filter=startswith(result)", 400, "takes 2 arguments, not 1"),
        ("$filter=st_within(FeatureOfInterest/feature, geography'POLYGON((1 1')", 400, "is no geometry"),
        ("$filter=st_within(FeatureOfInterest/feature, 5)", 400, "takes geometries"),
        ("$filter=phenomenonTime gt 2026-13-01T00:00:00Z", 400, "is no instant"),
        ("$filter=phenomenonTime gt '9999'", 400, "is no instant"),
        ("$filter=phenomenonTime gt now() sub duration'P1Y'", 400, "is no duration"),
        (f"$filter={DEEP}", 400, "more than 30 deep"),
        (f"$filter={' or '.join(['result gt 1'] * 100)}", 400, "more than 200 terms"),
        (f"$filter=result gt 1{' ' * 4000}", 400, "at most 4000"),
        ("$filter=result gt 1&$filter=result lt 5", 400, "twice"),
        (f"$filter={'x' * 17000}", 400, "at most 16000"),
        ("$top=-1", 400, "whole number"),
        ("$top=99999999999", 400, "whole number"),
        ("$top=1e3", 400, "whole number"),
        ("$top=٣", 400, "whole number"),
        ("$skip=x", 400, "whole number"),
        ("$count=maybe", 400, "true or false"),
        ("$orderby=", 400, "names nothing"),
        ("$orderby=nothing desc", 400, "has no 'nothing'"),
        ("$select=nothing", 400, "has no 'nothing'"),
        ("$expand=Things", 400, "has no link 'Things'"),
        ("$expand=Datastream($top=1", 400, "bracket"),
        ("$expand=Datastream($top=1)", 400, "is for sets"),
        ("$expand=Datastream(nonsense)", 400, "is no query option"),
        ("$expand=Datastream/Thing/Datastreams/Thing/Datastreams/Thing", 400, "more than 5 links"),
        ("$skiptoken=nonsense", 400, "not one of ours"),
        ("$search=leak", 501, "not supported"),
        ("top=5", 400, "begin with $"),
        ("$nonsense=5", 400, "is no query option"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused_in_one_sentence(
    sta: TestClient, query: str, status: int, words: str
) -> None:
    answer = sta.get(f"/Observations?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_a_top_beyond_the_largest_page_gets_the_largest_page(sta: TestClient) -> None:
    """As the standard has it (9.3.3.2): the server's limit takes its place, and a link leads on."""
    body = sta.get("/Observations?$top=100000&$select=id").json()
    assert len(body["value"]) == 1000
    assert "@iot.nextLink" in body


def test_an_answer_that_would_be_too_large_is_refused(sta: TestClient, monkeypatch: Any) -> None:
    monkeypatch.setattr("twuin.views.sensorthings.service.MAX_ENTITIES", 500)
    answer = sta.get("/Datastreams?$expand=Observations($top=100)")
    assert answer.status_code == 400
    assert "more than 500 entities" in answer.json()["detail"]
    monkeypatch.setattr("twuin.views.sensorthings.service.MAX_SERIES", 3)
    answer = sta.get("/Datastreams?$expand=Observations($top=1)")
    assert "more than 3 series" in answer.json()["detail"]


def test_paths_that_are_none_are_404_or_400(sta: TestClient) -> None:
    for path, status in (
        ("/Nonsense", 404),
        ("/Things('dev1@P1')/Datastreams/name", 404),
        ("/Things('dev1@P1')('x')", 404),
        ("/$value", 404),
        ("/Things/$ref/name", 404),
        ("/Things(" + "(" * 50 + ")", 400),
        ("/Datastreams('D1-IN')" + "/Thing/Datastreams('D1-IN')" * 7, 400),
        ("/Datastreams('D1-IN')?$top=5", 400),
        ("?$top=5", 400),
    ):
        answer = sta.get(path)
        assert answer.status_code == status, (path, answer.text)


def test_nothing_can_be_changed(sta: TestClient) -> None:
    for send in (sta.post, sta.put, sta.patch, sta.delete):
        assert send("/Things").status_code == 405


def test_who_asks_too_often_is_told_when_to_come_again(sta: TestClient, monkeypatch: Any) -> None:
    for _ in range(routes.BURST + 100):
        answer = sta.get("/Things?$top=0")
        if answer.status_code != 200:
            break
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_a_pace_lets_through_what_it_says() -> None:
    now = [0.0]
    pace = Pace(2.0, 3, lambda: now[0])
    for _ in range(3):
        pace.take("a")
    with pytest.raises(TooMany) as refused:
        pace.take("a")
    assert refused.value.wait_s == 0.5
    pace.take("b")
    now[0] = 0.5
    pace.take("a")


WORDS = st.sampled_from(
    ["result", "phenomenonTime", "Datastream/name", "Datastream", "/", "(", ")", ",", "'", "eq", "gt", "and",
     "or", "not", "add", "mul", "div", "-", "5", "0", "1e400", "null", "true", "'text'",
     "2026-01-01T00:00:00Z",
     "2026-01-01", "duration'P1D'", "geography'POINT(1 2)'", "now()", "resultQuality", "%", "\x00", "ü",
     "FeatureOfInterest/feature", *sorted(FUNCTIONS)]
)  # fmt: skip


class Oven:
    kind = KINDS["Observations"]
    id = "x"

    def get(self, name: str) -> Any:
        return {
            "result": 5.0,
            "resultQuality": ["good"],
            "feature": {"type": "Point", "coordinates": [1, 2]},
        }.get(name)

    def related(self, name: str) -> list[Any]:
        return [self]


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_whatever_a_filter_says_it_is_understood_or_refused(text: str) -> None:
    from datetime import UTC, datetime

    try:
        term = parse(text)
        check(term, KINDS["Observations"])
    except (WrongQuery, NotSupported):
        return
    assert holds(term, Oven(), lambda: datetime(2026, 1, 1, tzinfo=UTC)) in (True, False)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("$filterxpand=();,&'/Datastreams%20 "), max_size=60))
def test_whatever_a_query_says_it_is_understood_or_refused(text: str) -> None:
    try:
        read_query(text, KINDS["Observations"])
    except (WrongQuery, NotSupported):
        return
