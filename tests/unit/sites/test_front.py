"""Only the host name says whose pages are asked for; and browsers keep hosts apart."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from twuin.access.cookies import FORM_HEADER

API = "/api/v1"


@pytest.fixture(scope="module")
def port(twins: Any, web_server: Any) -> Iterator[int]:
    server = web_server()
    server.start(twins[0].street)
    yield server.port
    server.stop()


def asked(port: int, raw: str) -> str:
    """The answer to a request, byte by byte as it is given."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(raw.replace("\n", "\r\n").encode("latin-1"))
        found = b""
        while part := line.recv(65_536):
            found += part
    return found.decode("utf-8", "replace")


def request(target: str, *headers: str, cookie: str) -> str:
    return "\n".join(
        [f"GET {target} HTTP/1.1", *headers, f"cookie: twuin_session={cookie}", "connection: close", "", ""]
    )


KOTA = "host: kota.water.example"
SITE = f"{API}/site"

TRICKS = {
    "another host forwarded": (SITE, KOTA, "x-forwarded-host: desa.water.example"),
    "forwarded, in the standard's way": (SITE, KOTA, "forwarded: host=desa.water.example"),
    "another address": (f"http://desa.water.example{SITE}", KOTA),
    "two hosts": (SITE, KOTA, "host: desa.water.example"),
    "two hosts, turned round": (SITE, "host: desa.water.example", KOTA),
    "a rewritten address": (SITE, KOTA, "x-original-url: http://desa.water.example/", "x-rewrite-url: /desa"),
    "up and over": (f"/../desa{SITE}", KOTA),
    "up and over, written as in URLs": (f"/%2e%2e/desa{SITE}", KOTA),
    "a path that looks like a host": (f"//desa.water.example{SITE}", KOTA),
    "a host in a list": (SITE, "host: kota.water.example, desa.water.example"),
    "a user before the host": (SITE, "host: desa.water.example@kota.water.example"),
    "a port that is a host": (SITE, "host: kota.water.example:desa.water.example"),
    "a dot at the end": (SITE, "host: desa.water.example."),
    "an address": (SITE, "host: 127.0.0.1"),
    "none": (SITE, "host:"),
    "a subdomain": (SITE, "host: x.desa.water.example"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_no_request_to_one_host_reaches_another_with_a_session_from_there(
    port: int, twins: Any, trick: str
) -> None:
    for_desa = twins[1].session()[0]["twuin_session"]
    answer = asked(port, request(*TRICKS[trick], cookie=for_desa))
    assert re.match(r"HTTP/1\.1 (400|401|404|421|303) ", answer), answer[:300]
    assert "PDAM Desa" not in answer


def test_the_host_itself_is_answered_in_any_letters_and_with_a_port(port: int, twins: Any) -> None:
    """So the tricks above are refused for what they are."""
    cookie = twins[1].session()[0]["twuin_session"]
    for host in ("desa.water.example", "DESA.Water.Example", f"desa.water.example:{port}"):
        assert "PDAM Desa" in asked(port, request(SITE, f"host: {host}", cookie=cookie))


def test_cookies_are_for_one_host_alone(twins: Any) -> None:
    client = twins[0].client()
    answer = client.get("/signin")
    said = answer.headers.get_list("set-cookie")
    assert said and not any("domain=" in c.lower() for c in said)


def test_a_page_of_another_utility_may_not_act_or_read_here(twins: Any) -> None:
    """To a browser they are of one "site", so its SameSite cookies go along."""
    kota = twins[0]
    for headers in ({"sec-fetch-site": "same-site"}, {"origin": "http://desa.water.example"}):
        alert, step = kota.leak(), {"action": "acknowledge", "key": next(iter(headers))}
        client = kota.browser()
        done = client.post(f"{API}/alerts/{alert}/transitions", json=step, headers=headers)
        assert done.status_code == 403 and kota.parts.alerts.get(alert).state.value == "open"
        done = client.post(f"{API}/alerts/{alert}/transitions", json=step)
        assert done.status_code == 200, done.text
    seen = kota.browser().get(f"{API}/alerts", headers={"origin": "http://desa.water.example"})
    assert not [h for h in seen.headers if h.startswith("access-control-")]
    assert "frame-ancestors 'none'" in seen.headers["content-security-policy"]


def test_a_service_worker_is_for_its_own_hosts_pages(twins: Any) -> None:
    for one in twins:
        worker = one.browser().get("/field/sw.js")
        assert worker.headers["service-worker-allowed"] == "/field"
        assert "://" not in worker.text.split("importScripts")[0][:2000].replace("https://developer", "")


def test_nothing_that_a_public_page_says_names_another_utility(twins: Any) -> None:
    kota, _ = twins
    for path in ("/signin", "/lapor", "/about", "/nothing", f"{API}/nothing", f"{API}/health/live"):
        assert "desa" not in kota.client().get(path).text.lower(), path


def told(lines: Iterator[str], what: str) -> list[str]:
    """The lines of a stream up to the one that holds ``what``. A stream itself has no end."""
    seen, end = [], time.monotonic() + 120
    for line in lines:
        seen.append(line)
        if what in line:
            return seen
        assert time.monotonic() < end, f"{what} is not told: {seen[-20:]}"
    raise AssertionError(f"the stream ended before {what}: {seen[-20:]}")


def test_events_of_one_are_not_told_at_another(port: int, twins: Any) -> None:
    """Desa's alert comes first; Kota's stream tells of Kota's alone."""
    import httpx

    kota, desa = twins
    streams = []
    for one in twins:
        cookies, headers = one.session()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=cookies, timeout=60)
        opened = client.stream("GET", f"{API}/events", headers={**headers, "host": one.host})
        streams.append((client, opened, opened.__enter__().iter_lines()))
    try:
        for _, _, lines in streams:
            told(lines, "event: watermark")  # from its first one on a stream tells all that happens
        theirs = desa.leak()
        told(streams[1][2], theirs)
        mine = kota.leak()
        assert not any(theirs in line for line in told(streams[0][2], mine))
    finally:
        for client, opened, _ in streams:
            opened.__exit__(None, None, None)
            client.close()


def test_an_administrator_of_one_is_nobody_at_another(twins: Any) -> None:
    kota, desa = twins
    cookies, headers = kota.session()
    client = desa.client(cookies=cookies, headers={FORM_HEADER: headers[FORM_HEADER]})
    for path in (f"{API}/accounts", f"{API}/sensors", f"{API}/me", "/security"):
        assert client.get(path).status_code in (303, 401)


def test_a_browser_at_nobodys_host_is_told_so_in_its_language(twins: Any) -> None:
    nobodys = twins[0].client(host="kotta.water.example")
    page = nobodys.get("/lapor", headers={"accept": "text/html,*/*;q=0.8", "accept-language": "id"})
    assert page.status_code == 421 and 'lang="id"' in page.text and "tidak dikenal di sini" in page.text
    assert "Kota" not in page.text and "kotta" not in page.text
    answer = nobodys.get(f"{API}/site")
    assert answer.status_code == 421 and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "no utility of this installation has this host name"
