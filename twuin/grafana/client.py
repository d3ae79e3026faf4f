"""A Grafana that already exists, over its HTTP API: few calls, each failure as one clear line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from grafana_client import GrafanaApi
from grafana_client.client import GrafanaException, TokenAuth

from waterworks.errors import SettingsError, TwuinError

Json = dict[str, Any]

OLDEST = (11, 6)
"""The oldest Grafana that the sync supports: the one that the dashboards' types are made for. (From 11.0 on a
rule may name its contact point by itself, so the administrators' notification policies are left alone.)"""

UNLOCKED = {"X-Disable-Provenance": "true"}
"""Leaves what is written open to changes on Grafana's own pages."""


class GrafanaError(TwuinError):
    """Grafana cannot be reached, does not let us, or refuses. The message never holds the token."""


class Grafana:
    """One organisation of a Grafana, as the owner of a token may see and change it.

    url: as in https://grafana.example/grafana. ca_file: certificates to trust instead of the system's.
    SettingsError when url or token are none.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 30.0, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url) or _bad_port(url):
            raise SettingsError(
                f"--url {_without_login(url)!r} is not an address of Grafana, as in https://grafana.example"
                " (no user, password or question mark in it)"
            )
        if not token:
            raise SettingsError(
                "no token: make a service account with the role Admin in Grafana (Administration, Users and"
                " access, Service accounts), add a token, and give it in TWUIN_GRAFANA_TOKEN or --token-file"
            )
        if not re.fullmatch(r"[!-~]+", token):
            raise SettingsError("the token holds spaces or other characters that no token of Grafana has")
        prefix = parts.path.strip("/")
        self.url = url.rstrip("/")
        self._api = GrafanaApi(
            TokenAuth(token),
            host=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
            port=parts.port,
            url_path_prefix=f"{prefix}/" if prefix else "",
            protocol=parts.scheme,
            verify=ca_file or True,
            timeout=timeout_s,
            user_agent="twuin",
        )
        # Elsewhere a token has no business; and a POST that is sent on arrives as a GET.
        self._api.client.s.max_redirects = 0

    def check(self) -> str:
        """Its version. GrafanaError: no Grafana there, too old, or the token does not open it."""
        said = self._ask("GET", "/health")
        if not isinstance(said, dict) or "database" not in said:
            raise GrafanaError(f"{self.url} does not answer as Grafana does: is the address right?")
        version = str(said.get("version", ""))
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise GrafanaError(
                f"{self.url} is Grafana {version}; the oldest that Twuin supports is"
                f" {OLDEST[0]}.{OLDEST[1]}: update Grafana, or use the files of deploy/grafana"
            )
        self._ask("GET", "/search?" + urlencode({"type": "dash-folder", "limit": 1}))
        return version or "of a version that it does not tell"

    def folder(self, uid: str) -> Json | None:
        """A folder; None: there is none."""
        return self._find(f"/folders/{_part(uid)}")

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask("POST", "/folders", {"uid": uid, "title": title})

    def rename_folder(self, uid: str, title: str, version: int) -> None:
        """Give a folder another title, unless it has changed since ``version``."""
        self._ask("PUT", f"/folders/{_part(uid)}", {"title": title, "version": version})

    def called(self, what: str, title: str, folder_uid: str | None = None) -> str | None:
        """uid of the folder (dash-folder) or dashboard (dash-db) of exactly that title in a folder (None: at
        the top); None: there is none."""
        ask = {"type": what, "query": title, "limit": 1000} | (
            {} if folder_uid is None else {"folderUIDs": folder_uid}
        )
        for hit in self._ask("GET", "/search?" + urlencode(ask)):
            if hit.get("title") == title and (hit.get("folderUid") or None) == folder_uid:
                return str(hit["uid"])
        return None

    def datasource(self, uid: str) -> Json | None:
        """A data source; None: there is none."""
        return self._find(f"/datasources/uid/{_part(uid)}")

    def datasource_called(self, name: str) -> Json | None:
        """The data source of that name."""
        return self._find(f"/datasources/name/{_part(name)}")

    def create_datasource(self, model: Json) -> None:
        """Make a data source."""
        self._ask("POST", "/datasources", model)

    def update_datasource(self, uid: str, model: Json) -> None:
        """Change a data source, unless it has changed since ``model["version"]``."""
        self._ask("PUT", f"/datasources/uid/{_part(uid)}", model)

    def dashboard(self, uid: str) -> Json | None:
        """``dashboard`` and ``meta``; None: there is none."""
        return self._find(f"/dashboards/uid/{_part(uid)}")

    def save_dashboard(self, model: Json, folder_uid: str, message: str) -> None:
        """Make or change a dashboard, unless it has changed since ``model["version"]``."""
        body = {"dashboard": model, "folderUid": folder_uid, "message": message, "overwrite": False}
        self._ask("POST", "/dashboards/db", body)

    def rules(self) -> list[Json]:
        """All alert rules."""
        return list(self._ask("GET", "/v1/provisioning/alert-rules"))

    def create_rule(self, model: Json) -> None:
        """Make an alert rule, which Grafana's own pages will not let anyone change."""
        self._ask("POST", "/v1/provisioning/alert-rules", model)

    def update_rule(self, uid: str, model: Json) -> None:
        """Change an alert rule."""
        self._ask("PUT", f"/v1/provisioning/alert-rules/{_part(uid)}", model)

    def contact_points(self) -> list[Json]:
        """All contact points."""
        return list(self._ask("GET", "/v1/provisioning/contact-points"))

    def create_contact_point(self, model: Json) -> None:
        """Make a contact point that may be changed on Grafana's pages."""
        self._ask("POST", "/v1/provisioning/contact-points", model, UNLOCKED)

    def update_contact_point(self, uid: str, model: Json, locked: bool) -> None:
        """Change a contact point. locked: it was made through the API and may be changed by it alone."""
        headers = {} if locked else UNLOCKED
        self._ask("PUT", f"/v1/provisioning/contact-points/{_part(uid)}", model, headers)

    def _find(self, path: str) -> Json | None:
        try:
            found: Json = self._ask("GET", path)
        except _Absent:
            return None
        return found

    def _ask(
        self, method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        try:
            return getattr(self._api.client, method)(path, json=body, headers=headers)
        except GrafanaException as e:
            self._refused(e)
        except ValueError:  # no JSON; the HTTP library's is an OSError too
            raise GrafanaError(f"{self.url} does not answer as Grafana does: is the address right?") from None
        except OSError as e:
            # All of the HTTP library's own.
            if type(e).__name__ == "TooManyRedirects":
                raise GrafanaError(
                    f"{self.url} sends us elsewhere: give the address that a browser ends up at"
                ) from None
            raise GrafanaError(f"Grafana at {self.url} cannot be reached: {_reason(e)}") from None

    def _refused(self, e: GrafanaException) -> NoReturn:
        said = e.response.get("message", "") if isinstance(e.response, dict) else ""
        said = " ".join(str(said).split())[:300]
        if e.status_code == 404:
            raise _Absent(f"Grafana at {self.url} knows no such thing{said and f': {said}'}") from None
        if e.status_code == 401:
            raise GrafanaError(
                f"Grafana at {self.url} does not know the token{said and f' ({said})'}: is it whole, of this"
                " Grafana, and not expired?"
            ) from None
        if e.status_code == 403:
            raise GrafanaError(
                f"the token has too few rights{said and f': {said}'}. Its service account needs the role"
                " Admin"
            ) from None
        if e.status_code in (409, 412):
            raise GrafanaError(f"somebody changed it at the same time{said and f': {said}'}") from None
        raise GrafanaError(f"Grafana answered {e.status_code}{said and f': {said}'}") from None


class _Absent(GrafanaError):
    """404."""


def _part(text: str) -> str:
    return quote(text, safe="")


def _bad_port(url: str) -> bool:
    try:
        return urlsplit(url).port == 0
    except ValueError:
        return True


def _without_login(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", url)


def _reason(e: BaseException) -> str:
    """Why there was no answer, out of the nest of exceptions and addresses that the HTTP library gives."""
    text = str(e)
    if "timed out" in text.lower():
        return "no answer in time"
    for pattern in (
        r"certificate verify failed: [^(\"'\]]+",
        r"\[SSL[^\]]*\] [^(\"'\]]+",
        r"\[Errno -?\d+\] [^'\")]+",
    ):
        found = re.search(pattern, text)
        if found:
            return re.sub(r"^\[[^\]]*\] ", "", found[0]).strip()
    return text[:200] if "Caused by" not in text else text.rpartition("Caused by ")[2][:200].strip("() ")
