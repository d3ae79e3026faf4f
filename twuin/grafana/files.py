"""The files that Grafana reads at its start (provisioning), and how they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from twuin.grafana.alerting import contact_files, rule_files
from twuin.grafana.bundle import Bundle, Dashboard, DataSource, make_bundle
from twuin.grafana.installation import LANGUAGES, Installation
from waterworks.errors import SettingsError

DASHBOARDS = "/etc/grafana/twuin"
"""Where Grafana finds the folder ``dashboards`` of the tree, unless told otherwise."""

HEAD = "# Written by `twuin grafana write`; changes here are lost the next time.\n"


def provisioning(installation: Installation, dashboards: str = DASHBOARDS) -> dict[str, bytes]:
    """The tree in both languages: path in it -> bytes, the same at each call.

    dashboards: the path, for Grafana, of the tree's folder.
    """
    bundles = [make_bundle(installation, language) for language in LANGUAGES]
    files: dict[str, bytes] = {
        "provisioning/datasources/twuin.yaml": _yaml(
            {"apiVersion": 1, "datasources": [_source(s) for s in bundles[0].datasources]}
        ),
        "provisioning/dashboards/twuin.yaml": _yaml(
            {"apiVersion": 1, "providers": [p for b in bundles for p in _providers(b, dashboards)]}
        ),
    }
    # Once, not for each language: they would tell everything twice.
    alarms, rules, points = bundles[0].folders[-1], bundles[0].rules, bundles[0].contact_points
    files["provisioning/alerting/contact-points.yaml"] = _yaml(contact_files([p.model for p in points]))
    files["provisioning/alerting/rules.yaml"] = _yaml(rule_files([r.model for r in rules], alarms.title))
    for bundle in bundles:
        for board in bundle.dashboards:
            files[_path(bundle, board)] = _json(board.model)
    return files


def write(files: dict[str, bytes], folder: Path) -> list[str]:
    """Bring a folder to what ``files`` says: paths of what changed. Dashboards in it that are no longer made
    are removed; nothing else is. SettingsError where it cannot be written."""
    changed: list[str] = []
    try:
        for path in _stale(files, folder):
            (folder / path).unlink()
            changed.append(path)
        for path, content in sorted(files.items()):
            file = folder / path
            if file.is_file() and file.read_bytes() == content:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            changed.append(path)
    except OSError as e:
        raise SettingsError(
            f"cannot write Grafana's files to {folder}: {e.strerror or e} ({e.filename})"
        ) from None
    return changed


def _stale(files: dict[str, bytes], folder: Path) -> list[str]:
    found = (
        p.relative_to(folder).as_posix()
        for lang in LANGUAGES
        for p in (folder / "dashboards" / lang).glob("*.json")
    )
    return sorted(p for p in found if p not in files)


def _path(bundle: Bundle, board: Dashboard) -> str:
    return f"dashboards/{bundle.language}/{board.name}.json"


def _providers(bundle: Bundle, dashboards: str) -> Iterator[dict[str, Any]]:
    for folder in {
        b.folder_uid: f for b in bundle.dashboards for f in bundle.folders if f.uid == b.folder_uid
    }.values():
        yield {
            "name": folder.uid,
            "orgId": 1,
            "folder": folder.title,
            "folderUid": folder.uid,
            "type": "file",
            "disableDeletion": False,
            "allowUiUpdates": False,
            "updateIntervalSeconds": 60,
            "options": {"path": str(PurePosixPath(dashboards) / "dashboards" / bundle.language)},
        }


def _source(source: DataSource) -> dict[str, Any]:
    return {**source.model, "orgId": 1, "editable": False, "secureJsonData": dict(source.secrets)}


def _json(model: Any) -> bytes:
    return (json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _yaml(model: Any) -> bytes:
    text: str = yaml.safe_dump(model, sort_keys=False, allow_unicode=True, width=110)
    return (HEAD + text).encode()
