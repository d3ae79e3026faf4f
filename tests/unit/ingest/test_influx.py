"""The store on InfluxDB beyond the contract: what goes wrong, what is merged, what is told to others."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.store.influx import journal as journal_module
from ingest.store.influx import store as store_module
from ingest.store.influx.access import Access
from ingest.store.influx.journal import _texts
from ingest.store.influx.lines import Lines
from ingest.store.influx.schema import COLUMNS, JOURNAL, Schema
from ingest.store.influx.server import JOURNAL_POLICY, Server
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreError, StoreUnavailable
from waterworks.reading import ReadingBatch
from waterworks.series import Derived, derived
from waterworks.site import Role, Sensor, Site
from waterworks.units import Quantity

T0 = np.datetime64("2026-03-01", "us")
SECOND = np.timedelta64(1, "s")
FAR = T0 + np.timedelta64(3650, "D")


def site(*sensors: Sensor) -> Site:
    return Site("town", "Town", ZoneInfo("UTC"), (), sensors, Path())


def flow(name: str, dma: str = "D1", role: Role = Role.INLET) -> Sensor:
    return Sensor(name, Quantity.FLOW, "m3/h", dma, "device", role)


def batch(name: str, *seconds: int, value: float = 1.0, received: int = 0) -> ReadingBatch:
    times = T0 + np.array(seconds, np.int64) * SECOND
    return ReadingBatch.of([name] * len(times), times, [value] * len(times), received=T0 + received * SECOND)


Open = Callable[..., InfluxStore]


@pytest.fixture
def open_at() -> Iterator[Open]:
    opened: list[InfluxStore] = []

    def opener(access: Access, of: Site | None = None) -> InfluxStore:
        opened.append(InfluxStore(access, of or site(flow("a"), flow("b"))))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def access(influxdb: Any) -> Access:
    return Access(influxdb.url, f"t{uuid.uuid4().hex}", version=1)


class TestLines:
    def test_a_line_holds_tags_si_value_quality_and_times(self) -> None:
        lines = Lines(Schema(site(flow("in 1"), Sensor("p", Quantity.PRESSURE, "bar", "", "d"))))
        readings = ReadingBatch.of(
            ["in 1", "p", derived("D1", Derived.EXPECTED), derived("D1", Derived.CUSUM), "else"],
            [T0] * 5,
            [0.1, 30.0, 0.2, 0.5, 7.0],
            received=T0 + SECOND,
            quality=[0, 2, 0, 0, 0],
        )
        end = "received=1772323201000000i 1772323200000000"
        assert lines.of(readings).decode().splitlines() == [
            f"flow,dma=D1,kind=inlet,sensor=in\\ 1,site=town flow_m3s=0.1,quality=0i,{end}",
            f"pressure,kind=monitor,sensor=p,site=town pressure_m=30,quality=2i,{end}",
            f"derived,dma=D1,kind=expected,sensor=dma:D1:expected,site=town flow_m3s=0.2,quality=0i,{end}",
            f"derived,dma=D1,kind=cusum,sensor=dma:D1:cusum,site=town share_1=0.5,quality=0i,{end}",
            f"reading,sensor=else,site=town value=7,quality=0i,{end}",
        ]

    def test_every_quantity_has_a_measurement_with_its_unit_in_the_field(self) -> None:
        fields = {column.measurement: column.field for column in COLUMNS}
        assert {q.value for q in Quantity} <= set(fields)
        assert (fields["flow"], fields["pressure"], fields["level"]) == ("flow_m3s", "pressure_m", "level_m")
        assert len({(c.measurement, c.field) for c in COLUMNS}) == len(COLUMNS)


@pytest.mark.servers
class TestMovedSensors:
    def test_a_sensor_moved_to_another_dma_stays_one_series(self, open_at: Open, access: Access) -> None:
        open_at(access, site(flow("a", "D1"))).append(batch("a", 0, 60, value=1.0, received=60))
        moved = open_at(access, site(flow("a", "D2", Role.MONITOR)))
        moved.append(batch("a", 60, 120, value=2.0, received=120))
        window = moved.window(["a"], T0, FAR)
        assert window.values[:, 0].tolist() == [1.0, 2.0, 2.0]
        assert moved.window(["a"], T0, FAR, step=np.timedelta64(1, "h")).values[0, 0] == pytest.approx(5 / 3)
        assert moved.latest()["a"].value == 2.0
        assert moved.names() == ["a"]

    def test_a_sensor_that_left_the_site_is_still_read(self, open_at: Open, access: Access) -> None:
        open_at(access, site(flow("a"))).append(batch("a", 0, 60))
        later = open_at(access, site(flow("b")))
        assert later.names() == ["a"]
        assert later.window(["a"], T0, FAR).values.tolist() == [[1.0], [1.0]]
        assert later.extent() == (T0, T0 + 60 * SECOND)

    def test_sites_in_one_database_do_not_see_each_other(self, open_at: Open, access: Access) -> None:
        here, there = open_at(access), open_at(access, replace(site(flow("a")), id="village"))
        here.append(batch("a", 0))
        assert there.names() == [] and there.changes(0).spans == {}
        assert len(there.window(["a"], T0, FAR).times) == 0


@pytest.mark.servers
class TestManyReadings:
    def test_a_batch_of_several_requests_comes_back_whole(
        self, open_at: Open, access: Access, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "CHUNK", 1000)
        monkeypatch.setattr(store_module, "ROWS_A_QUESTION", 3000)
        names = tuple(f"s{k}" for k in range(7))
        rows = np.arange(7 * 1500)
        time_ = T0 + (rows // 7) * 60 * SECOND
        values = np.random.default_rng(1).normal(size=len(rows))
        store = open_at(access)
        store.append(ReadingBatch.columns(names, rows % 7, time_, values, received=T0))
        window = store.window(names, T0, FAR)
        assert window.values.tobytes() == values.reshape(1500, 7).tobytes()
        spans = dict.fromkeys(names, (T0, T0 + 1499 * 60 * SECOND))
        assert store.changes(0).spans == spans

    def test_journal_entries_stay_below_what_a_field_may_hold(self) -> None:
        spans = {f"{'水' * 300}{k}": (k % 7, k % 7 + 1) for k in range(3000)}
        spans |= {f"s{k}": (k, k + 1) for k in range(5000)}
        texts = list(_texts(spans))
        assert max(len(text.encode()) for text in texts) < 32_000
        read = [entry for text in texts for entry in journal_module._read(text)]
        assert {name: (first, last) for first, last, names in read for name in names} == spans


@pytest.mark.servers
class TestJournal:
    def test_an_entry_that_lands_late_is_told_to_each_reader_once(
        self, open_at: Open, access: Access
    ) -> None:
        store, other = open_at(access), open_at(access)
        store.append(batch("a", 0))
        store.append(batch("a", 60))
        mine, others = store.changes(0).cursor, other.changes(0).cursor
        server = Server(access)
        came, at = mine - 20_000_000, int(T0.astype(np.int64)) + 5_000_000
        spans = f'"[[{at},{at},[\\"b\\"]]]"'
        server.write(
            f"{JOURNAL},part=0,site=town,writer=slow spans={spans},size=9i {came}".encode(), JOURNAL_POLICY
        )
        server.close()
        span = {"b": (T0 + 5 * SECOND, T0 + 5 * SECOND)}
        first = store.changes(mine)
        assert first.spans == span
        assert first.cursor > mine
        assert store.changes(first.cursor).spans == {}
        assert store.changes(mine).spans == span  # another reader of this process, at the old cursor
        assert other.changes(others).spans == span

    def test_writers_side_by_side_miss_nothing(self, open_at: Open, access: Access) -> None:
        reader = open_at(access)
        writers = [open_at(access) for _ in range(3)]
        rounds = 25

        def write(k: int) -> None:
            for n in range(rounds):
                writers[k].append(batch(f"w{k}", n * 10))

        threads = [threading.Thread(target=write, args=(k,)) for k in range(3)]
        cursor = reader.changes(0).cursor
        seen: dict[str, set[int]] = {f"w{k}": set() for k in range(3)}
        for thread in threads:
            thread.start()
        while True:
            going = any(thread.is_alive() for thread in threads)
            found = reader.changes(cursor)
            cursor = found.cursor
            for name, (low, high) in found.spans.items():
                seen[name] |= set(range(int((low - T0) / SECOND) // 10, int((high - T0) / SECOND) // 10 + 1))
            if not going:
                break
        assert seen == {f"w{k}": set(range(rounds)) for k in range(3)}

    def test_a_cursor_from_before_what_is_kept_shows_all(self, open_at: Open, access: Access) -> None:
        store = open_at(access)
        store.append(batch("a", 0, 60))
        cursor = store.changes(0).cursor
        assert store.changes(cursor - 7 * 86_400 * 1_000_000).spans == {"a": (T0, T0 + 60 * SECOND)}

    def test_what_another_process_stored_shows_in_latest(self, open_at: Open, access: Access) -> None:
        here, there = open_at(access), open_at(access)
        assert here.latest() == {}
        there.append(batch("a", 0, value=1.0))
        assert here.latest()["a"].value == 1.0
        there.append(batch("a", 60, value=2.0))
        there.append(batch("b", 30, value=3.0))
        there.append(batch("a", 30, value=9.0))
        assert {n: r.value for n, r in here.latest().items()} == {"a": 2.0, "b": 3.0}
        there.append(batch("a", -60, value=9.0))
        assert here.extent(["a"]) == (T0 - 60 * SECOND, T0 + 60 * SECOND)


@pytest.mark.servers
class TestWhatGoesWrong:
    def test_a_server_that_is_away_is_unavailable_until_it_comes(
        self, open_at: Open, new_influxdb: Any, tmp_path: Path
    ) -> None:
        server = new_influxdb(tmp_path)
        server.end()
        store = open_at(Access(server.url, "twuin", version=1, timeout_s=5))
        for ask in (lambda: store.append(batch("a", 0)), lambda: store.extent([]), store.names):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                ask()
        server.start()
        assert store.append(batch("a", 0)).stored == 1
        server.end()
        with pytest.raises(StoreUnavailable):
            store.append(batch("a", 60))
        server.start()
        assert store.append(batch("a", 60)).stored == 1
        assert len(store.window(["a"], T0, FAR).times) == 2
        server.end()

    def test_a_server_that_says_nothing_is_unavailable_after_the_timeout(self, open_at: Open) -> None:
        with answering(b"", wait=3.0) as url:
            store = open_at(Access(url, "twuin", version=1, timeout_s=0.3))
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                store.append(batch("a", 0))
            assert time.monotonic() - began < 3.0

    @pytest.mark.parametrize(
        ("status", "kind", "said"),
        [
            (500, StoreUnavailable, "engine trouble"),
            (503, StoreUnavailable, "engine trouble"),
            (429, StoreUnavailable, "engine trouble"),
            (400, StoreError, "engine trouble"),
            (401, StoreError, "check store.username and password"),
            (403, StoreError, "check store.username and password"),
            (404, StoreError, "is there a database 'twuin'"),
            (413, StoreError, "engine trouble"),
        ],
    )
    def test_each_status_says_whether_asking_again_may_help(
        self, status: int, kind: type[Exception], said: str
    ) -> None:
        with answering(b'{"error": "engine trouble"}', status=status) as url:
            server = Server(Access(url, "twuin", version=1))
            with pytest.raises(kind, match=said):
                server.write(b"flow x=1 1\n")
            with pytest.raises(kind, match=said):
                server.ask("SELECT 1")
            server.close()

    def test_something_else_than_an_influxdb_is_refused(self, open_at: Open) -> None:
        with (
            answering(b"<html>hello</html>") as url,
            pytest.raises(StoreError, match="something else than InfluxDB"),
        ):
            open_at(Access(url, "twuin", version=1)).names()

    def test_a_server_is_believed_by_its_certificate_alone(
        self, program: Callable[[str], str], tmp_path: Path
    ) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext subjectAltName=IP:127.0.0.1"
        subprocess.run(
            [program("openssl"), *make.split(), "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        with answering(b'{"results": []}', certificate=(certificate, key)) as url:
            for ca_file in (None, certificate):
                server = Server(Access(url, "twuin", version=1, ca_file=ca_file))
                if ca_file is None:
                    with pytest.raises(StoreError, match="cannot be trusted"):
                        server.ask("SELECT 1")
                else:
                    assert server.ask("SELECT 1") == []
                server.close()

    @pytest.mark.parametrize("version", [1, 2])
    def test_an_influxdb_3_is_refused_by_name(self, open_at: Open, version: Literal[1, 2]) -> None:
        with answering(b"{}", version="3.9.0") as url, pytest.raises(StoreError, match="is an InfluxDB 3"):
            open_at(Access(url, "twuin", version=version, org="o", token="t")).names()

    def test_an_influxdb_1_that_is_called_one_of_2_is_named(self, open_at: Open, access: Access) -> None:
        if access.version != 1:
            pytest.skip("needs an InfluxDB 1.x")
        with pytest.raises(StoreError, match=r'is an InfluxDB 1\.\S+: set store\.version = "1"'):
            open_at(replace(access, version=2, org="o", token="t")).names()

    def test_a_wrong_password_and_missing_rights_are_named(
        self, open_at: Open, new_influxdb: Any, tmp_path: Path
    ) -> None:
        server = new_influxdb(tmp_path, auth=True)
        admin = Access(server.url, "twuin", version=1, username="root", password="p, ä")
        first = Server(replace(admin, username="", password=""))
        first.ask("CREATE USER root WITH PASSWORD 'p, ä' WITH ALL PRIVILEGES")
        first.close()
        with pytest.raises(StoreError, match=r"check store\.username and password"):
            open_at(replace(admin, password="wrong")).names()
        boss = Server(admin)
        boss.ask("CREATE USER twuin WITH PASSWORD 'x'")
        mine = replace(admin, username="twuin", password="x")
        mine = replace(mine, downsample=True)
        with pytest.raises(StoreError, match="let an administrator run: CREATE DATABASE") as refused:
            open_at(mine).names()
        said = str(refused.value)  # one line with all that is to be run
        for statement in said[said.index("CREATE") : said.index(" (InfluxDB")].split("; "):
            boss.ask(statement)
        boss.close()
        store = open_at(mine)
        assert store.prepare() == []
        assert store.append(batch("a", 0)).stored == 1
        assert store.names() == ["a"]
        server.end()

    def test_a_database_that_vanished_is_made_again(self, open_at: Open, access: Access) -> None:
        store = open_at(access)
        store.append(batch("a", 0))
        boss = Server(access)
        boss.ask(f'DROP DATABASE "{access.database}"')
        boss.close()
        with pytest.raises(StoreError):
            store.append(batch("a", 0))
        assert store.append(batch("a", 0)).stored == 1

    def test_readings_older_than_what_is_kept_are_counted_not_stored(
        self, open_at: Open, access: Access
    ) -> None:
        store = open_at(replace(access, retention_days=30))
        now = np.datetime64("now", "us")
        old = now - np.timedelta64(60, "D")
        rows = ReadingBatch.of(["a", "a", "b"], [old, now, old], [1.0, 2.0, 3.0], received=now)
        store.append(ReadingBatch.of(["b"], [now], [0.0], received=now))
        cursor = store.changes(0).cursor
        done = store.append(rows)
        assert (done.stored, done.expired) == (1, 2)
        assert store.window(["a"], old, now + SECOND).values.tolist() == [[2.0]]
        assert store.changes(cursor).spans["a"][1] == now
        assert store.extent() == (now, now)
        only_old = store.append(rows.take([0, 2]))
        assert (only_old.stored, only_old.expired) == (0, 2)

    def test_a_field_of_another_type_is_refused_by_name(self, open_at: Open, access: Access) -> None:
        store = open_at(access)
        store.prepare()
        server = Server(access)
        server.write(f"flow,sensor=x flow_m3s=true {T0.astype(int)}\n".encode())
        server.close()
        with pytest.raises(StoreError, match=r"conflict.*flow_m3s|flow_m3s.*conflict"):
            store.append(batch("a", 0))

    def test_a_server_that_takes_less_at_a_time_gets_less_at_a_time(self) -> None:
        with answering(b'{"error": "too large"}', status=413, limit=300) as url:
            server = Server(Access(url, "twuin", version=1))
            lines = Lines(Schema(site(flow("a")))).of(batch("a", *range(50)))
            assert server.write(lines) == 0
            server.close()
            assert sorted(b"".join(Answering.taken).splitlines()) == sorted(lines.splitlines())

    def test_a_question_that_fails_is_not_an_empty_answer(self, open_at: Open, access: Access) -> None:
        store = open_at(access)
        store.append(batch("a", 0))
        server = Server(access)
        assert server.csv('SELECT "flow_m3s" FROM "flow"') != b""
        assert server.csv('SELECT "flow_m3s" FROM "nothing"') == b""
        for wrong in ('SELECT "flow_m3s" FROM "none"."flow"', "SELECT mean(x), y FROM flow", "nonsense"):
            with pytest.raises(StoreError):
                server.csv(wrong)
        server.close()

    def test_names_and_times_that_cannot_be_are_refused_before_anything_is_stored(
        self, open_at: Open, access: Access
    ) -> None:
        store = open_at(access)
        with pytest.raises(StoreError, match="line end"):
            store.append(batch("a\nb", 0))
        early = ReadingBatch.of(["a"], [np.datetime64("1500-01-01", "us")], [1.0], received=T0)
        with pytest.raises(StoreError, match="from 1677"):
            store.append(early)
        assert store.names() == []
        assert store.window(["a\nb", "a"], T0, FAR).values.shape == (0, 2)


class Answering(BaseHTTPRequestHandler):
    """Answers all requests alike, but takes those of up to ``limit`` bytes."""

    body, status, wait, limit, version = b"", 200, 0.0, 0, ""
    taken: list[bytes] = []  # noqa: RUF012

    def do_GET(self) -> None:
        time.sleep(self.wait)
        self.send_response(204)
        if self.version:
            self.send_header("X-Influxdb-Version", self.version)
        self.end_headers()

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.wait)
        fits = len(sent) <= self.limit
        if fits:
            self.taken.append(sent)
        self.send_response(204 if fits else self.status)
        self.send_header("Content-Length", "0" if fits else str(len(self.body)))
        self.end_headers()
        if not fits:
            self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


class answering:
    """A server on loopback that is no InfluxDB; gives its address."""

    def __init__(
        self,
        body: bytes,
        *,
        status: int = 200,
        wait: float = 0.0,
        limit: int = 0,
        version: str = "1.6",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        Answering.body, Answering.status, Answering.wait, Answering.limit = body, status, wait, limit
        Answering.version = version
        Answering.taken = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_timeout_longer_than_readers_look_back_is_refused() -> None:
    with pytest.raises(StoreError, match="timeout"):
        InfluxStore(Access("http://127.0.0.1:1", "t", version=1, timeout_s=60), site())
    assert journal_module.MAX_TIMEOUT_S < journal_module.LOOK_BACK_S


@pytest.mark.servers
def test_a_server_that_limits_its_rows_gives_all_or_says_so(
    open_at: Open, new_influxdb: Any, tmp_path: Path
) -> None:
    server = new_influxdb(tmp_path, more="max-row-limit = 100")
    store = open_at(Access(server.url, "twuin", version=1))
    store.append(batch("a", *range(20_500)))
    assert len(store.window(["a"], T0, FAR).times) == 20_500
    asked = Server(store.access)
    with pytest.raises(StoreError, match="max-row-limit"):
        asked.ask('SELECT "flow_m3s" FROM "flow"')
    asked.close()
    server.end()
