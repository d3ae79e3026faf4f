"""What the sync does to a Grafana, against the stand-in made from Grafana's OpenAPI description."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Response

from twuin.grafana.bundle import Bundle, make_bundle
from twuin.grafana.client import Grafana, GrafanaError
from twuin.grafana.installation import Installation
from twuin.grafana.sync import Act, Step, Wishes, apply, plan
from waterworks.errors import SettingsError

SITE = Installation(site="kota", name="Kota Wening", influx_url="http://influx:8086", database="twuin")

EMAILS = ("duty@pdam.example",)

ADMIN = "glsa_admin_0123456789"


@lru_cache
def bundles(at: Installation = SITE) -> list[Bundle]:
    return [make_bundle(at, "en"), make_bundle(at, "id")]


def steps_of(server: Any, at: Installation = SITE, **wishes: Any) -> list[Step]:
    emails = wishes.setdefault("emails", EMAILS)
    return plan(Grafana(server.url, ADMIN), bundles(replace(at, alert_emails=emails)), Wishes(**wishes))


def sync(server: Any, at: Installation = SITE, **wishes: Any) -> list[Step]:
    done: list[Step] = []
    apply(steps_of(server, at, **wishes), done.append)
    return done


def acts(steps: list[Step]) -> dict[str, str]:
    return {s.uid: str(s.act) for s in steps}


def state(server: Any) -> Any:
    return copy.deepcopy(
        [server.folders, server.datasources, server.secrets, server.dashboards, server.rules, server.contacts]
    )


def a_dashboard(server: Any) -> str:
    return str(sorted(server.dashboards)[0])


def edit_dashboard(server: Any, uid: str) -> None:
    """As somebody saves it on Grafana's own page."""
    board = server.dashboards[uid]["dashboard"]
    board["title"] += " (mine)"
    board["version"] += 1


def test_everything_is_made_in_an_empty_grafana(grafana: Any) -> None:
    sync(grafana)
    wanted = bundles()
    assert set(grafana.folders) == {f.uid for b in wanted for f in b.folders}
    assert set(grafana.dashboards) == {d.uid for b in wanted for d in b.dashboards}
    assert set(grafana.datasources) == {d.uid for d in wanted[0].datasources}
    assert set(grafana.rules) == {r.uid for r in wanted[0].rules}
    assert {c["settings"]["addresses"] for c in grafana.contacts.values()} == {"duty@pdam.example"}
    for b in wanted:
        for d in b.dashboards:
            there = grafana.dashboards[d.uid]
            assert there["folder"] == d.folder_uid
            assert there["dashboard"]["panels"] == d.model["panels"]


def test_a_second_run_changes_nothing(grafana: Any) -> None:
    sync(grafana)
    before, writes = state(grafana), len(grafana.writes)
    steps = steps_of(grafana)
    assert {s.act for s in steps} == {Act.SAME}
    assert apply(steps, lambda step: None) == 0
    assert (state(grafana), len(grafana.writes)) == (before, writes)


def test_planning_changes_nothing(grafana: Any) -> None:
    steps = steps_of(grafana)
    assert {s.act for s in steps} == {Act.CREATE}
    assert grafana.writes == []


def test_one_language_first_and_the_other_later_make_one_set_of_rules(grafana: Any) -> None:
    client = Grafana(grafana.url, ADMIN)
    for language in ("en", "id"):
        apply(plan(client, [make_bundle(SITE, language)], Wishes()), lambda step: None)
    assert set(grafana.rules) == {r.uid for r in bundles()[0].rules}
    assert {s.act for s in steps_of(grafana, emails=())} == {Act.SAME}


def test_a_new_twuin_changes_what_differs_and_only_that(grafana: Any) -> None:
    sync(grafana)
    done = sync(grafana, replace(SITE, influx_url="http://elsewhere:8086"))
    source = bundles()[0].datasources[0].uid
    assert acts(done) == {source: "update"}
    assert done[0].changes == ('url: "http://influx:8086" -> "http://elsewhere:8086"',)
    assert grafana.datasources[source]["url"] == "http://elsewhere:8086"
    assert {s.act for s in steps_of(grafana, replace(SITE, influx_url="http://elsewhere:8086"))} == {Act.SAME}


def test_dashboards_are_changed_again_and_again_by_the_version_that_grafana_counts(grafana: Any) -> None:
    for n, zone in enumerate(("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"), start=1):
        done = sync(grafana, replace(SITE, timezone=zone))
        assert set(grafana.dashboards) <= {s.uid for s in done}
        for there in grafana.dashboards.values():
            assert there["dashboard"]["version"] == n
            assert there["dashboard"]["timezone"] == zone
    assert all(s.changes for s in steps_of(grafana, replace(SITE, twuin_url="https://x.example")) if s.do)
    changed = next(s for s in done if s.kind == "dashboard")
    assert "timezone" in changed.changes


def test_what_somebody_changed_is_left_while_twuin_has_nothing_newer(grafana: Any) -> None:
    sync(grafana)
    uid = a_dashboard(grafana)
    edit_dashboard(grafana, uid)
    before = state(grafana)
    steps = steps_of(grafana)
    assert acts(steps)[uid] == "keep"
    assert apply(steps, lambda step: None) == 0
    assert state(grafana) == before


def test_what_somebody_changed_is_refused_when_twuin_has_newer_and_nothing_is_touched(grafana: Any) -> None:
    sync(grafana)
    uid = a_dashboard(grafana)
    edit_dashboard(grafana, uid)
    before = state(grafana)
    newer = replace(SITE, timezone="Asia/Makassar")
    with pytest.raises(GrafanaError, match=rf"(?s)nothing was changed.*{uid}.*somebody has changed it"):
        sync(grafana, newer)
    assert state(grafana) == before
    sync(grafana, newer, leave=[uid])
    assert grafana.dashboards[uid] == before[3][uid]
    sync(grafana, newer, take=[uid])
    assert grafana.dashboards[uid]["dashboard"]["timezone"] == "Asia/Makassar"
    assert {s.act for s in steps_of(grafana, newer)} == {Act.SAME}


def test_a_dashboard_moved_to_another_folder_stays_there(grafana: Any) -> None:
    sync(grafana)
    uid = a_dashboard(grafana)
    grafana.folders["own"] = {"id": 99, "uid": "own", "title": "Own", "version": 1}
    grafana.dashboards[uid]["folder"] = "own"
    assert acts(steps_of(grafana))[uid] == "keep"


def foreign(server: Any, kind: str, uid: str, title: str) -> None:
    """Something of that kind that people made."""
    folder = bundles()[0].folders[0].uid
    alarms = bundles()[0].folders[-1].uid
    headers = {"Authorization": f"Bearer {ADMIN}"}
    posts: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "folder": [("folders", {"uid": uid, "title": title})],
        "data source": [
            (
                "datasources",
                {"uid": uid, "name": title, "type": "influxdb", "access": "proxy", "url": "http://x"},
            )
        ],
        "dashboard": [
            ("folders", {"uid": folder, "title": bundles()[0].folders[0].title}),
            ("dashboards/db", {"dashboard": {"uid": uid, "title": title}, "folderUid": folder}),
        ],
        "contact point": [
            (
                "v1/provisioning/contact-points",
                {"uid": uid, "name": title, "type": "webhook", "settings": {"url": "http://x"}},
            )
        ],
        "alert rule": [
            ("folders", {"uid": alarms, "title": bundles()[0].folders[-1].title}),
            (
                "v1/provisioning/alert-rules",
                {
                    "uid": uid,
                    "title": title,
                    "folderUID": alarms,
                    "ruleGroup": "own",
                    "orgID": 1,
                    "condition": "A",
                    "data": [{"refId": "A", "datasourceUid": "x", "model": {}}],
                    "noDataState": "OK",
                    "execErrState": "OK",
                    "for": "5m",
                },
            ),
        ],
    }
    for path, body in posts[kind]:
        requests.post(f"{server.url}/api/{path}", json=body, headers=headers, timeout=10).raise_for_status()


KINDS = ("folder", "data source", "dashboard", "contact point", "alert rule")


def ours(kind: str) -> tuple[str, str]:
    of = bundles()[0]
    things: dict[str, Any] = dict(
        zip(KINDS, (of.folders, of.datasources, of.dashboards, of.contact_points, of.rules), strict=True)
    )
    return things[kind][0].uid, things[kind][0].title


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_made_under_our_uid_is_refused(grafana: Any, kind: str) -> None:
    uid, _ = ours(kind)
    foreign(grafana, kind, uid, "Made by people")
    before = state(grafana)
    with pytest.raises(GrafanaError, match=rf"nothing was changed(?s:.*){kind} .*\({uid}\)"):
        sync(grafana)
    assert state(grafana) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_made_under_our_title_is_refused(grafana: Any, kind: str) -> None:
    uid, title = ours(kind)
    foreign(grafana, kind, "own", title)
    before = state(grafana)
    with pytest.raises(GrafanaError, match=rf"{kind} .*\({uid}\): another .* has that (title|name) already"):
        sync(grafana)
    assert state(grafana) == before


@pytest.mark.parametrize("kind", ["folder", "data source", "dashboard", "alert rule"])
def test_what_people_made_is_overwritten_only_when_it_is_named(grafana: Any, kind: str) -> None:
    uid, _ = ours(kind)
    foreign(grafana, kind, uid, "Made by people")
    done = sync(grafana, take=[uid])
    assert acts(done)[uid] == "update"
    assert next(s for s in done if s.uid == uid).changes
    assert {s.act for s in steps_of(grafana)} == {Act.SAME}


def test_other_things_are_never_touched(grafana: Any) -> None:
    for kind in KINDS:
        if kind not in ("dashboard", "alert rule"):
            foreign(grafana, kind, f"own-{kind.replace(' ', '-')}", f"Own {kind}")
    before = state(grafana)
    sync(grafana)
    sync(grafana, replace(SITE, timezone="Asia/Makassar", twuin_url="https://twuin.example"))
    for was, now in zip(before, state(grafana), strict=True):
        for uid, thing in was.items():
            assert now[uid] == thing


@pytest.mark.parametrize("kind", ["data source", "dashboard", "alert rule", "contact point"])
def test_what_comes_from_files_is_refused(grafana: Any, kind: str) -> None:
    sync(grafana)
    uid, _ = ours(kind)
    if kind == "data source":
        grafana.datasources[uid]["readOnly"] = True
    elif kind == "dashboard":
        grafana.dashboards[uid]["provisioned"] = True
    elif kind == "alert rule":
        grafana.rules[uid]["provenance"] = "file"
    else:
        grafana.contacts[uid]["provenance"] = "file"
    with pytest.raises(GrafanaError, match=rf"\({uid}\): comes from files"):
        sync(grafana)


def test_a_rule_that_was_changed_is_seen_and_one_that_was_paused_stays_paused(grafana: Any) -> None:
    sync(grafana)
    uid = bundles()[0].rules[0].uid
    grafana.rules[uid]["isPaused"] = True
    assert acts(steps_of(grafana))[uid] == "same"
    newer = replace(SITE, twuin_url="https://twuin.example")
    assert acts(sync(grafana, newer))[uid] == "update"
    assert grafana.rules[uid]["isPaused"] is True
    assert grafana.rules[uid]["annotations"]["runbook_url"] == "https://twuin.example/alerts"
    grafana.rules[uid]["for"] = "1h"
    assert acts(steps_of(grafana, newer))[uid] == "keep"
    with pytest.raises(GrafanaError, match=uid):
        sync(grafana, SITE)


def test_rules_are_locked_on_grafanas_pages_and_the_contact_point_is_not(grafana: Any) -> None:
    sync(grafana)
    assert {r["provenance"] for r in grafana.rules.values()} == {"api"}
    assert {c["provenance"] for c in grafana.contacts.values()} == {""}


def test_without_an_address_nobody_is_told_by_ours_and_rules_go_grafanas_own_way(grafana: Any) -> None:
    sync(grafana, emails=())
    assert grafana.contacts == {}
    assert {r["notification_settings"] for r in grafana.rules.values()} == {None}
    sync(grafana)
    name = bundles()[0].contact_points[0].title
    assert {r["notification_settings"]["receiver"] for r in grafana.rules.values()} == {name}


def test_whom_administrators_tell_stays_unless_an_address_is_given(grafana: Any) -> None:
    sync(grafana)
    point = bundles()[0].contact_points[0].uid
    grafana.contacts[point]["settings"] = {"addresses": "other@pdam.example", "subject": "own"}
    assert {s.act for s in steps_of(grafana, emails=())} == {Act.SAME}
    done = sync(grafana, emails=("a@pdam.example", "b@pdam.example"))
    assert acts(done) == {point: "update"}
    assert grafana.contacts[point]["settings"] == {
        "addresses": "a@pdam.example;b@pdam.example",
        "singleEmail": True,
        "subject": "own",
    }


def test_a_secret_goes_in_once_and_again_where_it_is_missing(grafana: Any) -> None:
    secret = [("httpHeaderValue1", "Token s3cret")]
    uid = bundles()[0].datasources[0].uid
    first = steps_of(grafana)
    assert "without its secret" in next(s for s in first if s.uid == uid).changes[0]
    sync(grafana)
    assert grafana.secrets[uid] == {}
    done = sync(grafana, secrets=secret)
    assert acts(done) == {uid: "update"}
    assert grafana.secrets[uid] == {"httpHeaderValue1": "Token s3cret"}
    assert "s3cret" not in repr([(str(s), s.changes) for s in done])
    assert {s.act for s in steps_of(grafana, secrets=secret)} == {Act.SAME}


def test_a_default_data_source_stays_the_default(grafana: Any) -> None:
    sync(grafana)
    uid = bundles()[0].datasources[0].uid
    grafana.datasources[uid]["isDefault"] = True
    sync(grafana, replace(SITE, influx_url="http://elsewhere:8086"))
    assert grafana.datasources[uid]["isDefault"] is True


@pytest.mark.parametrize("after", [0, 1, 4, 6])
def test_after_a_failure_half_way_the_next_run_goes_on(grafana: Any, after: int) -> None:
    grafana.fail_after = after
    said = "Nothing was changed" if after == 0 else f"{after} of .* made before it"
    with pytest.raises(
        GrafanaError, match=rf"Grafana answered 500: database is locked\. {said}; run it again"
    ):
        sync(grafana)
    assert len(grafana.writes) == after
    grafana.fail_after = None
    sync(grafana)
    assert {s.act for s in steps_of(grafana)} == {Act.SAME}
    made = [p for m, p in grafana.writes if m == "POST"]
    assert len(made) == len(steps_of(grafana))


def test_two_who_save_at_once_do_not_overwrite_each_other(grafana: Any) -> None:
    sync(grafana)
    uid = a_dashboard(grafana)
    steps = [s for s in steps_of(grafana, replace(SITE, timezone="Asia/Makassar")) if s.uid == uid]
    grafana.before_write = lambda: edit_dashboard(grafana, uid)
    with pytest.raises(GrafanaError, match=r"somebody changed it at the same time.*changed by someone else"):
        apply(steps, lambda step: None)
    assert grafana.dashboards[uid]["dashboard"]["title"].endswith("(mine)")


def test_a_data_source_changed_meanwhile_is_not_overwritten(grafana: Any) -> None:
    sync(grafana)
    uid = bundles()[0].datasources[0].uid
    steps = [s for s in steps_of(grafana, replace(SITE, influx_url="http://b:8086")) if s.uid == uid]
    grafana.before_write = lambda: grafana.datasources[uid].update(version=7)
    with pytest.raises(GrafanaError, match=r"somebody changed it at the same time.*updated by someone else"):
        apply(steps, lambda step: None)
    assert grafana.datasources[uid]["url"] == "http://influx:8086"


def test_a_wrong_token_is_said_and_not_shown(grafana: Any) -> None:
    with pytest.raises(GrafanaError, match=r"does not know the token \(Invalid API key\)") as e:
        Grafana(grafana.url, "glsa_wrong").check()
    assert "glsa_wrong" not in str(e.value)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "täken"])
def test_a_token_that_can_be_none_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(SettingsError, match="characters that no token") as e:
        Grafana("http://127.0.0.1:1", token)
    assert token not in str(e.value)


@pytest.mark.parametrize(("role", "needs"), [("viewer", "datasources:read"), ("editor", "datasources:read")])
def test_too_few_rights_name_what_is_needed(grafana: Any, role: str, needs: str) -> None:
    client = Grafana(grafana.url, f"glsa_{role}_0123456789")
    client.check()
    with pytest.raises(GrafanaError, match=rf"too few rights: .*{needs}\. .*role Admin"):
        plan(client, bundles(), Wishes())
    assert grafana.writes == []


@pytest.mark.parametrize("version", ["11.5.9", "10.4.19", "9.5.3", "7.0.0"])
def test_a_grafana_too_old_is_refused_with_the_oldest_that_is_supported(
    new_grafana: Callable[..., Any], version: str
) -> None:
    server = new_grafana(version=version)
    with pytest.raises(GrafanaError, match=rf"is Grafana {version}; the oldest that Twuin supports is 11\.6"):
        Grafana(server.url, ADMIN).check()
    assert server.writes == []


@pytest.mark.parametrize("version", ["11.6.0", "11.6.4+security-01", "12.3.0-pre", "13.0.1"])
def test_newer_versions_are_taken(new_grafana: Callable[..., Any], version: str) -> None:
    assert Grafana(new_grafana(version=version).url, ADMIN).check() == version


def test_a_grafana_that_hides_its_version_is_taken(new_grafana: Callable[..., Any]) -> None:
    server = new_grafana(version="")
    assert "does not tell" in Grafana(server.url, ADMIN).check()
    sync(server)


def test_grafana_below_a_path(new_grafana: Callable[..., Any]) -> None:
    server = new_grafana(prefix="/grafana")
    sync(server)
    assert {s.act for s in steps_of(server)} == {Act.SAME}
    with pytest.raises(GrafanaError, match=r"knows no such thing|is the address right"):
        Grafana(server.url.removesuffix("/grafana"), ADMIN).check()


def test_nobody_answers(free_port: Callable[[], int]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(GrafanaError, match=rf"Grafana at {url} cannot be reached: .*Connection refused"):
        Grafana(url, ADMIN).check()


def test_no_such_machine() -> None:
    with pytest.raises(GrafanaError, match="cannot be reached") as e:
        Grafana("http://grafana.invalid", ADMIN).check()
    assert "HTTPConnectionPool" not in str(e.value)


def test_somebody_listens_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(GrafanaError, match="no answer in time"):
            Grafana(url, ADMIN, timeout_s=0.2).check()


def test_no_tls_where_tls_is_asked_for(grafana: Any) -> None:
    with pytest.raises(GrafanaError, match="cannot be reached") as e:
        Grafana(grafana.url.replace("http:", "https:"), ADMIN).check()
    assert "HTTPSConnectionPool" not in str(e.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response("<html>Welcome to nginx!</html>", content_type="text/html"), "does not answer as Grafana"),
        (Response('{"status": "fine"}', content_type="application/json"), "does not answer as Grafana"),
        (Response("{", content_type="application/json"), "does not answer as Grafana"),
        (Response("", 301, {"Location": "http://127.0.0.1:1/"}), "sends us elsewhere"),
        (Response("bad gateway", 502), "Grafana answered 502"),
    ],
)
def test_something_else_answers(httpserver: Any, answer: Response, said: str) -> None:
    httpserver.expect_request("/api/health").respond_with_response(answer)
    with pytest.raises(GrafanaError, match=said):
        Grafana(httpserver.url_for("").rstrip("/"), ADMIN).check()


@pytest.mark.parametrize(
    "url",
    [
        "grafana.example",
        "ftp://x",
        "http://",
        "http://u:secret@x",
        "http://x?y=1",
        "http://x:99999",
        "http://x:0",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="is not an address of Grafana") as e:
        Grafana(url, ADMIN)
    assert "secret" not in str(e.value)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "v1/provisioning/alert-rules", {"title": "x"}),
        ("POST", "v1/provisioning/contact-points", {"name": "x", "type": "pigeon", "settings": {}}),
        ("POST", "folders", {"title": 1}),
        ("POST", "folders", {"titel": "x"}),
        ("POST", "dashboards/db", {"dashboard": {}, "overwrite": "yes"}),
        ("PUT", "datasources/uid/x", {"version": "1"}),
        ("GET", "search?limit=many", None),
        ("GET", "no/such/path", None),
        ("DELETE", "folders/x", None),
    ],
)
def test_the_stand_in_refuses_what_the_description_refuses(
    grafana_api: ModuleType, method: str, path: str, body: Any
) -> None:
    server = grafana_api.GrafanaServer()
    try:
        got = requests.request(
            method,
            f"{server.url}/api/{path}",
            json=body,
            headers={"Authorization": f"Bearer {ADMIN}"},
            timeout=10,
        )
        assert got.status_code == 400
        assert len(server.violations) == 1
    finally:
        server.close()
