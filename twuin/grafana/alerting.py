"""Grafana's alert rules over what Twuin writes, and whom Grafana tells of them.

Twuin finds, joins, excuses and escalates; Grafana only repeats what stands, once for each DMA, so that those
who live in Grafana see it. Rules exist once, with their text in both languages: a second set would tell
everything twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import alerting as build
from grafana_foundation_sdk.builders import expr
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import alerting as models
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from twuin.grafana.installation import Installation
from twuin.grafana.query import Ask, InfluxQuery

State = Literal["Alerting", "OK"]

GROUP = "twuin"
"""The rules' group. They are looked at together, at Grafana's default interval of a minute."""

FOLDER = "Twuin: alarms / peringatan"

CONTACT = "Twuin"

NOBODY = "twuin@localhost"
"""Where Grafana's messages go unless told otherwise: to nobody outside the machine."""

STATES_S = 900
"""How far back states are looked for [s]: Twuin writes them every five minutes."""

SILENCE_S = 3600
"""After how long without one reading of any sensor ingest is taken to stand still [s]."""

STOPPED_S = 1800
"""After how long without a state Twuin itself is taken to have stopped [s]."""

EXPRESSION = "__expr__"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One rule.

    query: InfluxQL with ``{site}`` where the site is picked. fires: above (gt) or below (lt) ``limit``.
    no_data, failing: what it makes of an empty answer, and of an InfluxDB that does not answer.
    """

    name: str
    title: str
    query: str
    back_s: int
    reducer: Literal["last", "sum"]
    fires: Literal["gt", "lt"]
    limit: float
    no_data: State
    failing: State
    summary: str
    details: str
    lasts: str = "0s"


RULES = (
    _Kind(
        "events",
        "Twuin: open alerts / peringatan terbuka",
        'SELECT last("open_alerts") FROM "twuin_state" WHERE "what" = \'dma\'{site} AND $timeFilter'
        ' GROUP BY "site", "dma"',
        STATES_S,
        "last",
        "gt",
        0,
        # Neither says that anything leaks: the last rule tells it.
        "OK",
        "OK",
        "{{ $values.B.Value }} open in {{ $labels.dma }} / "
        "{{ $values.B.Value }} terbuka di {{ $labels.dma }}",
        "Twuin has open alerts in this DMA: leaks, night flow, sensors. / "
        "Twuin mempunyai peringatan terbuka di DMA ini: kebocoran, aliran malam, sensor.",
    ),
    _Kind(
        "readings",
        "Twuin: no readings come in / tidak ada data masuk",
        'SELECT min("age_s") FROM "twuin_state" WHERE "what" = \'sensor\'{site} AND $timeFilter'
        ' GROUP BY "site"',
        STATES_S,
        "last",
        "gt",
        SILENCE_S,
        "OK",
        "OK",
        "No sensor has sent anything for an hour / Tidak ada sensor yang mengirim data selama satu jam",
        "Broker or ingest stand still; a single silent sensor is among Twuin's own alerts. / "
        "Broker atau ingest berhenti; sensor yang diam sendirian ada di peringatan Twuin.",
        "5m",
    ),
    _Kind(
        "monitor",
        "Twuin: the monitor stands still / pemantauan berhenti",
        'SELECT count("open_alerts") FROM "twuin_state" WHERE "what" = \'site\'{site} AND $timeFilter',
        STOPPED_S,
        "sum",
        "lt",
        1,
        # Where the others see nothing, and where InfluxDB does not answer, this one tells it, once.
        "Alerting",
        "Alerting",
        "Nothing has been judged for half an hour / Tidak ada yang dinilai selama setengah jam",
        "Twuin's monitor has stopped, or InfluxDB does not answer: leaks are not looked for. / "
        "Pemantauan Twuin berhenti, atau InfluxDB tidak menjawab: kebocoran tidak dicari.",
        "5m",
    ),
)


def folder_title(installation: Installation) -> str:
    """Title of the rules' folder. Provisioning finds it by its title, so dashboards have others."""
    return FOLDER if not installation.site else f"{FOLDER} ({installation.name or installation.site})"


def contact_title(installation: Installation) -> str:
    """Name of the contact point, to which the rules send."""
    return CONTACT if not installation.site else f"{CONTACT} {installation.name or installation.site}"


def rule_models(installation: Installation, folder_uid: str) -> list[dict[str, Any]]:
    """The rules, as ``POST /api/v1/provisioning/alert-rules`` takes them."""
    return [_rule(kind, installation, folder_uid) for kind in RULES]


def _rule(kind: _Kind, at: Installation, folder_uid: str) -> dict[str, Any]:
    source = at.uid("influxdb")
    site = "" if not at.site else f" AND \"site\" = '{_quoted(at.site)}'"
    question = InfluxQuery(kind.query.replace("{site}", site), ref_id="A")
    question.datasource = {"type": "influxdb", "uid": source}
    span = models.RelativeTimeRange(from_val=kind.back_s, to=0)
    expressions = DataSourceRef(type_val=EXPRESSION, uid=EXPRESSION)
    reduced = expr.TypeReduce().ref_id("B").expression("A").reducer(kind.reducer).datasource(expressions)
    limit = expr.ExprTypeThresholdConditionsEvaluator().type(kind.fires).params([kind.limit])
    judged = (
        expr.TypeThreshold()
        .ref_id("C")
        .expression("B")
        .datasource(expressions)
        .conditions([expr.ExprTypeThresholdConditions().evaluator(limit)])
    )
    steps: Sequence[tuple[str, str, Builder[variants.Dataquery]]] = (
        ("A", source, Ask(question)),
        ("B", EXPRESSION, reduced),
        ("C", EXPRESSION, judged),
    )
    told = (
        build.NotificationSettings()
        .receiver(contact_title(at))
        # One message for a site, however many of its DMAs leak at once, and at most one a quarter of an hour.
        .group_by(["grafana_folder", "alertname", "site"])
        .group_wait("1m")
        .group_interval("15m")
        .repeat_interval("1d")
    )
    made = (
        build.Rule(kind.title)
        .uid(at.uid("rule", kind.name))
        .org_id(1)
        .folder_uid(folder_uid)
        .rule_group(GROUP)
        .condition("C")
        .queries(
            [
                build.Query(letter).datasource_uid(uid).relative_time_range(span).model(step)
                for letter, uid, step in steps
            ]
        )
        .no_data_state(kind.no_data)
        .exec_err_state(kind.failing)
        .for_val(kind.lasts)
        .labels({"source": "twuin"} | ({"site": at.site} if at.site else {}))
        .annotations(
            {"summary": kind.summary, "description": kind.details, "runbook_url": f"{at.twuin_url}/alerts"}
        )
        .notification_settings(told)
        .build()
    )
    return _plain(made)


def contact_model(installation: Installation) -> dict[str, Any]:
    """Whom Grafana tells, by e-mail, as ``POST /api/v1/provisioning/contact-points`` takes it."""
    made = (
        build.ContactPoint()
        .uid(installation.uid("contact"))
        .name(contact_title(installation))
        .type("email")
        .settings({"addresses": ";".join(installation.alert_emails or (NOBODY,)), "singleEmail": True})
        .disable_resolve_message(False)
        .build()
    )
    return _plain(made)


def rule_files(rules: Sequence[Mapping[str, Any]], folder: str) -> dict[str, Any]:
    """The rules for Grafana's provisioning from files. folder: title of theirs."""
    groups = [
        {
            "orgId": 1,
            "name": GROUP,
            "folder": folder,
            "interval": "1m",
            "rules": [
                {k: v for k, v in rule.items() if k not in ("folderUID", "orgID", "ruleGroup")}
                for rule in rules
            ],
        }
    ]
    return {"apiVersion": 1, "groups": groups}


def contact_files(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contact points for Grafana's provisioning from files."""
    return {
        "apiVersion": 1,
        "contactPoints": [
            {
                "orgId": 1,
                "name": point["name"],
                "receivers": [{k: v for k, v in point.items() if k != "name"}],
            }
            for point in points
        ],
    }


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _plain(made: object) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made))
    return plain
