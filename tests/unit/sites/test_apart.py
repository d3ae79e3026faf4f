"""What two sites may not share is found by where it really is, and the installation serves neither."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from twuin.accounts.service import By
from twuin.app import open_accounts
from twuin.db import open_database
from twuin.settings import load
from twuin.sites.apart import overlaps
from twuin.sites.installation import Installation, load_installation, load_member
from twuin.sites.serve import Street
from waterworks.errors import SettingsError

Write = tuple[Callable[..., Path], Callable[..., Path], Callable[..., Any]]


@pytest.fixture
def pair(write: Write, tmp_path: Path) -> Callable[..., dict[str, list[str]]]:
    """What Kota and Desa share, with these settings of Desa (``more``: of both, {0} is the name)."""
    site, settings, installation = write

    def found(*, both: str = "", **desa: Any) -> dict[str, list[str]]:
        at = installation(tmp_path)
        for name in ("kota", "desa"):
            if not (tmp_path / "folders" / name).exists():
                site(tmp_path / "folders" / name, name, name.title())
            settings(
                tmp_path, name, **({"more": both.replace("NAME", name)} | (desa if name == "desa" else {}))
            )
        return overlaps([load_member(at, name) for name in at.names()])

    return found


def test_two_ordinary_sites_share_nothing(pair: Any) -> None:
    assert pair() == {}


INFLUX = '[store]\nkind = "influxdb"\nurl = "http://{0}:8086"\ndatabase = "{1}"\n'


@pytest.mark.parametrize(
    ("both", "setting"),
    [
        ('[notify]\nkey_file = "/etc/twuin/notify.key"', "notify.key_file"),
        ('[notify]\nfile = "/etc/twuin/notify.toml"', "notify.file"),
        ('[store]\nkind = "influxdb"\ndatabase = "twuin"', "store.database"),
        ('[watch]\nfolder = "/srv/files"', "watch.folder"),
    ],
)
def test_what_both_have_in_one_place_is_named_with_its_setting(pair: Any, both: str, setting: str) -> None:
    shared = pair(both=both)
    assert set(shared) == {"desa", "kota"}
    assert any(f"setting {setting}: " in line and "kota" in line for line in shared["desa"])


def test_a_name_of_its_own_is_enough_to_be_apart(pair: Any) -> None:
    assert pair(both='[store]\nkind = "influxdb"\ndatabase = "twuin-NAME"') == {}


def test_a_data_folder_within_anothers_or_by_a_link_is_anothers(pair: Any, tmp_path: Path) -> None:
    assert "data_dir" in pair(data_dir=tmp_path / "data" / "kota" / "desa")["kota"][0]
    (tmp_path / "data" / "kota").mkdir(parents=True)
    (tmp_path / "other").symlink_to(tmp_path / "data" / "kota")
    assert any("data_dir" in line for line in pair(data_dir=tmp_path / "other")["kota"])


def test_a_site_folder_is_one_sites(pair: Any, tmp_path: Path) -> None:
    (shared := pair())
    assert shared == {}
    shared = pair(site=tmp_path / "folders" / "kota")
    assert any("site id 'kota'" in line for line in shared["desa"])
    assert any(str(tmp_path / "folders" / "kota") in line for line in shared["desa"])


@pytest.mark.parametrize("url", ["http://KOTA.water.example", "http://kota.water.example:8080"])
def test_a_host_name_is_one_sites_whatever_its_port(pair: Any, url: str) -> None:
    assert any("host kota.water.example" in line for line in pair(public_url=url)["desa"])


def test_one_influxdb_by_two_names_is_one(write: Write, tmp_path: Path) -> None:
    site, settings, installation = write
    for name, host in (("kota", "localhost"), ("desa", "127.0.0.1")):
        site(tmp_path / "folders" / name, name, name.title())
        settings(tmp_path, name, more=INFLUX.format(host, "water"))
    at = installation(tmp_path)
    assert set(overlaps([load_member(at, n) for n in at.names()])) == {"desa", "kota"}


def test_one_database_of_postgresql_is_one_whoever_signs_in(write: Write, tmp_path: Path) -> None:
    site, settings, installation = write
    urls = {
        "kota": "postgresql://kota@db.example/water",
        "desa": "postgresql+psycopg://desa:x@db.example:5432/water",
    }
    for name, url in urls.items():
        site(tmp_path / "folders" / name, name, name.title())
        file = settings(tmp_path, name)
        file.write_text(f'database = "{url}"\n' + file.read_text())
    at = installation(tmp_path)
    shared = overlaps([load_member(at, n) for n in at.names()])
    assert any("database water at db.example" in line for line in shared["kota"])
    assert "x@" not in str(shared)


def test_topics_of_one_may_not_be_heard_by_another_at_the_same_broker(pair: Any, tmp_path: Path) -> None:
    pair()
    listen = '[listen]\nplain = ["{0}"]\n'
    for name, topic in (("kota", "pdam/#"), ("desa", "pdam/desa/level")):
        file = tmp_path / "folders" / name / "site.toml"
        file.write_text(file.read_text() + listen.format(topic))
    shared = pair()
    assert any("'pdam/#' meet 'pdam/desa/level'" in line for line in shared["kota"])
    apart = "[mqtt]\nstrays = false\nport = 1884\n"
    file = tmp_path / "sites" / "desa.toml"
    file.write_text(file.read_text().replace("[mqtt]\nstrays = false\n", apart))
    at = Installation(sites=tmp_path / "sites", data=tmp_path, secrets=tmp_path)
    assert overlaps([load_member(at, n) for n in at.names()]) == {}


def test_variables_of_the_environment_hold_for_no_site(
    pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWUIN_DATA_DIR", "/srv/all")
    monkeypatch.setenv("TWUIN_DATABASE", "postgresql://twuin@db.example/all")
    assert pair() == {}
    file = tmp_path / "sites" / "kota.toml"
    assert load(file).data_dir == Path("/srv/all")
    assert load(file, environment=False).data_dir == tmp_path / "data" / "kota"


def test_sites_that_share_are_not_served_and_the_others_are(write: Write, tmp_path: Path) -> None:
    site, settings, installation = write
    at = installation(tmp_path)
    for name in ("kota", "desa", "pantai"):
        site(tmp_path / "folders" / name, name, name.title())
        data = tmp_path / "data" / ("pantai" if name == "pantai" else "one")
        settings(tmp_path, name, data_dir=data)
    member = load_member(at, "pantai")
    member.settings.data_dir.mkdir(parents=True)
    with closing(open_database(member.settings.database_url)) as database:
        open_accounts(member.settings, member.site, database).first(By("test"))
    with closing(Street(at)) as street:
        street.look()
        answers = {}
        for name in ("kota", "desa", "pantai"):
            client = TestClient(
                street.front, base_url=f"http://{name}.water.example", client=("192.0.2.7", 1)
            )
            answers[name] = client.get("/signin", headers={"accept-language": "en"})
    assert {n: a.status_code for n, a in answers.items()} == {"kota": 503, "desa": 503, "pantai": 200}
    assert "not there at the moment" in answers["kota"].text and answers["kota"].headers["retry-after"]
    assert not (tmp_path / "data" / "one").exists()


def test_a_site_without_an_account_is_not_served(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site, settings, installation = write
    at = installation(tmp_path)
    site(tmp_path / "folders" / "kota", "kota", "Kota")
    settings(tmp_path, "kota")
    with closing(Street(at)) as street:
        street.look()
        street.look()
        client = TestClient(street.front, base_url="http://kota.water.example")
        assert client.get("/api/v1/health/live").status_code == 503
    assert caplog.text.count("twuin --of kota account init") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "setting sites"),
        ('sites = "sites"\ndata = "/d"\nsecrets = "/s"', "setting sites = 'sites': give a whole path"),
        ('sites = "/s"\ndata = "/d"\nsecrets = "/s"\nfront = true', "front"),
        ('sites = "/s"\ndata = "/d"\nsecrets = "/s"\n[web]\nallowed_hosts = ["x"]', "host names are each"),
        ("sites = ", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_installations_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "installation.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_installation(file)


@pytest.mark.parametrize("url", ["", "http://water.example/kota"])
def test_a_site_needs_a_host_name_of_its_own_and_no_path(write: Write, tmp_path: Path, url: str) -> None:
    site, settings, installation = write
    site(tmp_path / "folders" / "kota", "kota", "Kota")
    settings(tmp_path, "kota", public_url=url)
    with pytest.raises(SettingsError, match=r"web.public_url: give an address with a host name of its own"):
        load_member(installation(tmp_path), "kota")


@pytest.mark.parametrize("name", ["../kota", "Kota", "a.b", "", "-a", "kota\n"])
def test_a_name_leads_to_no_other_file(write: Write, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="is no name of a site"):
        write[2](tmp_path).file_of(name)
