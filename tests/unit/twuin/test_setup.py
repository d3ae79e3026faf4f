"""What ``twuin setup`` makes before the first start, and leaves at the next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ingest.store.influx.access import Access
from ingest.store.influx.prepare import make_token
from ingest.store.influx.server import Server
from waterworks.errors import StoreError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def setup(twuin: Run) -> Run:
    return partial(twuin, "setup")


def test_secrets_are_made_once_and_never_shown(setup: Run, tmp_path: Path) -> None:
    status, said, _ = setup("secrets", "a/one", "two")
    one, two = (tmp_path / name for name in ("a/one", "two"))
    assert status == 0 and re.fullmatch(r"[A-Za-z0-9]{40}\n", one.read_text())
    assert one.read_text() != two.read_text() and one.read_text().strip() not in said
    assert one.stat().st_mode & 0o777 == 0o440
    before = one.read_text()
    assert "there already" in setup("secrets", "a/one")[1] and one.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "two"]


def test_an_empty_secret_is_not_taken_for_one(setup: Run, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("\n")
    status, _, said = setup("secrets", "one")
    assert status == 1 and "is empty" in said
    (tmp_path / "file").write_text("x")
    status, _, said = setup("secrets", "file/one")
    assert status == 1 and "secret file/one" in said


CODE = r"one-time code \S+ +\(shown only now"


def test_the_first_account_is_made_once_with_its_code(setup: Run, root: Path) -> None:
    where = ("--site", str(root / "examples" / "ferrara"), "--data-dir", "data")
    status, said, _ = setup("prepare", *where)
    assert status == 0 and re.search(CODE, said) and "http://localhost:8080/welcome?name=admin" in said
    assert "embedded store" in said and "is ready" in said
    status, said, _ = setup("prepare", *where)
    assert status == 0 and "code" not in said


def test_a_database_that_is_away_is_waited_for_and_then_named(
    setup: Run, root: Path, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("TWUIN_DATABASE", f"postgresql://twuin@127.0.0.1:{free_port()}/twuin")
    where = ("--site", str(root / "examples" / "ferrara"), "--data-dir", "data", "--wait", "0.5")
    status, said, wrong = setup("prepare", *where)
    assert status == 1 and "waiting: database" in said and "refused" in wrong


@pytest.mark.parametrize(("writes", "actions"), [(True, ["read", "write"]), (False, ["read"])])
def test_a_token_is_asked_for_just_the_buckets_and_rights_that_are_needed(
    httpserver: HTTPServer, writes: bool, actions: list[str]
) -> None:
    """Against what InfluxDB 2's API answers, as its OpenAPI description has it."""

    def buckets(request: Request) -> Response:
        name = request.args["name"]
        found = [{"id": f"{len(name):016x}", "orgID": "00000000000000aa", "name": name, "retentionRules": []}]
        return Response(json.dumps({"buckets": found}), content_type="application/json")

    asked = []

    def authorize(request: Request) -> Response:
        asked.append(request.get_json())
        made = {**asked[-1], "id": "00000000000000bb", "token": "t0ken", "status": "active"}
        return Response(json.dumps(made), 201, content_type="application/json")

    httpserver.expect_request("/api/v2/buckets", "GET").respond_with_handler(buckets)
    httpserver.expect_request("/api/v2/authorizations", "POST").respond_with_handler(authorize)
    access = Access(httpserver.url_for("").rstrip("/"), "twuin", org="pdam", token="admin")
    with closing(Server(access)) as server:
        assert make_token(server, writes=writes) == "t0ken"
    (request,) = asked
    assert request["orgID"] == "00000000000000aa"
    told = [(p["action"], p["resource"]["type"], p["resource"]["id"]) for p in request["permissions"]]
    ids = [f"{len(name):016x}" for name in ("twuin", "twuin/changes")]
    assert told == [(action, "buckets", id) for id in ids for action in actions]


def test_a_token_that_may_make_none_is_told_of(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v2/buckets").respond_with_json(
        {"code": "unauthorized", "message": "unauthorized access"}, 401
    )
    access = Access(httpserver.url_for("").rstrip("/"), "twuin", org="pdam", token="little")
    with closing(Server(access)) as server, pytest.raises(StoreError, match=r"store\.token"):
        make_token(server, writes=False)
