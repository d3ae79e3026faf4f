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

SITE = '"site" =~ /^${site:regex}$/'
DMA = '"dma" =~ /^${dma:regex}$/'
SENSOR = '"sensor" =~ /^${sensor:regex}$/'
ALERT = '"alert" =~ /^${leak:regex}$/'
"""Conditions on what is picked at the top of a dashboard."""

EVER = "time <= ${__to}ms"
"""Up to the end of what is shown, however long ago: for what stands until it is changed."""

DAY_MS = 86_400_000

Step = tuple[float | None, str]
"""From which value on a colour holds; None: from the lowest."""


@dataclass(frozen=True, slots=True)
class Board:
    """A finished dashboard: its JSON as Grafana takes it."""

    name: str
    uid: str
    title: str
    model: dict[str, Any]


@dataclass
class Draft:
    """A dashboard in the making. Panels are laid out in rows, in the order they are added.

    since: from when on it shows, unless somebody picks another time.
    """

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

    def __post_init__(self) -> None:
        address = (
            build.ConstantVariable("twuin")
            .label(self.say("Address of Twuin", "Alamat Twuin"))
            .value(self.at.twuin_url)
            .build()
        )
        address.hide = models.VariableHide.HIDE_VARIABLE
        address.current = models.VariableOption(text=self.at.twuin_url, value=self.at.twuin_url)
        self._variables.append(address)
        only = f" WHERE \"site\" = '{_quoted(self.at.site)}'" if self.at.site else ""
        self.variable(
            "site",
            self.say("Site", "Wilayah layanan"),
            f'SHOW TAG VALUES FROM "twuin_state" WITH KEY = "site"{only}',
        )
        title = self.say("All dashboards", "Semua dasbor")
        self._links.append(
            build.DashboardLink(title)
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([f"twuin-{self.say.language}"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
            .icon("apps")
            .build()
        )

    # -- panels -------------------------------------------------------------------------------------

    @property
    def source(self) -> models.DataSourceRef:
        """The data source of everything on it."""
        return models.DataSourceRef(type_val="influxdb", uid=self.at.uid("influxdb"))

    @property
    def zone(self) -> str:
        """Makes days those of the site, at the end of a question that groups by them."""
        return f"tz('{self.at.timezone}')"

    def ask(self, query: str, alias: str = "", shape: Shape = "time_series") -> InfluxQuery:
        """A question of a panel."""
        return InfluxQuery(" ".join(query.split()), alias=alias, shape=shape)

    def rows(self, query: str) -> InfluxQuery:
        """A question whose answer is a table. It groups by one tag at most: Grafana mixes up several."""
        return self.ask(query, shape="table")

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

    # -- variables ----------------------------------------------------------------------------------

    def variable(self, name: str, label: str, query: str, *, every: bool = False, hide: bool = False) -> None:
        """Something to pick at the top, by the answers to ``query``. every: several or all of them."""
        made = (
            build.QueryVariable(name)
            .label(label)
            .query(" ".join(query.split()))
            .datasource(self.source)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.NATURAL_ASC)
            .multi(every)
            .include_all(every)
            .allow_custom_value(False)
        )
        if hide:
            made.hide(models.VariableHide.HIDE_VARIABLE)
        if every:
            made.all_value(".*")
            made.current(models.VariableOption(text=["All"], value=["$__all"], selected=True))
        self._variables.append(made.build())

    def dma_variable(self, *, every: bool = False) -> None:
        """The DMA, or several."""
        self.variable(
            "dma",
            "DMA",
            f'SHOW TAG VALUES FROM "twuin_state" WITH KEY = "dma" WHERE {SITE} AND "what" = \'dma\'',
            every=every,
        )

    def sensor_variable(self) -> None:
        """The sensor, among those of the DMAs that are picked."""
        self.variable(
            "sensor",
            self.say("Sensor", "Sensor"),
            f'SHOW TAG VALUES FROM "twuin_state" WITH KEY = "sensor" '
            f"WHERE {SITE} AND \"what\" = 'sensor' AND {DMA}",
        )

    # -- annotations and links ----------------------------------------------------------------------

    def annotate(self, *, where: str = SITE) -> None:
        """Leaks, repairs, planned works and sensor faults, over everything that has a time axis."""
        say = self.say
        for what, title, colour in (
            ("leak", say("Leaks", "Kebocoran"), "red"),
            ("repair", say("Repairs", "Perbaikan"), "green"),
            ("work", say("Planned works", "Pekerjaan terencana"), "blue"),
            ("fault", say("Sensor faults", "Gangguan sensor"), "orange"),
        ):
            query = (
                f'SELECT "text", "until_ms", "dma", "id" FROM "twuin_span" WHERE {where} '
                f'AND "what" = \'{what}\' AND "shown" = 1 AND "until_ms" >= ${{__from}} AND {EVER}'
            )
            self._annotations.append(
                {
                    "name": title,
                    "datasource": {"type": "influxdb", "uid": self.at.uid("influxdb")},
                    "enable": True,
                    "hide": False,
                    "iconColor": colour,
                    "target": {
                        "refId": "Anno",
                        "queryType": "tags",
                        "rawQuery": True,
                        "fromAnnotations": True,
                        "textEditor": True,
                        "query": query,
                        "textColumn": "text",
                        "timeEndColumn": "until_ms",
                        "tagsColumn": "dma,id",
                        "titleColumn": "",
                        # Of Grafana's own annotations, which its schema asks for in all.
                        "limit": 100,
                        "matchAny": False,
                        "tags": [],
                        "type": "tags",
                    },
                }
            )

    def link(self, title: str, path: str) -> None:
        """A link into Twuin's own pages. path: with ``${dma}`` and the like in it."""
        self._links.append(
            build.DashboardLink(title)
            .type(models.DashboardLinkType.LINK)
            .url("${twuin}" + path)
            .icon("external link")
            .target_blank(True)
            .build()
        )

    def to(self, board: str, **pick: str) -> str:
        """The address of another dashboard of this language, with the same site and time. pick: variables
        and what they become, as in ``dma="${__data.fields.dma}"``."""
        more = "".join(f"&var-{k}={v}" for k, v in pick.items())
        return f"/d/{self.at.uid(board, self.say.language)}?var-site=${{site}}{more}&${{__url_time_range}}"

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


# -- how values look --------------------------------------------------------------------------------


def steps(*at: Step) -> build.ThresholdsConfig:
    """Colours by value."""
    return (
        build.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in at])
    )


def by_threshold() -> build.FieldColor:
    """Coloured by its thresholds."""
    return build.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def means(*words: tuple[str, str, str]) -> list[models.ValueMapping]:
    """What values are called: (value, text, colour)."""
    options = {
        value: models.ValueMappingResult(text=text, color=colour or None, index=k)
        for k, (value, text, colour) in enumerate(words)
    }
    return [models.ValueMap(options=options)]


def prop(id: str, value: Any) -> models.DynamicConfigValue:
    """One setting of an override."""
    return models.DynamicConfigValue(id_val=id, value=value)


def named(text: str, unit: str = "", *, decimals: int | None = None) -> list[models.DynamicConfigValue]:
    """A column's heading and unit."""
    out = [prop("displayName", text)]
    if unit:
        out.append(prop("unit", unit))
    if decimals is not None:
        out.append(prop("decimals", decimals))
    return out


def goes_to(title: str, url: str, *, blank: bool = False) -> models.DynamicConfigValue:
    """A column whose cells are links."""
    return prop("links", [{"title": title, "url": url, "targetBlank": blank}])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
