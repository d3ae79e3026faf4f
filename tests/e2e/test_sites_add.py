"""`twuin sites add` with a real InfluxDB 1.6 that knows users, and a broker: each site gets its own."""

from __future__ import annotations

import contextlib
import io
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.access.identities import Identities
from twuin.cli import main
from twuin.cli.options import Common
from twuin.sites.installation import load_installation, load_member

pytestmark = pytest.mark.servers

ADMIN = "kunci-gudang-air"
NAMES = ("kota", "desa")


class Province:
    """An installation with two sites, made by the commands of docs/many-sites.md."""

    def __init__(self, folder: Path, url: str, run: Callable[..., tuple[int, str]]) -> None:
        self.folder, self.url, self.run = folder, url, run
        (folder / "admin").write_text(ADMIN + "\n")
        self.file = folder / "installation.toml"
        self.file.write_text(
            f"""
sites = "{folder}/sites"
data = "{folder}/data"
secrets = "{folder}/secrets"
domain = "water.example"

[new.store]
retention_days = 400

[influxdb]
version = "1"
url = "{url}"
username = "admin"
password_file = "{folder}/admin"

[broker]
folder = "{folder}/broker"
hosts = ["broker.water.example"]
"""
        )
        self.said = {}
        for name in NAMES:
            site = folder / "folders" / name
            site.mkdir(parents=True)
            (site / "site.toml").write_text(
                f'id = "{name}"\nname = "PDAM {name}"\ntimezone = "Asia/Jakarta"\n'
            )
            (site / "dmas.csv").write_text("id,name,connections\nD1,Pusat,900\n")
            (site / "sensors.csv").write_text(
                "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,RTU-1,inlet\n"
            )
            status, self.said[name] = run("sites", "add", name, "--site", str(site))
            assert status == 0, self.said[name]

    def password(self, user: str) -> str:
        """Of ``twuin-NAME`` and ``twuin-NAME-read``."""
        name, _, read = user.removeprefix("twuin-").partition("-")
        file = self.folder / "secrets" / name / ("influxdb-read" if read else "influxdb")
        return file.read_text().strip()

    def ask(self, user: str, database: str, query: str) -> str:
        form = {"db": database, "q": query, "u": user, "p": self.password(user)}
        return self._send(f"/query?{urllib.parse.urlencode(form)}", None)

    def tell(self, user: str, database: str) -> str:
        form = {"db": database, "u": user, "p": self.password(user)}
        return self._send(f"/write?{urllib.parse.urlencode(form)}", b"flow,site=x,sensor=D1-IN flow_m3s=1")

    def _send(self, path: str, body: bytes | None) -> str:
        try:
            with urllib.request.urlopen(self.url + path, body, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as e:
            return f"{e.code} {e.read().decode()}"


@pytest.fixture(scope="module")
def province(
    new_influxdb: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Province]:
    folder = tmp_path_factory.mktemp("province")
    (folder / "influx").mkdir()
    server = new_influxdb(folder / "influx", auth=True)
    first = urllib.parse.urlencode({"q": f"CREATE USER admin WITH PASSWORD '{ADMIN}' WITH ALL PRIVILEGES"})
    urllib.request.urlopen(f"{server.url}/query?{first}", b"", timeout=30).close()
    with pytest.MonkeyPatch.context() as patch:

        def run(*arguments: str) -> tuple[int, str]:
            text = io.StringIO()
            patch.setenv("TWUIN_INSTALLATION", str(folder / "installation.toml"))
            patch.setattr(sys, "argv", ["twuin", *arguments])
            status = 0
            try:
                with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                    main()
            except SystemExit as e:
                status = int(e.code or 0)
            finally:
                Common.of = Common.config = Common.installation = None
            return status, text.getvalue()

        yield Province(folder, server.url, run)
    server.end()


def test_a_new_site_gets_all_of_its_own_and_a_code_for_its_administrator(province: Province) -> None:
    for name in NAMES:
        assert f"https://{name}.water.example" not in province.said[name]  # no TLS was asked for
        assert f"http://{name}.water.example:8080/welcome?name=admin" in province.said[name]
        assert "one-time code" in province.said[name]
        for secret in ("influxdb", "influxdb-read", "mqtt-password"):
            file = province.folder / "secrets" / name / secret
            assert (
                file.stat().st_mode & 0o777 == 0o440 and file.read_text().strip() not in province.said[name]
            )
        assert (province.folder / "data" / name).stat().st_mode & 0o777 == 0o700
        member = load_member(load_installation(province.file), name)
        store = member.settings.store
        assert (store.database, store.username, store.retention_days) == (
            f"twuin-{name}",
            f"twuin-{name}",
            400,
        )
    reads = {i.name: i.grants.read for i in Identities(province.folder / "broker").all()}
    assert reads["kota"] == ("twuin/kota/#",) and reads["desa"] == ("twuin/desa/#",)


def test_they_are_apart_and_are_told_apart(province: Province) -> None:
    assert province.run("sites", "check") == (0, "2 sites, each with all of its own\n")
    status, said = province.run("sites", "list")
    assert status == 0 and "twuin-kota at" in said and ADMIN not in said
    status, said = province.run("sites", "health")
    assert status == 1 and "kota" in said and "no monitor has run" in said


def test_the_user_of_a_site_reaches_its_own_database_and_no_other(province: Province) -> None:
    for name, other in (NAMES, NAMES[::-1]):
        for user in (f"twuin-{name}", f"twuin-{name}-read"):
            assert '"error"' not in province.ask(user, f"twuin-{name}", "SHOW MEASUREMENTS")
            refused = province.ask(user, f"twuin-{other}", "SHOW MEASUREMENTS")
            assert "not authorized" in refused
            over = province.ask(user, f"twuin-{name}", f'SELECT * FROM "twuin-{other}"."autogen"."flow"')
            assert "not authorized" in over
            assert f"twuin-{other}" not in province.ask(user, f"twuin-{name}", "SHOW DATABASES")
            assert "not authorized" in province.tell(user, f"twuin-{other}")
        assert province.tell(f"twuin-{name}", f"twuin-{name}") == ""
        assert "not authorized" in province.tell(f"twuin-{name}-read", f"twuin-{name}")


def test_retention_is_each_databases_own(province: Province) -> None:
    said = province.ask("twuin-kota", "twuin-kota", "SHOW RETENTION POLICIES")
    assert '"autogen","9600h0m0s"' in said


def test_a_second_run_changes_nothing_and_shows_no_code(province: Province) -> None:
    before = {
        p: p.read_bytes()
        for part in ("sites", "secrets")
        for p in (province.folder / part).rglob("*")
        if p.is_file()
    }
    status, said = province.run("sites", "add", "kota", "--site", str(province.folder / "folders" / "kota"))
    assert status == 0 and "one-time code" not in said
    assert {p: p.read_bytes() for p in before} == before


def test_a_right_that_somebody_gave_by_hand_is_taken_again(province: Province) -> None:
    form = urllib.parse.urlencode(
        {"q": 'GRANT READ ON "twuin-desa" TO "twuin-kota"', "u": "admin", "p": ADMIN}
    )
    urllib.request.urlopen(f"{province.url}/query?{form}", b"", timeout=30).close()
    assert '"error"' not in province.ask("twuin-kota", "twuin-desa", "SHOW MEASUREMENTS")
    province.run("sites", "add", "kota", "--site", str(province.folder / "folders" / "kota"))
    assert "not authorized" in province.ask("twuin-kota", "twuin-desa", "SHOW MEASUREMENTS")


def test_a_site_that_would_share_is_refused_before_anything_is_made(province: Province) -> None:
    folder = province.folder / "folders" / "kota"
    status, said = province.run("sites", "add", "pantai", "--site", str(folder))
    assert status == 1 and "site id 'kota' is also that of site kota" in said
    assert not (province.folder / "data" / "pantai").exists()
    assert not (province.folder / "sites" / "pantai.toml").exists()  # or kota would not be served any more


def test_any_command_works_on_one_of_them(province: Province) -> None:
    status, said = province.run("--of", "desa", "account", "list")
    assert status == 0 and "admin" in said
    to = province.folder / "desa.tar.gz"
    status, said = province.run(
        "--of", "desa", "backup", "--without", "broker", "--without", "readings", "--to", str(to)
    )
    assert status == 0, said
    with tarfile.open(to) as kept:
        names = kept.getnames()
        (settings,) = (n for n in names if n.endswith("config/twuin.toml"))
        said = kept.extractfile(settings).read().decode()  # type: ignore[union-attr]
    assert "folders/desa" in said and "kota" not in said and not any("kota" in n for n in names)
    status, said = province.run("--of", "laut", "account", "list")
    status_both, both = province.run("--of", "desa", "--config", "twuin.toml", "account", "list")
    assert status_both == 1 and "not both" in both
    assert status == 1 and "no site 'laut'" in said and "desa, kota" in said
