"""Other systems tell Twuin of works, complaints and work orders: each once, and nobody else."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twuin.access import OpenAccess, install_access
from twuin.accounts.service import By
from twuin.api import install_errors
from twuin.api.webhooks import ACTION, BURST, TYPES, webhook_routes
from twuin.hooks.senders import Senders, Topic
from twuin.hooks.signature import TOLERANCE_S
from waterworks.errors import NotFound, StoreUnavailable, WrongInput

WORK = {
    "type": "work.planned",
    "data": {
        "ref": "WO-1", "kind": "flushing", "start": "2026-03-11T08:00:00+07:00",
        "end": "2026-03-11T12:00:00+07:00", "dmas": ["D1"], "extra_m3h": 20,
    },
}  # fmt: skip
COMPLAINT = {
    "type": "complaint.received",
    "data": {"category": "no_water", "phone": "0812 3456 7890", "where": "Jl. Melati 3"},
}


def order(post: Any, state: str, **more: Any) -> dict[str, Any]:
    return {"type": "order.changed", "data": {"alert": post.alert().id, "state": state, **more}}


def test_a_planned_work_is_entered_once_and_cancelled_by_its_number(post: Any) -> None:
    first, again = post.send(WORK, "m1"), post.send(WORK, "m1")
    assert first.status_code == again.status_code == 200 and first.json() == again.json()
    assert post.send(WORK, "m2").json()["id"] == first.json()["id"]  # told anew, the same work
    (work,) = post.town.works.works()
    assert work.by == "crm (webhook)" and work.plan.dmas == ("D1",)
    gone = {"type": "work.cancelled", "data": {"ref": "WO-1", "why": "rain"}}
    assert [post.send(gone, f"c{i}").status_code for i in (1, 1, 2)] == [200, 200, 200]
    (work,) = post.town.works.works()
    assert work.cancelled and work.version == 2
    unknown = post.send({"type": "work.cancelled", "data": {"ref": "WO-9"}}, "c3")
    assert unknown.status_code == 404 and "WO-9" in unknown.json()["detail"]


def test_a_complaint_is_a_residents_report_once(post: Any) -> None:
    first, again = post.send(COMPLAINT, "c1"), post.send(COMPLAINT, "c1")
    assert first.status_code == 200 and first.json() == again.json()
    post.send({**COMPLAINT, "data": {**COMPLAINT["data"], "phone": "0812 3456 7891"}}, "c2")
    page = post.residents.desk.page(dmas=None).items
    assert len(page) == 2 and {r.state.value for r in page} == {"open"}
    assert len({r.source for r in page}) == 2 and len({r.network for r in page}) == 1
    assert post.residents.desk.person(first.json()["id"]).where == "Jl. Melati 3"
    assert post.residents.public.track(first.json()["code"], "192.0.2.1").step.word == "received"


def test_what_comes_in_a_flood_is_held_for_a_person(post: Any) -> None:
    for i in range(42):
        said = {**COMPLAINT, "data": {**COMPLAINT["data"], "phone": f"0812 3456 7{i:03d}"}}
        assert post.send(said, f"c{i}").status_code == 200
    states = [r.state.value for r in post.residents.desk.page(dmas=None, limit=100).items]
    assert states.count("held") == 2


def test_a_work_order_moves_its_alert_once(post: Any) -> None:
    for _ in range(2):
        assert post.send(order(post, "assigned", assignee="Crew North"), "o1").status_code == 200
    assert post.send(order(post, "on_site"), "o2").status_code == 200
    assert post.send(order(post, "repaired", place={"pipe": "P2"}, method="clamp"), "o3").status_code == 200
    alert = post.alert()
    assert alert.state.value == "repaired" and alert.work.assignee == "Crew North"
    lines = [(e.action, e.actor) for e in post.town.alerts.history(alert.id)]
    assert lines[1:] == [(step, "crm (webhook)") for step in ("assigned", "arrived", "repaired")]


def test_what_the_alerts_state_does_not_allow_is_refused(post: Any) -> None:
    assert post.send(order(post, "repaired", place={"pipe": "P2"}), "o1").status_code == 200
    late = post.send(order(post, "on_site"), "o2")
    assert late.status_code == 409 and late.json()["type"] == "urn:twuin:problem:transition-refused"
    assert post.send(order(post, "assigned"), "o3").status_code in (409, 422)
    other = post.send({"type": "order.changed", "data": {"alert": "nope", "state": "on_site"}}, "o4")
    assert other.status_code == 404
    # A work order neither closes nor reopens an alert.
    assert post.send(order(post, "close"), "o5").status_code == 422


def test_an_id_that_came_with_another_step_is_refused(post: Any) -> None:
    assert post.send(order(post, "assigned", assignee="Crew North"), "o1").status_code == 200
    assert post.send(order(post, "on_site"), "o1").status_code == 422
    assert post.alert().state.value == "assigned"


def test_what_is_not_signed_here_and_now_changes_nothing_and_is_logged(post: Any) -> None:
    other = post.senders.add("gis", [Topic.WORKS])
    raw, now = json.dumps(WORK).encode(), time.time()
    good = post.send(raw, "x").request.headers["webhook-signature"]  # of a message that came before
    answers = [
        post.send(WORK, secret=other),
        post.send(raw + b" ", **{"webhook-signature": good}),
        post.send(raw, "y", **{"webhook-signature": good}),
        post.send(raw, at=now - 2, **{"webhook-timestamp": str(int(now))}),
        post.client.post("/api/v1/webhooks/crm", content=raw),
        post.send(WORK, at=now - TOLERANCE_S - 5),
        post.send(WORK, at=now + TOLERANCE_S + 5),
        post.send(raw, "x", **{"webhook-signature": good.replace("v1,", "v1a,")}),
        post.send(WORK, sender="nobody"),
    ]
    for answer in answers:
        assert answer.status_code == 401 and answer.json()["type"] == "urn:twuin:problem:not-signed"
    assert len(post.town.works.works()) == 1
    lines = [e for e in post.accounts.events() if e.what.value == "sign_in_failed"]
    assert [e.about for e in lines] == ["webhook nobody"] + ["webhook crm"] * 8
    assert all(e.detail for e in lines)


def test_a_sender_tells_only_what_it_may(post: Any) -> None:
    secret = post.senders.add("gis", [Topic.WORKS])
    answer = post.send(COMPLAINT, sender="gis", secret=secret)
    assert answer.status_code == 403 and "complaints" in answer.json()["detail"]
    assert post.residents.desk.page(dmas=None).items == []
    assert post.send(WORK, sender="gis", secret=secret).status_code == 200


def test_a_secret_is_changed_without_a_gap(post: Any) -> None:
    old, new = post.secret, post.senders.rotate("crm")
    assert [post.send(WORK, f"a{i}", secret=s).status_code for i, s in enumerate((old, new))] == [200, 200]
    newest = post.senders.rotate("crm")  # two at a time, and no more
    found = [post.send(WORK, f"b{i}", secret=s).status_code for i, s in enumerate((old, new, newest))]
    assert found == [401, 200, 200]
    assert post.senders.retire("crm") == 1
    assert [post.send(WORK, f"c{i}", secret=s).status_code for i, s in enumerate((new, newest))] == [401, 200]
    post.senders.remove("crm")
    assert post.send(WORK, secret=newest).status_code == 401


def test_a_sender_may_sign_with_both_secrets_at_once(post: Any) -> None:
    good = post.send(WORK, "m1")
    both = f"v1,{'A' * 43}= {good.request.headers['webhook-signature']}"
    stamp = good.request.headers["webhook-timestamp"]
    assert post.send(WORK, "m1", at=float(stamp), **{"webhook-signature": both}).status_code == 200


UNREADABLE = (
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 30_000, b'{"type": 1}',
    b'{"type": "work.eaten"}',
    b'{"type": "work.planned"}', b'{"type": "work.planned", "data": []}', b'{"type": ["work.planned"]}',
    b'{"type": "complaint.received", "data": {"category": "leak", "phone": "\\ud800", "where": "Jl. 3"}}',
    b'{"type": "complaint.received", "data": {"category": "leak", "phone": "1", "where": "Jl. Melati"}}',
    b'{"type": "complaint.received", "data": {"category": "leak", "phone": "08123456789", "lon": NaN}}',
    b'{"type": "work.planned", "data": {"ref": "a", "kind": "flushing", "start": 5}}',
    b'{"type": "order.changed", "data": {"alert": "a", "state": "assigned", "actor": "Sari"}}',
    b'{"type": "work.cancelled", "data": ' + b'{"ref":' * 5000 + b"1" + b"}" * 5000 + b"}",
)  # fmt: skip


def test_what_cannot_be_read_is_refused_in_words(post: Any) -> None:
    for body in UNREADABLE:
        answer = post.send(body)
        assert answer.status_code == 422 and answer.json()["detail"], (body[:100], answer.text)


def test_a_long_body_is_not_read(post: Any) -> None:
    assert post.send(b" " * 70_000).status_code == 413


def test_who_sends_without_end_is_slowed_down(post: Any) -> None:
    app, now = FastAPI(), [1.8e9]
    install_errors(app)
    install_access(app, OpenAccess())
    app.include_router(webhook_routes(post.senders, None, post.town.alerts, None, lambda: now[0]))
    client = TestClient(app)
    found = [client.post("/api/v1/webhooks/crm", content=b"{}") for _ in range(BURST + 2)]
    assert [a.status_code for a in found] == [401] * BURST + [429] * 2
    assert found[-1].headers["retry-after"] == "1"
    now[0] += 1.0
    assert client.post("/api/v1/webhooks/crm", content=b"{}").status_code == 401


def test_a_file_that_is_damaged_lets_nobody_in(post: Any, tmp_path: Path) -> None:
    path = tmp_path / "webhooks" / "crm.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o440 and post.secret in path.read_text()
    path.chmod(0o600)
    for damage in ("", "{", "[]", '{"may": ["all"], "keys": []}', '{"may": [], "keys": [{"secret": 1}]}'):
        path.write_text(damage)
        answer = post.send(WORK)
        assert answer.status_code == 503 and "crm" in answer.json()["detail"], damage


def test_names_and_rights_are_checked(tmp_path: Path) -> None:
    senders = Senders(tmp_path / "webhooks")
    for name in ("", "../crm", "CRM", "a/b", "x" * 41, ".hidden"):
        with pytest.raises(WrongInput):
            senders.add(name, [Topic.WORKS])
        assert senders.get(name) is None
    with pytest.raises(WrongInput, match="may tell"):
        senders.add("crm", [])
    senders.add("crm", [Topic.WORKS])
    with pytest.raises(WrongInput, match="already"):
        senders.add("crm", [Topic.WORKS])
    for act in (senders.rotate, senders.retire, senders.remove):
        with pytest.raises(NotFound):
            act("gis")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be"):
        Senders(tmp_path / "file" / "webhooks").add("crm", [Topic.WORKS])


def test_a_new_secret_is_a_line_of_the_security_log(post: Any) -> None:
    post.accounts.note_sender(By("(terminal sari)"), "crm", "may tell works", made=True)
    line = post.accounts.events()[0]
    assert (line.what.value, line.actor, line.about) == ("token_made", "(terminal sari)", "webhook crm")


def test_the_page_of_the_docs_names_every_type_and_state(root: Path) -> None:
    text = (root / "docs" / "webhooks-in.md").read_text()
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert dict(rows) == {kind: topic.value for kind, (topic, _) in TYPES.items()}
    for kind, (_, model) in TYPES.items():
        section = text[text.index(f"### {kind}") :].split("\n### ")[0]
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert required <= set(re.findall(r"`(\w+)`", section)), kind
    assert (
        dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \| [^|]*\|$", text, re.MULTILINE)).items() >= ACTION.items()
    )


def test_the_example_of_the_docs_is_taken(post: Any, web_server: Any, root: Path, program: Any) -> None:
    program("openssl"), program("curl")
    text = (root / "docs" / "webhooks-in.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    server = web_server()
    server.start(post.app)
    try:
        script = script.replace("https://water.example", server.url).replace("whsec_...", post.secret)
        done = subprocess.run(
            ["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        server.stop()
    assert json.loads(done.stdout)["type"] == "complaint.received", done.stdout
    assert len(post.residents.desk.page(dmas=None).items) == 1
