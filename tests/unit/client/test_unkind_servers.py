"""Servers that are away, slow, full, no Twuin at all, or that break off."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from twuin.client import NoAnswer, NotUnderstood, Problem, Twuin

SITE = {
    "id": "a", "name": "b", "timezone": "Asia/Jakarta", "now": "2026-03-10T03:00:00Z", "clock_speed": 1.0,
    "clock": "wall", "watermark": None, "stale_after_s": None, "catching_up": False,
    "has_readings": True, "has_network": False, "currency": "IDR", "bounds": None,
}  # fmt: skip
START = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client slept: it does not."""
    found: list[float] = []
    monkeypatch.setattr("twuin.client.connection.sleep", found.append)
    return found


def answers(server: HTTPServer, path: str, *given: Response) -> list[Request]:
    """Give these in turn, the last for ever; what was asked."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        request.get_data()
        asked.append(request)
        return given[min(len(asked), len(given)) - 1]

    server.expect_request(path).respond_with_handler(answer)
    return asked


def ok() -> Response:
    return Response(json.dumps(SITE), content_type="application/json")


def busy(status: int = 503, **headers: str) -> Response:
    problem = '{"type": "urn:twuin:problem:unavailable", "status": 503, "detail": "the store is away"}'
    return Response(problem, status, {**headers, "Content-Type": "application/problem+json"})


def test_what_only_reads_is_asked_again(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/site", busy(), busy(429, **{"Retry-After": "7"}), ok())
    assert Twuin(httpserver.url_for("")).site().id == "a"
    assert len(asked) == 3 and waits == [0.5, 7.0]


def test_it_gives_up_with_what_was_said(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/site", busy())
    with pytest.raises(Problem, match="503: the store is away"):
        Twuin(httpserver.url_for(""), retries=2).site()
    assert len(asked) == 3


def test_it_does_not_sleep_for_an_hour(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/site", busy(429, **{"Retry-After": "3600"}))
    with pytest.raises(Problem):
        Twuin(httpserver.url_for("")).site()
    assert len(asked) == 1 and not waits


def test_what_is_wrong_is_not_asked_again(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/site", busy(500), ok())
    with pytest.raises(Problem):
        Twuin(httpserver.url_for("")).site()
    assert len(asked) == 1


def test_a_write_is_sent_again_under_the_same_key(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/works", busy(), busy(422))
    with pytest.raises(Problem):
        Twuin(httpserver.url_for("")).enter_work("tank", START, START + timedelta(hours=1), dmas=["D1"])
    first, second = (request.get_json() for request in asked)
    assert first["key"] == second["key"] and len(first["key"]) == 32


def test_the_token_goes_along_and_netrc_does_not_replace_it(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    asked = answers(httpserver, "/api/v1/site", ok())
    Twuin(httpserver.url_for(""), "twuin_abc").site()
    assert asked[0].headers["Authorization"] == "Bearer twuin_abc"
    Twuin(httpserver.url_for("")).site()
    assert "Authorization" not in asked[1].headers


def test_nothing_goes_to_where_an_answer_sends(httpserver: HTTPServer, waits: list[float]) -> None:
    asked = answers(httpserver, "/api/v1/site", Response("", 302, {"Location": "http://elsewhere.example/x"}))
    with pytest.raises(NotUnderstood, match=r"elsewhere\.example"):
        Twuin(httpserver.url_for(""), "twuin_abc").site()
    assert len(asked) == 1


@pytest.mark.parametrize("body", ["<html>router</html>", "", "{", "[]", '"x"', "null", '{"id": 1}', "\udcff"])
def test_what_is_no_twuin_is_named_in_one_line(httpserver: HTTPServer, body: str) -> None:
    answers(httpserver, "/api/v1/site", Response(body.encode("utf-8", "surrogateescape")))
    with pytest.raises(NotUnderstood) as error:
        Twuin(httpserver.url_for("")).site()
    assert "\n" not in str(error.value)


def test_a_refusal_that_is_no_problem_document_is_a_problem(
    httpserver: HTTPServer, waits: list[float]
) -> None:
    for body, kind in (
        ("<html>bad gateway</html>", "text/html"),
        ("[1]", "application/json"),
        ("{", "a/json"),
    ):
        httpserver.clear()
        answers(httpserver, "/api/v1/site", Response(body, 502, content_type=kind))
        with pytest.raises(Problem, match=r"502: .*not from Twuin"):
            Twuin(httpserver.url_for("")).site()


def test_a_list_that_never_ends_is_refused(httpserver: HTTPServer) -> None:
    answers(
        httpserver, "/api/v1/alerts", Response('{"items": [], "next": "a"}', content_type="application/json")
    )
    with pytest.raises(NotUnderstood, match="goes on with itself"):
        list(Twuin(httpserver.url_for("")).alerts())


def test_nobody_there_is_said_in_one_line(free_port: Callable[[], int], waits: list[float]) -> None:
    with pytest.raises(NoAnswer, match="refused") as error:
        Twuin(f"http://127.0.0.1:{free_port()}").site()
    assert len(waits) == 3 and "\n" not in str(error.value)
    with pytest.raises(NoAnswer):
        Twuin("http://nowhere.invalid", retries=0).site()


@pytest.fixture
def mute() -> Iterator[tuple[str, list[bytes]]]:
    """A server that says what it was given once, and then nothing, or goes away."""
    listener = socket.create_server(("127.0.0.1", 0))
    says: list[bytes] = []
    open_: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_.append(connection)
            if says:
                connection.recv(65536)
                connection.sendall(says[0])
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", says
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in open_:
        connection.close()
    thread.join(5)


def test_who_says_nothing_is_left(mute: tuple[str, list[bytes]]) -> None:
    with pytest.raises(NoAnswer, match=r"within 0\.2 s"):
        Twuin(mute[0], timeout_s=0.2, retries=0).site()


def test_half_a_file_is_no_file(mute: tuple[str, list[bytes]], tmp_path: Path) -> None:
    url, says = mute
    says.append(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ntime,s\r\n"
    )
    with pytest.raises(NoAnswer):
        Twuin(url, retries=0).export_series(tmp_path / "all.csv")
    assert not list(tmp_path.iterdir())
    says[0] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nSQLite"
    with pytest.raises(NoAnswer):
        Twuin(url, retries=0).export_geopackage(tmp_path / "all.gpkg")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_nothing(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/api/v1/export/geopackage").respond_with_data(b"x" * 300_000)
    code = (
        "import resource, sys\n"
        "from twuin.client import ClientError, Twuin\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    Twuin(sys.argv[1]).export_geopackage(sys.argv[2])\n"
        "except ClientError as e:\n    print(e)\n"
    )
    command = [sys.executable, "-c", code, httpserver.url_for(""), str(tmp_path / "town.gpkg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{tmp_path / 'town.gpkg'}: File too large"
    assert not list(tmp_path.iterdir())
