"""Two utilities in one installation whose folders say the same, but for their names: what crosses is seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from twuin.access.cookies import FORM_HEADER
from twuin.accounts.model import Account
from twuin.accounts.secret import form_token
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import Visitor
from twuin.alerts.model import Finding, Kind
from twuin.app import Parts, open_accounts
from twuin.db import open_database
from twuin.sites.front import ByHost
from twuin.sites.installation import Installation, load_member
from twuin.sites.serve import House, Street
from waterworks.reading import ReadingBatch

NUMBERS = itertools.count()
NOW = datetime.now(UTC).replace(microsecond=0)

SITE = """id = "{id}"
name = "PDAM {name}"
timezone = "Asia/Jakarta"
"""
LEAKY = [f"L{n}" for n in range(60)]  # a DMA for each leak, so that none is taken for another
DMAS = "id,name,connections\nD1,Pusat,900\n" + "".join(f"{d},Zona {d},100\n" for d in LEAKY)
SENSORS = "id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,RTU-1,inlet\nD1-P,pressure,bar,D1,RTU-1,\n"
SENSORS += "".join(f"{d}-IN,flow,m3/h,{d},RTU-{d},inlet\n" for d in LEAKY)
NOTIFY = """[[receiver]]
name = "piket"
channels.hook = "json://127.0.0.1:9/"

[[rule]]
to = ["piket"]
"""


def write_site(folder: Path, id: str, name: str) -> Path:
    """A site folder: all but id and name is the same for every site."""
    folder.mkdir(parents=True)
    (folder / "site.toml").write_text(SITE.format(id=id, name=name))
    (folder / "dmas.csv").write_text(DMAS)
    (folder / "sensors.csv").write_text(SENSORS)
    (folder / "notify.toml").write_text(NOTIFY)
    return folder


def write_settings(at: Path, name: str, **given: Any) -> Path:
    """``NAME.toml`` of a site with data of its own."""
    said = {
        "site": at / "folders" / name,
        "data_dir": at / "data" / name,
        "public_url": f"http://{name}.water.example",
        "more": "",
        **given,
    }
    file: Path = at / "sites" / f"{name}.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        'site = "{site}"\ndata_dir = "{data_dir}"\n[mqtt]\nstrays = false\n'
        '[web]\npublic_url = "{public_url}"\n'
        "[residents]\nopen = true\n{more}\n".format(**said)
    )
    return file


@dataclass
class Utility:
    """One site as it is served, with what only it has."""

    host: str
    parts: Parts
    accounts: AccountService
    admin: Account
    street: Any
    found: list[Finding]

    def client(self, host: str = "", **options: Any) -> TestClient:
        """Somebody's browser at this utility's pages, or at another ``host``."""
        given = {"base_url": f"http://{host or self.host}", "client": ("192.0.2.7", 5000), **options}
        return TestClient(self.street, raise_server_exceptions=False, follow_redirects=False, **given)

    def session(self) -> tuple[dict[str, str], dict[str, str]]:
        """Cookies of a new session of the administrator, and the header of scripts of ours."""
        signed = self.accounts.sign_in.begin(self.admin, Visitor("192.0.2.7"))
        return {"twuin_session": signed.secret}, {FORM_HEADER: form_token(signed.secret)}

    def browser(self, host: str = "") -> TestClient:
        cookies, headers = self.session()
        return self.client(host, cookies=cookies, headers={**headers, "accept-language": "en"})

    def token(self) -> str:
        _, text = self.accounts.add_token(
            self.admin, By("test"), name=f"program {next(NUMBERS)}", rights=tuple(self.admin.rights), days=30
        )
        return text

    def leak(self) -> str:
        """The id of a leak that is found now."""
        dma, onset = LEAKY[len(self.found)], NOW - timedelta(hours=5)
        before = {a.id for a in self.parts.alerts.list().items}
        found = Finding(
            Kind.LEAK, dma, dma, onset, onset + timedelta(hours=1), NOW, None, flow=0.003, flow_low=0.002,
            flow_high=0.004, volume=50.0, confidence=0.9, evidence={"threshold": 5.0},
        )  # fmt: skip
        self.found.append(found)
        self.parts.alerts.apply(self.found)
        return next(a.id for a in self.parts.alerts.list().items if a.id not in before)

    def measure(self, m3s: float, minutes: int = 10) -> None:
        """The inlet's flow, that many minutes ago."""
        when = np.datetime64((NOW - timedelta(minutes=minutes)).replace(tzinfo=None), "us")
        self.parts.store.append(ReadingBatch.of(["D1-IN"], [when], [m3s], received=when))


def installation(at: Path, **given: Any) -> Installation:
    (at / "sites").mkdir(exist_ok=True)
    return Installation(sites=at / "sites", data=at / "data", secrets=at / "secrets", **given)


def first_account(settings: Any, site: Any) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.database_url)
    accounts = open_accounts(settings, site, database)
    if accounts.empty:
        accounts.first(By("test"))
    database.close()


def utility(host: str, house: House, street: Any, found: list[Finding]) -> Utility:
    parts = house.parts
    accounts = open_accounts(parts.settings, parts.site, parts.database)
    return Utility(host, parts, accounts, accounts.by_name("admin"), street, found)


Twins = tuple[Utility, Utility]


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Kota and Desa, served by one process."""
    tmp_path = tmp_path_factory.mktemp("twins")
    at = installation(tmp_path)
    for name in ("desa", "kota"):
        write_site(tmp_path / "folders" / name, name, name.title())
        write_settings(tmp_path, name)
        member = load_member(at, name)
        first_account(member.settings, member.site)
    street = Street(at)
    street.look()
    houses = street._houses
    assert set(houses) == {"desa", "kota"}, street._told
    yield tuple(utility(f"{n}.water.example", houses[n], street.front, []) for n in ("kota", "desa"))  # type: ignore[misc]
    street.close()


@pytest.fixture(scope="session")
def not_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """The same two with all they keep in one place, as no installation serves them: what each test of a
    crossing has to notice."""
    tmp_path = tmp_path_factory.mktemp("one")
    at = installation(tmp_path)
    write_site(tmp_path / "folders" / "one", "one", "Kota")
    front, made = ByHost(), []
    for name in ("kota", "desa"):
        write_settings(tmp_path, name, site=tmp_path / "folders" / "one", data_dir=tmp_path / "data" / "one")
        member = load_member(at, name)
        first_account(member.settings, member.site)
        house = House(member)
        front.put(member.hosts, house.app)
        made.append((member.hosts[0], house))
    found: list[Finding] = []
    yield tuple(utility(host, house, front, found) for host, house in made)  # type: ignore[misc]
    for _, house in made:
        house.close()


@pytest.fixture
def write() -> tuple[Callable[..., Path], Callable[..., Path], Callable[..., Installation]]:
    """Writes a site folder, a site's settings; makes an installation."""
    return write_site, write_settings, installation
