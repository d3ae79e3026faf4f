"""Traces by OpenTelemetry: what arrives at a collector, and what never leaves."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pytest_httpserver import HTTPServer

from twuin.settings import load
from twuin.traces import traces
from waterworks.errors import SettingsError

WORK = """
    import sys
    from contextlib import closing
    from pathlib import Path
    from fastapi.testclient import TestClient
    from opentelemetry import trace
    from firmware_sim.town import demo_site_folder
    from twuin.access import AccountAccess
    from twuin.app import build, open_accounts, open_notify, web_app
    from twuin.settings import load
    from twuin.traces import traces
    from twuin.views.views import Views

    url, headers, share, folder = sys.argv[1:]
    sent = {"url": url, "headers_file": headers or None, "share": share}
    settings = load(None, {"site": demo_site_folder(), "data_dir": Path(folder), "traces": sent})

    def fails(*_: object) -> object:
        with trace.get_tracer("test").start_as_current_span("inner"):
            raise RuntimeError("secret words")

    with closing(build(settings)) as parts:
        open_notify(parts)
        app = web_app(parts, AccountAccess(open_accounts(settings, parts.site, parts.database)))
        Views.health = fails
        with traces(settings.traces, "web", parts.site.id):
            client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
            parent = {"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
            assert client.get("/a/s3cret?of=crew", headers=parent).status_code < 500
            assert client.get("/nowhere/at/all").status_code in (401, 404)
            assert client.get("/api/v1/health").status_code == 500
    print("ended")
"""


def work(folder: Path, url: str, headers: Path | str = "", share: float = 1) -> None:
    """Some requests in a process of their own: a process has one place where its traces go."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WORK), url, str(headers), str(share), str(folder / "data")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "ended\n", done.stderr


def collected(httpserver: HTTPServer) -> tuple[list[Span], list[dict[str, str]], str]:
    """Spans, what each request says of its process, and all that was sent, as text."""
    spans, about, text = [], [], ""
    for request, _ in httpserver.log:
        sent = ExportTraceServiceRequest.FromString(request.get_data())
        text += str(sent) + str(request.headers)
        for resource in sent.resource_spans:
            about.append({a.key: a.value.string_value for a in resource.resource.attributes})
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    return spans, about, text


def test_requests_arrive_by_route_with_what_they_caused_and_without_addresses(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer of-the-collector\n\n", encoding="utf-8")
    httpserver.expect_request(
        "/v1/traces", method="POST", headers={"Authorization": "Bearer of-the-collector"}
    ).respond_with_data(b"", content_type="application/x-protobuf")
    work(tmp_path, httpserver.url_for("/v1/traces"), headers)
    httpserver.check()
    spans, about, text = collected(httpserver)
    named = {span.name: span for span in spans}
    assert set(named) == {"GET /a/{token}", "GET other", "GET /api/v1/health", "inner"}
    asked, failed = named["GET /a/{token}"], named["GET /api/v1/health"]
    assert asked.trace_id.hex() == "0123456789abcdef0123456789abcdef"  # goes on where who asked began
    assert asked.parent_span_id.hex() == "0123456789abcdef"
    assert named["inner"].parent_span_id == failed.span_id
    assert failed.status.code == Status.STATUS_CODE_ERROR
    answered = {a.key: a.value.int_value for a in failed.attributes}
    assert answered["http.response.status_code"] == 500
    assert {(a["service.name"], a["twuin.site"]) for a in about} == {("twuin-web", "kota-wening")}
    for secret in ("s3cret", "of=crew", "nowhere"):
        assert secret not in text


def test_a_share_of_nothing_sends_nothing(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/v1/traces").respond_with_data(b"")
    work(tmp_path, httpserver.url_for("/v1/traces"), share=0)
    assert not httpserver.log


def test_a_collector_that_is_away_stops_nothing(tmp_path: Path) -> None:
    work(tmp_path, "http://127.0.0.1:9/v1/traces")


def test_without_a_collector_nothing_is_set_up() -> None:
    with traces(load().traces, "web", "malang"):
        pass
    assert (
        "opentelemetry.sdk.trace"
        not in subprocess.run(
            [sys.executable, "-c", "import twuin.app, sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


@pytest.mark.parametrize("text", ["Authorization\n", ": x\n", "A: b\nC:\n"])
def test_headers_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "headers"
    path.write_text(text, encoding="utf-8")
    settings = load(None, {"traces": {"url": "http://127.0.0.1:9", "headers_file": path}})
    with (
        pytest.raises(SettingsError, match=r"headers line \d is no header: write NAME: VALUE"),
        traces(settings.traces, "web", "malang"),
    ):
        pass


def test_a_file_of_headers_that_is_away_is_named(tmp_path: Path) -> None:
    settings = load(None, {"traces": {"url": "http://127.0.0.1:9", "headers_file": tmp_path / "no"}})
    with (
        pytest.raises(SettingsError, match=r"traces\.headers_file: .*no cannot be read"),
        traces(settings.traces, "web", "malang"),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["collector:4318", "http://user:word@collector/v1/traces", "ftp://collector", "http://"]
)
def test_what_is_no_address_of_a_collector_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"traces\.url.*give an address such as http://127"):
        load(None, {"traces": {"url": url}})
