"""What of one utility somebody may take to another's host: there it is worth nothing."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from twuin.accounts.rights import Role
from twuin.accounts.service import By
from twuin.accounts.sign_in import Visitor
from twuin.notify.links import Taken as Link
from twuin.residents.model import Sent
from twuin.works.model import Plan, WorkKind

NUMBERS = itertools.count()
API = "/api/v1"


def step() -> dict[str, str]:
    return {"action": "acknowledge", "key": f"s{next(NUMBERS)}"}


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (20, 90, 160)).save(out, "JPEG")
    return out.getvalue()


def session(a: Any, b: Any) -> bool:
    """A session of B at A."""
    return bool(b.browser(a.host).get(f"{API}/alerts").status_code == 200)


def session_on_a_page(a: Any, b: Any) -> bool:
    return bool(b.browser(a.host).get("/alerts").status_code == 200)


def token(a: Any, b: Any) -> bool:
    """An API token of B at A."""
    return bool(
        a.client(headers={"authorization": f"Bearer {b.token()}"}).get(f"{API}/sensors").status_code == 200
    )


def token_for_metrics(a: Any, b: Any) -> bool:
    return bool(a.client(headers={"authorization": f"Bearer {b.token()}"}).get("/metrics").status_code == 200)


def session_and_form_that_change(a: Any, b: Any) -> bool:
    """B's cookie with the token of B's forms, sent to A: as somebody whose browser was led there."""
    alert = a.leak()
    done = b.browser(a.host).post(f"{API}/alerts/{alert}/transitions", json=step())
    return bool(done.status_code < 300 or a.parts.alerts.get(alert).state.value != "open")


def form_of_another(a: Any, b: Any) -> bool:
    """Somebody who is signed in at A, with the token of a form of B that they are shown."""
    alert = a.leak()
    cookies, _ = a.session()
    cookies_b, form = b.session()
    client = a.client(cookies={**cookies, **cookies_b} if a.parts.site.id == b.parts.site.id else cookies)
    done = client.post(f"{API}/alerts/{alert}/transitions", json=step(), headers=form)
    return bool(done.status_code < 300)


def alert(a: Any, b: Any) -> bool:
    """Somebody of A asks for an alert of B by its id."""
    return bool(a.browser().get(f"{API}/alerts/{b.leak()}").status_code == 200)


def alert_page(a: Any, b: Any) -> bool:
    return bool(a.browser().get(f"/alerts/{b.leak()}").status_code == 200)


def alert_among_others(a: Any, b: Any) -> bool:
    id = b.leak()
    return id in json.dumps(a.browser().get(f"{API}/alerts").json())


def alert_acted_on(a: Any, b: Any) -> bool:
    id = b.leak()
    a.browser().post(f"{API}/alerts/{id}/transitions", json=step())
    return bool(b.parts.alerts.get(id).state.value != "open")


def photo(a: Any, b: Any) -> bool:
    id = b.leak()
    kept = b.parts.photos.add(id, picture(), key=f"k{next(NUMBERS)}", actor="crew")
    return bool(a.browser().get(f"{API}/alerts/{id}/photos/{kept.id}").status_code == 200)


def photo_under_an_alert_of_ones_own(a: Any, b: Any) -> bool:
    mine, theirs = a.leak(), b.leak()
    kept = b.parts.photos.add(
        mine if _weak(a, b) else theirs, picture(), key=f"k{next(NUMBERS)}", actor="crew"
    )
    return bool(a.browser().get(f"{API}/alerts/{mine}/photos/{kept.id}").status_code == 200)


def work(a: Any, b: Any) -> bool:
    start = datetime.now(UTC) + timedelta(hours=2)
    plan = Plan(WorkKind.FLUSHING, start, start + timedelta(hours=4), ("D1",), extra_flow=0.005)
    id = b.parts.works.enter(plan, key=f"w{next(NUMBERS)}").id
    return bool(a.browser().get(f"{API}/works/{id}").status_code == 200)


def measured(a: Any, b: Any) -> str:
    """Both have a reading of the same name; what B's is, in m3/h."""
    flow = {"kota": 0.118, "desa": 0.128}
    mine, theirs = (flow[one.host.partition(".")[0]] for one in (a, b))
    a.measure(mine, minutes=next(NUMBERS) + 50)
    b.measure(theirs)
    return f"{3600 * theirs:.1f}"


def reading(a: Any, b: Any) -> bool:
    """A reading of B under a name that A has too."""
    theirs = measured(a, b)
    found = a.browser().get(f"{API}/sensors/D1-IN").json()
    return theirs in json.dumps(found)


def reading_by_sensorthings(a: Any, b: Any) -> bool:
    theirs = measured(a, b)
    client = a.browser()
    found = client.get("/api/sta/v1.1/Datastreams?$expand=Observations").text
    assert "Observations" in found
    return theirs in found


def reading_exported(a: Any, b: Any) -> bool:
    theirs = measured(a, b)
    answer = a.browser().get(f"{API}/export/series?sensor=D1-IN")
    assert answer.status_code == 200, answer.text
    return theirs in answer.text


def kept_report(a: Any, b: Any) -> bool:
    shelf = b.parts.settings.data_dir / "reports"
    shelf.mkdir(exist_ok=True)
    (shelf / f"{b.parts.site.id}-2026-01.id.pdf").write_bytes(b"%PDF-1.4 of B")
    listed = a.browser().get(f"{API}/reports")
    assert listed.status_code == 200
    name = f"{b.parts.site.id}-2026-01.id.pdf"
    return name in listed.text


def code_for_a_new_password(a: Any, b: Any) -> bool:
    """A one-time code that B's administrator gave, at A."""
    name = f"rina{next(NUMBERS)}"
    _, code = b.accounts.add(name, Role.ENGINEER, By("test"))
    if not _weak(a, b):
        a.accounts.add(name, Role.ENGINEER, By("test"))
    client = a.client()
    form = _form(client.get(f"/welcome?name={name}").text)
    fields = {
        "name": name,
        "code": code,
        "password": "lumbung-derita-sepeda",
        "again": "lumbung-derita-sepeda",
    }
    client.post("/welcome", data={"form": form, **fields})
    return bool(client.get(f"{API}/me").status_code == 200)


def password(a: Any, b: Any) -> bool:
    """Somebody with an account at B alone, by name and password."""
    name = f"rina{next(NUMBERS)}"
    _, code = b.accounts.add(name, Role.ENGINEER, By("test"))
    b.accounts.sign_in.use_code(name, code, "lumbung-derita-sepeda-merah", _visitor())
    client = a.client()
    form = _form(client.get("/signin").text)
    client.post("/signin", data={"form": form, "name": name, "password": "lumbung-derita-sepeda-merah"})
    return bool(client.get(f"{API}/me").status_code == 200)


def account(a: Any, b: Any) -> bool:
    """A's administrator asks for an account of B."""
    id = b.accounts.add(f"rina{next(NUMBERS)}", Role.ENGINEER, By("test"))[0].id
    return bool(a.browser().get(f"{API}/accounts/{id}").status_code == 200)


def revoked_token(a: Any, b: Any) -> bool:
    """A's administrator revokes a token of B."""
    token, text = b.accounts.add_token(
        b.admin, By("test"), name=f"t{next(NUMBERS)}", rights=tuple(b.admin.rights), days=30
    )
    a.browser().delete(f"{API}/tokens/{token.id}")
    return b.accounts.sign_in.by_token(text, _visitor()) is None


def one_tap_link(a: Any, b: Any) -> bool:
    """The link of a message of B, with A's host name in it."""
    id = b.leak()
    link = b.parts.desk.links.token(Link(id, "piket", datetime.now(UTC) + timedelta(hours=1)))
    a.client().post(f"/a/{link}")
    return bool(
        a.client().get(f"/a/{link}").status_code == 200 or b.parts.alerts.get(id).state.value != "open"
    )


def resident_code(a: Any, b: Any) -> bool:
    """The tracking code that a resident got of B."""
    public = b.parts.residents.public
    taken = public.submit(Sent("no_water", public.moment(), "0812 3456 7890", "Jl. Melati 3"), "198.51.100.9")
    return bool(a.client().get(f"{API}/public-reports/track/{taken.code}").status_code == 200)


def report_of_a_resident(a: Any, b: Any) -> bool:
    public = b.parts.residents.public
    taken = public.submit(Sent("no_water", public.moment(), "0812 3456 7890", "Jl. Melati 3"), "198.51.100.9")
    return bool(a.browser().get(f"{API}/public-reports/{taken.report.id}").status_code == 200)


def security_log(a: Any, b: Any) -> bool:
    name = f"budi{next(NUMBERS)}"
    b.accounts.add(name, Role.VIEWER, By("test"))
    return name in a.browser().get(f"{API}/security-events").text


CROSSINGS: list[Callable[[Any, Any], bool]] = [
    session, session_on_a_page, token, token_for_metrics, session_and_form_that_change, form_of_another,
    alert, alert_page, alert_among_others, alert_acted_on, photo, photo_under_an_alert_of_ones_own, work,
    reading, reading_by_sensorthings, reading_exported, kept_report, code_for_a_new_password, password,
    account, revoked_token, one_tap_link, resident_code, report_of_a_resident, security_log,
]  # fmt: skip


@pytest.mark.parametrize("crosses", CROSSINGS, ids=lambda c: c.__name__)
def test_nothing_of_one_utility_is_worth_anything_at_another(twins: Any, crosses: Any) -> None:
    kota, desa = twins
    assert not crosses(kota, desa)
    assert not crosses(desa, kota)


@pytest.mark.parametrize("crosses", CROSSINGS, ids=lambda c: c.__name__)
def test_the_same_is_seen_to_cross_where_two_are_not_apart(not_apart: Any, crosses: Any) -> None:
    assert crosses(*not_apart)


def _weak(a: Any, b: Any) -> bool:
    return bool(a.parts.site.id == b.parts.site.id)


def _form(page: str) -> str:
    found = re.search(r'name="form" value="([0-9a-f]{40})"', page)
    assert found is not None, page[:500]
    return found[1]


def _visitor() -> Any:
    return Visitor("192.0.2.7")
