"""All that Twuin puts into a Grafana, as plain records: what files and the sync are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twuin.grafana.alerting import GROUP, contact_model, contact_title, folder_title, rule_models
from twuin.grafana.boards import all_boards
from twuin.grafana.datasource import datasource_model, datasource_secrets
from twuin.grafana.installation import LANGUAGES, Installation
from twuin.grafana.words import Words

Model = Mapping[str, Any]
"""JSON as Grafana's API takes it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of dashboards and alert rules."""

    uid: str
    title: str


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data source. model: as Grafana's API takes it, without secrets. secrets: fields of
    ``secureJsonData``, with ``${NAME}`` where a secret of Grafana's environment belongs."""

    uid: str
    title: str
    model: Model
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard. name: what it is called among files, in no language."""

    uid: str
    title: str
    folder_uid: str
    name: str
    model: Model


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule, in the group of that name."""

    uid: str
    title: str
    folder_uid: str
    group: str
    model: Model


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Whom Grafana tells."""

    uid: str
    title: str
    model: Model


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is put into Grafana for one installation in one language. Data sources, contact points, alert
    rules and the rules' folder, which is the last, are the same in both languages."""

    site: str
    language: str
    folders: tuple[Folder, ...]
    datasources: tuple[DataSource, ...]
    dashboards: tuple[Dashboard, ...]
    rules: tuple[Rule, ...] = ()
    contact_points: tuple[ContactPoint, ...] = ()


def make_bundle(installation: Installation, language: str) -> Bundle:
    """Everything for ``installation`` in ``language``, "en" or "id". ValueError for another language."""
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is none of {', '.join(LANGUAGES)}")
    say = Words(language)
    title = "Twuin" if not installation.site else f"Twuin {installation.name or installation.site}"
    folder = Folder(installation.uid(language), f"{title} ({say('English', 'Bahasa Indonesia')})")
    source = DataSource(
        installation.uid("influxdb"),
        f"{title} InfluxDB",
        datasource_model(installation, installation.uid("influxdb"), f"{title} InfluxDB"),
        datasource_secrets(installation),
    )
    alarms = Folder(installation.uid("alerts"), folder_title(installation))
    return Bundle(
        installation.site,
        language,
        (folder, alarms),
        (source,),
        tuple(
            Dashboard(board.uid, board.title, folder.uid, board.name, board.model)
            for board in all_boards(installation, say)
        ),
        tuple(
            Rule(model["uid"], model["title"], alarms.uid, GROUP, model)
            for model in rule_models(installation, alarms.uid)
        ),
        (
            ContactPoint(
                installation.uid("contact"), contact_title(installation), contact_model(installation)
            ),
        ),
    )
