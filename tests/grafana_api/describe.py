"""Makes ``description.json``: the part of Grafana's OpenAPI description that ``twuin grafana sync`` uses.

The description itself (``public/api-merged.json`` of Grafana) stands under the AGPL. What Grafana Labs
generate from it with go-swagger, ``github.com/grafana/grafana-openapi-client-go``, stands under Apache-2.0
and holds all that requests are checked by: paths, methods, parameters, required fields, types, enums,
lengths and patterns. From there it is turned back into a description here, for OpenAPI 3.0:

    go mod download -json github.com/grafana/grafana-openapi-client-go@VERSION     # prints "Dir"
    python tests/grafana_api/describe.py DIR
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

OPERATIONS = {
    ("GET", "/health"),
    ("GET", "/search"),
    ("POST", "/folders"),
    ("GET", "/folders/{folder_uid}"),
    ("PUT", "/folders/{folder_uid}"),
    ("POST", "/datasources"),
    ("GET", "/datasources/name/{name}"),
    ("GET", "/datasources/uid/{uid}"),
    ("PUT", "/datasources/uid/{uid}"),
    ("GET", "/dashboards/uid/{uid}"),
    ("POST", "/dashboards/db"),
    ("GET", "/v1/provisioning/alert-rules"),
    ("POST", "/v1/provisioning/alert-rules"),
    ("GET", "/v1/provisioning/alert-rules/{UID}"),
    ("PUT", "/v1/provisioning/alert-rules/{UID}"),
    ("GET", "/v1/provisioning/contact-points"),
    ("POST", "/v1/provisioning/contact-points"),
    ("PUT", "/v1/provisioning/contact-points/{UID}"),
}

PLAIN: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int64": {"type": "integer"},
    "float64": {"type": "number"},
    "interface{}": {},
    "strfmt.DateTime": {"type": "string", "format": "date-time"},
    "strfmt.Duration": {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$|^0$"},
}


def describe(folder: Path) -> dict[str, Any]:
    """The description, from the unpacked module."""
    models = Models(folder / "models")
    paths: dict[str, Any] = {}
    left = set(OPERATIONS)
    for client in sorted(folder.glob("client/*/*_client.go")):
        for at in re.finditer(
            r'ID:\s+"(\w+)",\s+Method:\s+"(\w+)",\s+PathPattern:\s+"([^"]+)".*?Reader:\s+&(\w+)Reader',
            client.read_text(encoding="utf-8"),
            re.DOTALL,
        ):
            name, method, path, go = at.groups()
            if (method, path) in left:
                left.remove((method, path))
                paths.setdefault(path, {})[method.lower()] = {
                    "operationId": name,
                    **_request(client.parent, go, models),
                    "responses": _responses(client.parent, go),
                }
    if left:
        raise SystemExit(f"not in {folder}: {sorted(left)}")
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Grafana HTTP API, the part that twuin grafana sync uses",
            "version": folder.name.rpartition("@")[2],
            "description": "From github.com/grafana/grafana-openapi-client-go by describe.py; see README.md.",
            "license": {"name": "Apache-2.0", "url": "http://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [{"url": "/api"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(models.made.items()))},
    }


def _file(folder: Path, needle: str, pattern: str) -> str:
    for file in sorted(folder.glob(pattern)):
        text = file.read_text(encoding="utf-8")
        if needle in text:
            return text
    raise SystemExit(f"{needle!r} is nowhere in {folder}")


def _request(folder: Path, go: str, models: Models) -> dict[str, Any]:
    text = _file(folder, f"type {go}Params struct", "*_parameters.go")
    text = text[text.index(") WriteToRequest(") :] + text[: text.index(") WriteToRequest(")]
    parameters: list[dict[str, Any]] = []
    for where, array, name in re.findall(r"// (path|query|header) (array )?param (\S+)", text):
        schema: dict[str, Any] = {"type": "string"}
        kind = re.search(rf"// query param {name}\s+var \w+ (\w+)", text)
        if kind:
            schema = dict(PLAIN[kind[1]])
        if array:
            of = re.search(r"(?i)\n\t" + name + r" \[\](\w+)", text)
            schema = {"type": "array", "items": dict(PLAIN[of[1] if of else "string"])}
        parameters.append({"name": name, "in": where, "required": where == "path", "schema": schema})
    made: dict[str, Any] = {"parameters": parameters} if parameters else {}
    body = re.search(r"\n\tBody (\S+)", text)
    if body:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": models.schema(body[1])}},
        }
    return made


def _responses(folder: Path, go: str) -> dict[str, Any]:
    text = _file(folder, f"type {go}Reader struct", "*_responses.go")
    reader = text[: text.index("\n}\n", text.index(") ReadResponse("))]
    return {code: {"description": code} for code in re.findall(r"case (\d{3}):", reader)}


class Models:
    """Schemas of the module's models, made as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: dict[str, Any] = {}

    def schema(self, go: str) -> dict[str, Any]:
        """The schema of a Go type."""
        go = go.lstrip("*").removeprefix("models.")
        if go in PLAIN:
            return dict(PLAIN[go])
        if go.startswith("[]"):
            return {"type": "array", "items": self.schema(go[2:])}
        if go.startswith("map[string]"):
            return {"type": "object", "additionalProperties": self.schema(go[len("map[string]") :])}
        if go not in self.made:
            self.made[go] = {}
            self.made[go] = self._model(go)
        return {"$ref": f"#/components/schemas/{go}"}

    def _model(self, go: str) -> dict[str, Any]:
        text = _file_of_type(self._folder, go)
        struct = re.search(rf"\ntype {go} struct \{{\n(.*?)\n\}}\n", text, re.DOTALL)
        if struct is None:
            plain = re.search(rf"\ntype {go} (\S+)\n", text)
            assert plain is not None
            return self.schema(plain[1])
        properties: dict[str, Any] = {}
        required = []
        for comment, kind, name in re.findall(
            r"((?:\t//[^\n]*\n)*)\t\w+ (\S+) `json:\"([^\",]+)[^`]*`", struct[1]
        ):
            schema = self.schema(kind)
            said = dict(re.findall(r"// (Required|Enum|Max Length|Min Length|Pattern): (.*)", comment))
            if "Enum" in said:
                schema["enum"] = said["Enum"].strip("[]").split()
            if "Max Length" in said:
                schema["maxLength"] = int(said["Max Length"])
            if "Min Length" in said:
                schema["minLength"] = int(said["Min Length"])
            if "Pattern" in said:
                schema["pattern"] = said["Pattern"]
            if said.get("Required") == "true":
                required.append(name)
            properties[name] = schema
        made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**made, "required": sorted(required)} if required else made


def _file_of_type(folder: Path, go: str) -> str:
    return _file(folder, f"\ntype {go} ", "*.go")


if __name__ == "__main__":
    made = json.dumps(describe(Path(sys.argv[1])), indent=1, sort_keys=False) + "\n"
    Path(__file__).with_name("description.json").write_text(made, encoding="utf-8")
