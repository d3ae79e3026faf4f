"""`twuin sites web` sends traces as any other process does: each request says whose it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import tomli_w
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer

from tests.unit.sites.conftest import first_account, installation, write_settings, write_site
from twuin.sites.installation import load_member


def asked(port: int, host: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/health/live", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return 0


def test_each_request_says_whose_it_was(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/traces", method="POST").respond_with_data(b"")
    for name in ("kota", "desa"):
        write_site(tmp_path / "folders" / name, name, name)
        write_settings(tmp_path, name)
        member = load_member(installation(tmp_path), name)
        first_account(member.settings, member.site)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    said = {
        **{folder: str(tmp_path / folder) for folder in ("sites", "data", "secrets")},
        "web": {"port": port},
        "traces": {"url": httpserver.url_for("/v1/traces")},
    }
    file = tmp_path / "installation.toml"
    file.write_text(tomli_w.dumps(said))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TWUIN_")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "twuin", "--installation", str(file), "sites", "web"],
            stdout=log, stderr=log, env=clean,
        )  # fmt: skip
    try:
        end = time.monotonic() + 300
        for name in ("kota", "desa"):
            while asked(port, f"{name}.water.example") != 200:
                assert process.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    whose = set()
    for request, _ in httpserver.log:
        for resource in ExportTraceServiceRequest.FromString(request.get_data()).resource_spans:
            about = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert about["service.name"] == "twuin-sites" and "twuin.site" not in about
            for span in (s for scope in resource.scope_spans for s in scope.spans):
                told = {a.key: a.value.string_value for a in span.attributes}
                whose.add((span.name, told["twuin.site"]))
    assert whose == {("GET /api/v1/health/live", name) for name in ("kota", "desa")}
