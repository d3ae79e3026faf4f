"""Every service of docker-compose.yml starts, is healthy and ends, as plain processes of Debian's packages.

Two are stood in for, as no package has them: InfluxDB 2.x by Debian's 1.6, so that organisation, tokens and
DBRP mappings are not tried here (tests/contract/test_influx2.py does where there is one); and Grafana, of
which only what it is given is looked at.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer

pytestmark = pytest.mark.servers

PATIENCE_S = 900.0


def wait(ask: Callable[[], Any], what: str) -> Any:
    give_up = time.monotonic() + PATIENCE_S
    while not (found := ask()):
        assert time.monotonic() < give_up, what
        time.sleep(0.3)
    return found


def get(url: str, token: str = "", context: ssl.SSLContext | None = None) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        return json.load(answer)


def broker(world: Any, root: Path) -> None:
    """Mosquitto's configuration with the test's port, where it has one."""
    own = world.folder / "mosquitto"
    shutil.copytree(root / "deploy" / "mosquitto", own)
    conf = (own / "mosquitto.conf").read_text()
    assert conf.count("listener 8883\n") == 1
    conf = conf.replace("listener 8883\n", f"listener {world.port('8883')} 127.0.0.1\n")
    if os.geteuid() == 0:
        conf += "user root\n"  # as root it becomes a user who may not read the test's folder
    (own / "mosquitto.conf").write_text(conf)
    world.replaced(root / "deploy" / "mosquitto", own)
    check = world.place("broker") / "health" / "mosquitto_sub"
    check.write_text(check.read_text().replace("-p 8883", f"-p {world.port('8883')}"))


@pytest.fixture
def database(world: Any) -> Iterator[Callable[[], Any]]:
    """Starts PostgreSQL as its image does: initdb with what the environment says, then the command."""
    home = Path(tempfile.mkdtemp(prefix="twuin-pg-"))
    whom: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        whom = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def start() -> Any:
        container = world["postgres"]
        said = container.environment
        password = home / "password"
        shutil.copy(said["POSTGRES_PASSWORD_FILE"], password)
        if whom:
            os.chown(password, whom["user"], whom["group"])
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        data = home / "data"
        made = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            said["POSTGRES_USER"],
            f"--pwfile={password}",
            "--no-sync",
        ]
        options = [*said["POSTGRES_INITDB_ARGS"].split(), "--auth-local=trust"]
        done = subprocess.run([*made, *options], capture_output=True, text=True, cwd=home, **whom)
        assert done.returncode == 0, done.stderr
        name, *arguments = container.command
        port = str(world.port("5432"))
        own = [
            f"--port={port}",
            "--listen_addresses=127.0.0.1",
            f"--unix_socket_directories={home}",
            "-D",
            data,
        ]
        container.start([str(binaries / name), *arguments, *map(str, own)], **whom)
        user = ["-h", str(home), "-p", port, "-U", said["POSTGRES_USER"]]
        wait(
            lambda: not subprocess.run([binaries / "pg_isready", *user], capture_output=True).returncode,
            "PostgreSQL does not answer",
        )
        subprocess.run([binaries / "createdb", *user, said["POSTGRES_DB"]], check=True)
        return container.healthy()

    yield start
    world["postgres"].stop()
    shutil.rmtree(home, ignore_errors=True)


INFLUXDB_CONF = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


def influxdb(world: Any, program: Callable[[str], str], free_port: Callable[[], int]) -> None:
    """InfluxDB 1.6 in the place of 2.x."""
    folder = world.place("influxdb")
    conf = folder / "influxdb.conf"
    conf.write_text(INFLUXDB_CONF.format(folder=folder, port=world.port("8086"), rpc=free_port()))
    assert world["influxdb"].command[0] == "influxd"
    world["influxdb"].start([program("influxd"), "-config", str(conf)]).healthy()


def token_of(world: Any, service: str) -> str:
    """A token for the API, made as an administrator would in that service's container."""
    container = world[service]
    rights = ["--right", "see", "--right", "intake"]
    command = ["twuin", "token", "add", "admin", "--for", "test", *rights]
    done = subprocess.run(command, env=container.environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


CODE = re.compile(r"one-time code (\S+) ")


def test_everything_runs_apart_with_servers_of_its_own(
    world: Any,
    root: Path,
    database: Callable[[], Any],
    program: Callable[[str], str],
    free_port: Callable[[], int],
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/v1/traces", method="POST").respond_with_data(b"")
    world.read(
        TWUIN_CLOCK="data",
        TWUIN_LOG_FORMAT="json",
        TWUIN_TRACES_URL=httpserver.url_for("/v1/traces"),
        TWUIN_DEMO_HISTORY="2026-01-24T20:00:00+07:00",
        TWUIN_DEMO_HISTORY_DAYS="9",
        TWUIN_DEMO_START="2026-02-02T20:00:00+07:00",
        TWUIN_DEMO_SPEED="3600",
    )
    world["broker-setup"].run()
    world["secrets"].run()
    secrets = {p: p.read_text() for p in world.folder.glob("volumes/secret-*/*")}
    assert len(secrets) == 4 == len(set(secrets.values()))
    assert all(len(s) == 41 and not p.stat().st_mode & 0o007 for p, s in secrets.items())
    world["secrets"].run()  # as at the next start
    assert secrets == {p: p.read_text() for p in secrets}

    broker(world, root)
    world["mosquitto"].start().healthy()
    database()
    influxdb(world, program, free_port)
    world.instead["TWUIN_STORE__VERSION"] = "1"
    said = world["prepare"].run()
    assert len(CODE.findall(said)) == 1 and "InfluxDB 1.6" in said and "has no tokens" in said
    assert not CODE.search(world["prepare"].run())
    for name, file in (("store", "token"), ("grafana", "influxdb-token")):  # as InfluxDB 2.x gives them
        (world.place(f"secret-{name}") / file).write_text(f"{name}-t0ken\n")

    for name in ("ingest", "monitor", "web"):
        world[name].start()
    for name in ("ingest", "monitor", "web"):
        world[name].healthy()
    token = token_of(world, "web")
    api = f"http://127.0.0.1:{world.port('8080')}/api/v1"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{api}/site")
    parts = get(f"{api}/health", token)["parts"]
    assert {"store", "alerts", "ingest", "spool", "monitor"} <= parts.keys()
    assert all(part["status"] == "ok" for part in parts.values()), parts

    world["devices"].run()
    world["devices"].run()  # they keep their identities
    world["simulator"].start()
    stats = wait(
        lambda: (s := get(f"{api}/ingest/stats", token))["readings_stored"] and s, "nothing was stored"
    )
    assert stats["running"] and stats["connected"]
    mark = wait(lambda: get(f"{api}/site", token)["watermark"], "nothing was analysed")
    wait(lambda: get(f"{api}/site", token)["watermark"] > mark, "the analysis stands still")

    tls(world, root, program, free_port)
    grafana(world)

    # The burst of the scenario, found by one process, told by another.
    found = wait(lambda: get(f"{api}/alerts?kind=leak", token)["items"], "no leak was found")
    assert found[0]["onset"] > "2026-02-02T13:00"

    # What one process says, the pages of another tell: a monitor that is stopped, or dies.
    assert world["monitor"].stop() == 0
    told = wait(
        lambda: (p := get(f"{api}/health", token)["parts"]["monitor"])["status"] == "down" and p, "untold"
    )
    assert "was stopped" in told["detail"]
    assert world["monitor"].check().returncode
    assert not world["web"].check().returncode
    for name in ("simulator", "ingest", "web"):
        assert world[name].stop() == 0, world[name].log.read_text()[-2000:]
    logs_and_traces(world, httpserver)


def logs_and_traces(world: Any, collector: HTTPServer) -> None:
    """Every line of a log is an object; a collector was told of each process's work."""
    for name in ("ingest", "monitor", "web"):
        lines = [json.loads(line) for line in world[name].log.read_text().splitlines()]
        assert lines and all({"time", "level", "part", "message"} <= line.keys() for line in lines)
    traced: dict[str, set[str]] = {}
    for request, _ in collector.log:
        for sent in ExportTraceServiceRequest.FromString(request.get_data()).resource_spans:
            about = {a.key: a.value.string_value for a in sent.resource.attributes}
            names = traced.setdefault(about["service.name"], set())
            names |= {span.name for scope in sent.scope_spans for span in scope.spans}
    assert traced["twuin-ingest-main"] >= {"ingest.messages", "ingest.decode", "influxdb.write"}
    assert traced["twuin-monitor"] >= {"monitor.step", "influxdb.query"}
    assert traced["twuin-web"] >= {"GET /api/v1/ingest/stats", "influxdb.query"}


def tls(world: Any, root: Path, program: Callable[[str], str], free_port: Callable[[], int]) -> None:
    """Debian's Caddy before the pages, with a certificate of its own authority."""
    own = world.folder / "Caddyfile"
    text = (root / "deploy" / "proxy" / "Caddyfile").read_text()
    assert text.count("localhost:2019\n") == 1
    text = text.replace("localhost:2019\n", f"localhost:{world.port('2019')}\n\thttp_port {free_port()}\n")
    own.write_text(text)
    world.replaced(root / "deploy" / "proxy" / "Caddyfile", own)
    program("caddy")
    port = free_port()
    world.instead |= {
        "TWUIN_DOMAIN": f"https://localhost:{port}",
        "TWUIN_TLS": "tls internal",
        "TWUIN_UPSTREAM": f"127.0.0.1:{world.port('8080')}",
        "XDG_DATA_HOME": str(world.place("proxy")),
        "XDG_CONFIG_HOME": str(world.place("proxy-config")),
    }
    container = world["proxy"]
    container.said["volumes"] = [v for v in container.said["volumes"] if "Caddyfile" in v]
    container.said["command"] = [
        a.replace("/etc/caddy/Caddyfile", str(own)) for a in container.said["command"]
    ]
    container.start().healthy()
    ca = wait(lambda: next(world.place("proxy").rglob("root.crt"), None), "Caddy made no authority")
    context = ssl.create_default_context(cafile=str(ca))

    def answer() -> Any:
        with suppress(urllib.error.URLError):  # healthy a moment before it has its certificate
            return get(f"https://localhost:{port}/api/v1/health/live", context=context)
        return None

    assert wait(answer, "no answer by TLS") == {"status": "ok"}
    world.instead = {k: v for k, v in world.instead.items() if k.startswith("TWUIN_STORE")}
    assert container.stop() == 0


def grafana(world: Any) -> None:
    """What Grafana is given: files that it can read, and the token of its data source in its environment."""
    world["grafana-setup"].run()
    files = world.place("grafana-files")
    sources = yaml.safe_load((files / "provisioning" / "datasources" / "twuin.yaml").read_text())[
        "datasources"
    ]
    assert {s["url"] for s in sources} == {f"http://127.0.0.1:{world.port('8086')}"}
    providers = yaml.safe_load((files / "provisioning" / "dashboards" / "twuin.yaml").read_text())[
        "providers"
    ]
    inside = world["grafana"].said["environment"]["GF_PATHS_PROVISIONING"].removesuffix("/provisioning")
    for provider in providers:
        shown = files / Path(provider["options"]["path"]).relative_to(inside)
        boards = [json.loads(p.read_text()) for p in shown.glob("*.json")]
        assert boards and all(b["panels"] for b in boards)
    stand_in = world.folder / "run.sh"
    stand_in.write_text('#!/bin/sh\nprintf %s "$TWUIN_INFLUX_TOKEN"\n')
    stand_in.chmod(0o755)
    container = world["grafana"]
    *shell, script = container.command
    script = script.replace("$$", "$")
    assert script.endswith("exec /run.sh")
    said = subprocess.run(
        [*shell, script.replace("/run.sh", str(stand_in))],
        env=container.environment,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "grafana-t0ken", said.stderr
    environment = container.environment
    assert Path(environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text().strip()


def test_the_smallest_installation_is_one_process_and_a_broker(world: Any, root: Path) -> None:
    world.read()
    world["broker-setup"].run()
    broker(world, root)
    world["mosquitto"].start().healthy()
    assert len(CODE.findall(world["prepare-minimal"].run())) == 1
    world["twuin"].start().healthy()
    token = token_of(world, "twuin")
    api = f"http://127.0.0.1:{world.port('8080')}/api/v1"
    parts = wait(
        lambda: (p := get(f"{api}/health", token)["parts"])["ingest"]["status"] == "ok" and p, "no connection"
    )
    assert all(part["status"] == "ok" for part in parts.values()), parts
    # A second one over the same data folder is refused by name.
    said = world["twuin"].run(expect=1)
    assert "already runs as 'monitor'" in said
    assert world["twuin"].check().returncode == 0
