"""The event stream, over a real server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from twuin.alerts.service import AlertService
from twuin.api import events
from twuin.db import open_alert_store
from waterworks.series import Derived, derived

pytestmark = pytest.mark.servers
Event = dict[str, str]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, so that tests are short."""
    monkeypatch.setattr(events.Hub.__init__, "__kwdefaults__", {
        **events.Hub.__init__.__kwdefaults__, "poll_s": 0.05, "heartbeat_s": 0.3, "max_clients": 3,
    })  # fmt: skip


@pytest.fixture
def base(fast: None, app: FastAPI) -> Iterator[str]:
    """The application on a real server, which ends within two seconds however many streams are open."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/api/v1"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    event: Event = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif event:
            yield event
            event = {}


@pytest.fixture
def listen(base: str) -> Iterator[Callable[..., Iterator[Event]]]:
    """Opens a stream: listen(last_id=None) -> its events."""
    opened: list[Any] = []

    def start(last_id: str | None = None) -> Iterator[Event]:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        client = httpx2.Client(timeout=10)
        context = client.stream("GET", f"{base}/events", headers=headers)
        response = context.__enter__()
        opened.append((context, client))
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        return parsed(response.iter_lines())

    yield start
    for context, client in opened:
        context.__exit__(None, None, None)
        client.close()


def until(stream: Iterator[Event], name: str) -> Event:
    for event in stream:
        if event.get("event") == name:
            return event
    raise AssertionError(f"the stream ended before {name}")


def test_a_stream_begins_with_the_present(listen: Callable[..., Iterator[Event]]) -> None:
    stream = listen()
    assert next(stream) == {"retry": "2000"}
    first = next(stream)
    assert first["event"] == "watermark"
    assert json.loads(first["data"]) == {"now": "2026-03-10T03:00:00Z", "watermark": "2026-03-10T03:00:00Z"}
    assert first["id"] == "0"


def test_alerts_of_another_process_and_what_they_do_to_their_dma_are_told(
    listen: Callable[..., Iterator[Event]], small_town: Any, tmp_path: Any
) -> None:
    stream = listen()
    until(stream, "watermark")
    url = f"sqlite:///{tmp_path}/twuin.sqlite"
    elsewhere = AlertService("town", open_alert_store(url), small_town.clock)
    elsewhere.apply([small_town.leak()])
    told = json.loads(until(stream, "alert")["data"])
    assert (told["kind"], told["dma"], told["state"], told["version"]) == ("leak", "D1", "open", 1)
    dma = json.loads(until(stream, "dma")["data"])
    assert (dma["id"], dma["state"]) == ("D1", "leak")


def test_new_analysis_moves_the_watermark(listen: Callable[..., Iterator[Event]], small_town: Any) -> None:
    import numpy as np

    stream = listen()
    until(stream, "watermark")
    small_town.put(derived("D1", Derived.INFLOW), np.datetime64("2026-03-10T03:05", "us"), 0.05)
    assert json.loads(until(stream, "dma")["data"])["inflow_m3h"] == pytest.approx(180)
    assert json.loads(until(stream, "watermark")["data"])["watermark"] == "2026-03-10T03:05:00Z"


def test_a_quiet_stream_beats(listen: Callable[..., Iterator[Event]]) -> None:
    assert "now" in json.loads(until(listen(), "heartbeat")["data"])


def test_who_comes_back_gets_what_was_missed_and_nothing_twice(
    listen: Callable[..., Iterator[Event]], small_town: Any
) -> None:
    t = small_town
    t.alerts.apply([t.leak()])
    stream = listen("0")
    seen = until(stream, "alert")
    assert until(stream, "watermark")["id"] == seen["id"]
    t.alerts.apply([t.leak(), t.leak("D2")])
    back = listen(seen["id"])
    missed = []
    for event in back:
        if event.get("event") == "alert":
            missed.append(json.loads(event["data"])["dma"])
        elif event.get("event") == "watermark":
            break
    assert missed == ["D2"]


@pytest.mark.parametrize("last_id", ["999999999", "-1", "x", "9" * 500])
def test_a_made_up_last_id_begins_at_the_present(
    listen: Callable[..., Iterator[Event]], small_town: Any, last_id: str
) -> None:
    small_town.alerts.apply([small_town.leak()])
    stream = listen(last_id)
    next(stream)
    first = next(stream)
    assert (first["event"], first["id"]) == ("watermark", "1")


def test_too_many_streams_are_turned_away_and_places_become_free(
    base: str, listen: Callable[..., Iterator[Event]]
) -> None:
    streams = [listen() for _ in range(3)]
    for stream in streams:
        until(stream, "watermark")
    with httpx2.Client() as client:
        answer = client.get(f"{base}/events")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"


def test_a_client_that_leaves_makes_room(base: str) -> None:
    for _ in range(8):
        for _attempt in range(100):
            with httpx2.Client(timeout=10) as client, client.stream("GET", f"{base}/events") as response:
                if response.status_code == 200:
                    next(response.iter_lines())
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("no place became free")


def test_the_end_of_the_program_ends_the_streams(
    listen: Callable[..., Iterator[Event]], stopping: threading.Event
) -> None:
    stream = listen()
    until(stream, "watermark")
    stopping.set()
    assert all(e.get("event") != "alert" for e in stream)  # ends: no timeout of the client


def test_a_burst_reaches_every_client_in_order(
    listen: Callable[..., Iterator[Event]], small_town: Any
) -> None:
    t = small_town
    streams = [listen(), listen()]
    for stream in streams:
        until(stream, "watermark")
    t.alerts.apply([replace(t.leak(), subject=f"S{i:03}") for i in range(60)])
    for stream in streams:
        got = [json.loads(until(stream, "alert")["data"])["subject"] for _ in range(60)]
        assert got == [f"S{i:03}" for i in range(60)]
