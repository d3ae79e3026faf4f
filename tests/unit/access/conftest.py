"""A small town whose API and pages take accounts, with somebody of every role."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import AccountAccess, check_routes, install_access
from twuin.access.cookies import FORM_FIELD, FORM_HEADER
from twuin.accounts.model import Account
from twuin.accounts.passwords import Passwords
from twuin.accounts.rights import Right, Role
from twuin.accounts.secret import form_token
from twuin.accounts.service import AccountService, By
from twuin.accounts.sign_in import SignIn, Visitor
from twuin.api import api_router, install_errors, install_guards
from twuin.db import open_account_store
from twuin.hooks.senders import Senders
from twuin.notify.links import Links
from twuin.oidc.provider import Client, Provider
from twuin.oidc.signing_in import ProviderSignIn, Rules
from twuin.reports.desk import Reporter
from twuin.reports.shelf import Shelf
from twuin.residents.desk import Asked
from twuin.residents.model import Sent
from twuin.residents.parts import Residents
from twuin.residents.service import Taken
from twuin.web import Takes, WallFile, mount_pages
from twuin.works.model import Plan, WorkKind

PASSWORD = "lumbung-derita-sepeda-merah"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Office:
    """The application, its accounts, and the people: by role, ``...@D1`` who are limited to D1,
    and ``changed``, whom administrators change."""

    app: FastAPI
    town: Any
    accounts: AccountService
    stopping: threading.Event
    now: list[datetime]
    residents: Residents
    people: dict[str, Account] = field(default_factory=dict)

    def client(self, **options: Any) -> TestClient:
        """Nobody's browser; ``client``: where it calls from."""
        given = {"client": ("192.0.2.7", 5000), "base_url": "http://localhost", **options}
        return TestClient(self.app, raise_server_exceptions=False, follow_redirects=False, **given)

    def session(self, who: str) -> tuple[dict[str, str], str]:
        """Cookies of a new session of somebody, and the token of its forms."""
        signed = self.accounts.sign_in.begin(self.people[who], Visitor("192.0.2.7"))
        return {"twuin_session": signed.secret}, form_token(signed.secret)

    def browser(self, who: str) -> TestClient:
        """The browser of somebody who is signed in; its scripts show that they are ours."""
        cookies, token = self.session(who)
        return self.client(cookies=cookies, headers={FORM_HEADER: token, "accept-language": "en"})

    def token(self, who: str, *rights: Right, dmas: list[str] | None = None, days: int = 30) -> str:
        """A token of somebody, by default with all rights that they may hand on."""
        owner = self.people[who]
        given = rights or tuple(owner.rights)
        _, text = self.accounts.add_token(
            owner, By("test"), name="program", rights=given, days=days, dmas=dmas
        )
        return text

    def program(self, text: str) -> TestClient:
        """A program that shows a token."""
        return self.client(headers={"authorization": f"Bearer {text}", "accept-language": "en"})

    def post(self, client: TestClient, path: str, token: str, **fields: Any) -> Any:
        """Send a form of ours."""
        return client.post(path, data={FORM_FIELD: token, **fields})

    def pass_time(self, **span: float) -> None:
        self.now[0] += timedelta(**span)

    def work(self, dma: str) -> str:
        """The id of a planned work in a DMA."""
        works = self.town.works
        start = datetime(2026, 3, 11, tzinfo=UTC)
        plan = Plan(WorkKind.FLUSHING, start, start + timedelta(hours=4), (dma,), extra_flow=0.005)
        return str(works.enter(plan, key=f"of {dma}").id)

    def report(self) -> Taken:
        """A resident's report in D1."""
        moment = self.residents.public.moment()
        self.town.wall += timedelta(minutes=1)
        sent = Sent("no_water", moment, "0812 3456 7890", "Jl. Melati 3")
        taken = self.residents.public.submit(sent, "198.51.100.9")
        self.residents.desk.act(taken.report.id, Asked("place", dma="D1"), "test")
        return taken

    def leak(self, dma: str) -> str:
        """The id of the leak's alert in a DMA."""
        return next(a.id for a in self.town.alerts.list().items if a.finding.dma == dma)


@pytest.fixture
def outside() -> tuple[str, Rules]:
    """A provider that people may sign in through, and who comes in: here, nobody answers."""
    return "http://127.0.0.1:9", Rules()


@pytest.fixture
def office(small_town: Any, tmp_path: Path, outside: tuple[str, Rules]) -> Iterator[Office]:
    t = small_town
    t.alerts.apply([t.leak("D1"), t.leak("D2")])
    photos = t.photos()
    views = t.views(photos)
    store, now = (
        open_account_store(f"sqlite:///{tmp_path}/twuin.sqlite"),
        [datetime(2026, 11, 22, tzinfo=UTC)],
    )
    sign_in = SignIn("town", store, lambda: now[0], passwords=Passwords(CHEAP))
    accounts = AccountService("town", store, lambda: now[0], sign_in=sign_in, dmas=("D1", "D2", "D3"))
    reports = Reporter(t.site, t.store, views, Shelf(tmp_path / "reports"))
    app, stopping = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), threading.Event()
    install_errors(app)
    install_access(app, AccountAccess(accounts))
    install_guards(app, allowed_hosts=("localhost",))
    streets = {"type": "LineString", "coordinates": [[112.60, -7.96], [112.64, -7.95]]}
    (tmp_path / "streets.geojson").write_text(json.dumps({"features": [{"geometry": streets}]}))
    residents = t.residents()
    app.include_router(
        api_router(
            views,
            t.alerts,
            accounts,
            reports=reports,
            stopping=stopping,
            photos=photos,
            residents=residents,
            senders=Senders(tmp_path / "webhooks"),
            hand_in=t.hand_in(),
        )
    )
    takes = Takes(Links("town", b"k" * 32, "http://localhost"), {}, lambda: now[0])
    wall = WallFile(tmp_path, t.site.dma, t.site.sensor)
    issuer, rules = outside
    provider = ProviderSignIn(
        Provider(Client(issuer, "twuin", "secret")), accounts, store, rules, lambda: now[0],
        site="town", name="Portal", back="http://localhost/signin/return", home="http://localhost/signin",
    )  # fmt: skip
    mount_pages(app, views, t.alerts, takes, reports, wall, accounts, provider, residents)
    check_routes(app)
    made = Office(app, t, accounts, stopping, now, residents)
    for role in Role:
        account, code = accounts.add(role.value, role, By("test"))
        sign_in.use_code(role.value, code, PASSWORD, Visitor("192.0.2.7"))
        made.people[role.value] = accounts.account(account.id)
        if role is not Role.ADMIN:
            limited, _ = accounts.add(f"{role.value}1", role, By("test"), dmas=["D1"])
            made.people[f"{role.value}@D1"] = limited
    made.people["changed"], _ = accounts.add("changed", Role.VIEWER, By("test"))
    yield made
    store.close()


@pytest.fixture
def password() -> str:
    """Everybody's password who has one."""
    return PASSWORD
