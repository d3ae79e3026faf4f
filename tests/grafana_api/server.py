"""A stand-in for Grafana, made from the OpenAPI description beside it.

Every request is checked against the description first: what that does not allow is answered with 400 and
noted in ``violations``. What comes after follows Grafana's own source (11.0: ``pkg/api``, ``pkg/services``):
status codes, messages, counting of versions, what it fills in and what it hides.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from openapi_core import OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest
from openapi_core.exceptions import OpenAPIError
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

Json = dict[str, Any]

DESCRIPTION = OpenAPI.from_file_path(str(Path(__file__).with_name("description.json")))

ADMIN, EDITOR, VIEWER = "glsa_admin_0123456789", "glsa_editor_0123456789", "glsa_viewer_0123456789"

CODES: Json = json.loads(Path(__file__).with_name("description.json").read_text(encoding="utf-8"))["paths"]


class Refused(Exception):
    def __init__(self, code: int, message: str, **more: Any) -> None:
        self.code, self.body = code, {"message": message, **more}


class GrafanaServer:
    """Grafana at ``url`` until ``close``.

    writes: what was asked for beyond reading. fail_after: so many writes are done, then it fails.
    before_write: called once, before the next write.
    """

    def __init__(self, version: str = "11.6.0", prefix: str = "") -> None:
        self.version, self.prefix = version, prefix
        self.tokens = {ADMIN: "Admin", EDITOR: "Editor", VIEWER: "Viewer"}
        self.folders: dict[str, Json] = {}
        self.datasources: dict[str, Json] = {}
        self.secrets: dict[str, Json] = {}
        self.dashboards: dict[str, Json] = {}
        self.rules: dict[str, Json] = {}
        self.contacts: dict[str, Json] = {}
        self.violations: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.writes: list[tuple[str, str]] = []
        self.fail_after: int | None = None
        self.before_write: Callable[[], None] | None = None
        self._ids = 0
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, environ: Any, start: Any) -> Iterable[bytes]:
        request = Request(environ)
        if not request.path.startswith(f"{self.prefix}/api/"):
            return Response("<html>Grafana</html>", 404, content_type="text/html")(environ, start)
        environ["PATH_INFO"] = request.path.removeprefix(self.prefix)
        request = Request(environ)
        try:
            code, body = self._answer(request)
        except Refused as e:
            code, body = e.code, e.body
        response = Response(
            json.dumps(body) if body is not None else "", code, content_type="application/json"
        )
        return response(environ, start)

    def _answer(self, request: Request) -> tuple[int, Any]:
        path, method = request.path.removeprefix("/api"), request.method
        self.requests.append((method, path))
        if path == "/health":
            return 200, {"database": "ok", **({"version": self.version} if self.version else {})}
        role = self._role(request)
        try:
            DESCRIPTION.validate_request(WerkzeugOpenAPIRequest(request))
        except OpenAPIError as e:
            causes = getattr(e.__cause__, "schema_errors", None) or [e.__cause__ or e]
            self.violations.append(f"{method} {path}: {'; '.join(str(c).splitlines()[0] for c in causes)}")
            raise Refused(400, "bad request data") from None
        for pattern, handler, right in ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found is None:
                continue
            self._allow(role, right)
            body = request.get_json() if method in ("POST", "PUT") else None
            if method != "GET":
                if self.before_write is not None:
                    hook, self.before_write = self.before_write, None
                    hook()
                if self.fail_after is not None and len(self.writes) >= self.fail_after:
                    raise Refused(500, "database is locked")
            code, answer = handler(self, *found.groups(), body, request)
            if method != "GET":
                self.writes.append((method, path))
            assert str(code) in _described(method, path), f"{method} {path} is not described to answer {code}"
            return code, answer
        raise Refused(404, "Not found")

    def _role(self, request: Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        role = self.tokens.get(token) if scheme == "Bearer" else None
        if role is None:
            raise Refused(401, "Invalid API key", messageId="api-key.invalid", statusCode=401, traceID="")
        return role

    def _allow(self, role: str, right: str) -> None:
        editor = right.startswith(("folders:", "dashboards:"))
        viewer = right.endswith(":read") and editor
        if role == "Admin" or (role == "Editor" and editor) or viewer:
            return
        raise Refused(
            403,
            f"You'll need additional permissions to perform this action. Permissions needed: {right}",
            title="Access denied",
            accessErrorId="ACE0123456789",
        )

    def _id(self) -> int:
        self._ids += 1
        return self._ids

    # folders

    def _get_folder(self, uid: str, body: None, request: Request) -> tuple[int, Any]:
        if uid not in self.folders:
            raise Refused(404, "folder not found", status="not-found")
        return 200, self.folders[uid]

    def _post_folder(self, body: Json, request: Request) -> tuple[int, Any]:
        uid, title = body.get("uid") or f"generated{self._id()}", body.get("title", "")
        _check_uid(uid)
        if not title:
            raise Refused(400, "folder title cannot be empty")
        if uid in self.folders or uid in self.dashboards:
            raise Refused(409, "a folder/dashboard with the same uid already exists")
        if any(f["title"] == title for f in self.folders.values()):
            raise Refused(409, "a folder with the same name already exists in the current location")
        self.folders[uid] = {"id": self._id(), "uid": uid, "title": title, "version": 1}
        return 200, self.folders[uid]

    def _put_folder(self, uid: str, body: Json, request: Request) -> tuple[int, Any]:
        if uid not in self.folders:
            raise Refused(404, "folder not found", status="not-found")
        if body.get("version") != self.folders[uid]["version"] and not body.get("overwrite"):
            message = "the folder has been changed by someone else"
            raise Refused(412, message, status="version-mismatch")
        self.folders[uid] |= {"title": body["title"], "version": self.folders[uid]["version"] + 1}
        return 200, self.folders[uid]

    def _search(self, body: None, request: Request) -> tuple[int, Any]:
        ask, kind = request.args.get("query", "").lower(), request.args.get("type")
        within = request.args.getlist("folderUIDs")
        hits = [
            {"uid": f["uid"], "title": f["title"], "type": "dash-folder"} for f in self.folders.values()
        ] + [
            {"uid": uid, "title": d["dashboard"]["title"], "type": "dash-db", "folderUid": d["folder"]}
            for uid, d in self.dashboards.items()
        ]
        found = [
            h
            for h in hits
            if ask in h["title"].lower()
            and kind in (None, h["type"])
            and (not within or h.get("folderUid") in within)
        ]
        return 200, found[: int(request.args.get("limit", 1000))]

    # data sources

    def _shown(self, source: Json) -> Json:
        return {**source, "secureJsonFields": {k: True for k, v in self.secrets[source["uid"]].items() if v}}

    def _get_datasource(self, uid: str, body: None, request: Request) -> tuple[int, Any]:
        if uid not in self.datasources:
            raise Refused(404, "Data source not found")
        return 200, self._shown(self.datasources[uid])

    def _get_datasource_by_name(self, name: str, body: None, request: Request) -> tuple[int, Any]:
        for source in self.datasources.values():
            if source["name"] == name:
                return 200, self._shown(source)
        raise Refused(404, "Data source not found")

    def _post_datasource(self, body: Json, request: Request) -> tuple[int, Any]:
        if not body.get("type") or not body.get("access"):
            raise Refused(400, "bad request data")
        uid = body.get("uid") or f"generated{self._id()}"
        if any(s["name"] == body["name"] for s in self.datasources.values()):
            raise Refused(409, "data source with the same name already exists")
        if uid in self.datasources:
            raise Refused(409, "data source with the same uid already exists")
        self.secrets[uid] = body.pop("secureJsonData", {})
        self.datasources[uid] = _source(body) | {"id": self._id(), "uid": uid, "version": 1}
        return 200, {"message": "Datasource added", "datasource": self._shown(self.datasources[uid])}

    def _put_datasource(self, uid: str, body: Json, request: Request) -> tuple[int, Any]:
        if uid not in self.datasources:
            raise Refused(404, "Data source not found")
        old = self.datasources[uid]
        if old["readOnly"]:
            raise Refused(403, "Cannot update read-only data source")
        if body.get("version") and body["version"] < old["version"]:
            raise Refused(
                409, "Datasource has already been updated by someone else. Please reload and try again"
            )
        if any(s["name"] == body["name"] and s["uid"] != uid for s in self.datasources.values()):
            raise Refused(409, "Failed to update datasource: data source with the same name already exists")
        self.secrets[uid] |= body.pop("secureJsonData", {})
        self.datasources[uid] = _source(body) | {
            "id": old["id"],
            "uid": uid,
            "version": body.get("version", 0) + 1,
        }
        return 200, {"message": "Datasource updated", "datasource": self._shown(self.datasources[uid])}

    # dashboards

    def _get_dashboard(self, uid: str, body: None, request: Request) -> tuple[int, Any]:
        if uid not in self.dashboards:
            raise Refused(404, "Dashboard not found", status="not-found")
        found = self.dashboards[uid]
        meta = {
            "folderUid": found["folder"],
            "provisioned": found["provisioned"],
            "version": found["dashboard"]["version"],
        }
        return 200, {"dashboard": found["dashboard"], "meta": meta}

    def _post_dashboard(self, body: Json, request: Request) -> tuple[int, Any]:
        board, folder = body["dashboard"], body.get("folderUid", "")
        if not board.get("title", "").strip():
            raise Refused(400, "Dashboard title cannot be empty", status="empty-name")
        uid = board.get("uid") or f"generated{self._id()}"
        _check_uid(uid)
        if folder and folder not in self.folders:
            raise Refused(400, "folder not found")
        old = self.dashboards.get(uid)
        if old is not None and old["provisioned"]:
            raise Refused(400, "Cannot save provisioned dashboard")
        if old is not None and board.get("version", 0) != old["dashboard"]["version"]:
            if not body.get("overwrite"):
                message = "The dashboard has been changed by someone else"
                raise Refused(412, message, status="version-mismatch")
            board["version"] = old["dashboard"]["version"]
        for other, found in self.dashboards.items():
            if other != uid and (found["folder"], found["dashboard"]["title"]) == (folder, board["title"]):
                message = "A dashboard with the same name in the folder already exists"
                raise Refused(412, message, status="name-exists")
        version = 1 if old is None else old["dashboard"]["version"] + 1
        ident = self._id() if old is None else old["dashboard"]["id"]
        self.dashboards[uid] = {
            "dashboard": board | {"uid": uid, "id": ident, "version": version},
            "folder": folder,
            "provisioned": False,
            "message": body.get("message", ""),
        }
        return 200, {"status": "success", "uid": uid, "id": ident, "version": version, "folderUid": folder}

    # alerting

    def _get_rules(self, body: None, request: Request) -> tuple[int, Any]:
        return 200, list(self.rules.values())

    def _post_rule(self, body: Json, request: Request) -> tuple[int, Any]:
        uid = body.get("uid") or f"generated{self._id()}"
        if body["folderUID"] not in self.folders:
            raise Refused(400, "invalid alert rule: folder does not exist")
        same = [r for r in self.rules.values() if r["folderUID"] == body["folderUID"]]
        if uid in self.rules or any(r["title"] == body["title"] for r in same):
            raise Refused(400, "rule title under the same organisation and folder should be unique")
        self.rules[uid] = self._rule(body, request) | {"uid": uid, "id": self._id()}
        return 201, self.rules[uid]

    def _put_rule(self, uid: str, body: Json, request: Request) -> tuple[int, Any]:
        if uid not in self.rules:
            raise Refused(404, "")
        made = self._rule(body, request)
        if self.rules[uid]["provenance"] not in ("", made["provenance"]):
            raise Refused(500, "")
        self.rules[uid] = made | {"uid": uid, "id": self.rules[uid]["id"]}
        return 200, self.rules[uid]

    def _rule(self, body: Json, request: Request) -> Json:
        told = body.get("notification_settings")
        if told is not None and told["receiver"] not in {c["name"] for c in self.contacts.values()}:
            raise Refused(400, f"invalid notification settings: receiver {told['receiver']} does not exist")
        made: Json = json.loads(json.dumps(body))
        for step in made["data"]:
            step["queryType"] = ""
            step["model"] = {"intervalMs": 1000, "maxDataPoints": 43200} | step["model"]
        return {
            "isPaused": False,
            "notification_settings": None,
            "labels": {},
            "annotations": {},
            **made,
            "orgID": 1,
            "updated": "2026-01-01T00:00:00Z",
            "provenance": _provenance(request),
        }

    def _get_contacts(self, body: None, request: Request) -> tuple[int, Any]:
        return 200, list(self.contacts.values())

    def _post_contact(self, body: Json, request: Request) -> tuple[int, Any]:
        uid = body.get("uid") or f"generated{self._id()}"
        if uid in self.contacts:
            raise Refused(500, f"receiver configuration with UID '{uid}' already exist")
        _check_email(body)
        self.contacts[uid] = body | {"uid": uid, "provenance": _provenance(request)}
        return 202, self.contacts[uid]

    def _put_contact(self, uid: str, body: Json, request: Request) -> tuple[int, Any]:
        if uid not in self.contacts:
            raise Refused(404, "object not found")
        _check_email(body)
        old, new = self.contacts[uid]["provenance"], _provenance(request)
        if old not in ("", new):
            raise Refused(500, f"cannot change provenance from '{old}' to '{new}'")
        self.contacts[uid] = body | {"uid": uid, "provenance": new}
        return 202, {"message": "contactpoint updated"}


def _source(body: Json) -> Json:
    empty = {"database": "", "user": "", "url": "", "basicAuth": False, "isDefault": False, "readOnly": False}
    return empty | {"jsonData": {}} | {k: v for k, v in body.items() if k != "uid"}


def _check_uid(uid: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", uid):
        raise Refused(400, "uid contains illegal characters")
    if len(uid) > 40:
        raise Refused(400, "uid too long, max 40 characters")


def _check_email(body: Json) -> None:
    if body["type"] == "email" and not (body["settings"] or {}).get("addresses"):
        raise Refused(400, "invalid object specification: could not find addresses in settings")


def _provenance(request: Request) -> str:
    return "" if "X-Disable-Provenance" in request.headers else "api"


def _described(method: str, path: str) -> Json:
    for template, operations in CODES.items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            codes: Json = operations[method.lower()]["responses"]
            return codes
    return {}


P = "/v1/provisioning"
ROUTES: list[tuple[str, Callable[..., tuple[int, Any]], str]] = [
    ("GET /search", GrafanaServer._search, "folders:read"),
    ("POST /folders", GrafanaServer._post_folder, "folders:create"),
    ("GET /folders/([^/]+)", GrafanaServer._get_folder, "folders:read"),
    ("PUT /folders/([^/]+)", GrafanaServer._put_folder, "folders:write"),
    ("POST /datasources", GrafanaServer._post_datasource, "datasources:create"),
    ("GET /datasources/name/([^/]+)", GrafanaServer._get_datasource_by_name, "datasources:read"),
    ("GET /datasources/uid/([^/]+)", GrafanaServer._get_datasource, "datasources:read"),
    ("PUT /datasources/uid/([^/]+)", GrafanaServer._put_datasource, "datasources:write"),
    ("GET /dashboards/uid/([^/]+)", GrafanaServer._get_dashboard, "dashboards:read"),
    ("POST /dashboards/db", GrafanaServer._post_dashboard, "dashboards:create"),
    (f"GET {P}/alert-rules", GrafanaServer._get_rules, "alert.provisioning:read"),
    (f"POST {P}/alert-rules", GrafanaServer._post_rule, "alert.provisioning:write"),
    (f"PUT {P}/alert-rules/([^/]+)", GrafanaServer._put_rule, "alert.provisioning:write"),
    (f"GET {P}/contact-points", GrafanaServer._get_contacts, "alert.provisioning:read"),
    (f"POST {P}/contact-points", GrafanaServer._post_contact, "alert.provisioning:write"),
    (f"PUT {P}/contact-points/([^/]+)", GrafanaServer._put_contact, "alert.provisioning:write"),
]
