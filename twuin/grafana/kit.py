"""What all dashboards share: panels on a grid, variables, annotations, links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from twuin.grafana.installation import Installation
from twuin.grafana.query import Ask, InfluxQuery, Shape
from twuin.grafana.words import Words

WIDTH = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Board:
    """A finished dashboard: its JSON as Grafana takes it."""

    name: str
    uid: str
    title: str
    model: dict[str, Any]


@dataclass
class Draft:
    """A dashboard in the making. Panels are laid out in rows, in the order they are added."""

    name: str
    title: str
    description: str
    at: Installation
    say: Words
    since: str = "now-7d"
    _panels: list[models.Panel | models.RowPanel] = field(default_factory=list)
    _variables: list[models.VariableModel] = field(default_factory=list)
    _annotations: list[dict[str, Any]] = field(default_factory=list)
    _links: list[models.DashboardLink] = field(default_factory=list)
    _x: int = 0
    _y: int = 0
    _row: int = 0

    @property
    def source(self) -> models.DataSourceRef:
        """The data source of everything on it."""
        return models.DataSourceRef(type_val="influxdb", uid=self.at.uid("influxdb"))

    def ask(self, query: str, alias: str = "", shape: Shape = "time_series") -> InfluxQuery:
        """A question of a panel."""
        return InfluxQuery(" ".join(query.split()), alias=alias, shape=shape)

    def add(self, panel: Any, *questions: InfluxQuery, width: int, height: int = 8) -> None:
        """Put a panel (a builder of the SDK) at the next free place, ``width`` of 24 columns wide."""
        if self._x + width > WIDTH:
            self._next_row()
        for letter, question in zip("ABCDEFGHIJ", questions, strict=False):
            question.ref_id = letter
            question.datasource = {"type": "influxdb", "uid": self.at.uid("influxdb")}
            panel.with_target(Ask(question))
        if questions:
            panel.datasource(self.source)
        made: models.Panel = panel.build()
        made.id_val = len(self._panels) + 1
        made.grid_pos = models.GridPos(h=height, w=width, x=self._x, y=self._y)
        self._panels.append(made)
        self._x += width
        self._row = max(self._row, height)

    def heading(self, title: str) -> None:
        """A line across, from which a new part begins."""
        self._next_row()
        made = build.Row(title).build()
        made.id_val = len(self._panels) + 1
        made.grid_pos = models.GridPos(h=1, w=WIDTH, x=0, y=self._y)
        self._panels.append(made)
        self._y += 1

    def _next_row(self) -> None:
        self._y += self._row
        self._x = self._row = 0

    def board(self) -> Board:
        """The dashboard."""
        made = (
            build.Dashboard(self.title)
            .uid(self.at.uid(self.name, self.say.language))
            .description(self.description)
            .tags(["twuin", f"twuin-{self.say.language}"])
            .timezone(self.at.timezone)
            .time(self.since, "now")
            .refresh("1m")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .build()
        )
        made.panels = self._panels
        made.templating = models.DashboardDashboardTemplating(list_val=self._variables)
        made.links = self._links
        model: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made))
        model["annotations"] = {"list": self._annotations}
        return Board(self.name, str(made.uid), self.title, model)
