"""Questions to InfluxDB in InfluxQL, as Grafana's InfluxDB data source takes them."""

from __future__ import annotations

from typing import Any, Literal, Self

from grafana_foundation_sdk.cog import builder, runtime, variants

Shape = Literal["time_series", "table"]


class InfluxQuery(variants.Dataquery):
    """One question of a panel, written out in InfluxQL (the SDK has no type for it).

    alias: name of its series, with ``$tag_x`` and ``$col``. shape: how the answer is read; as a table, a
    question may group by one tag at most (Grafana mixes up the columns of several).
    """

    def __init__(
        self, query: str, *, ref_id: str = "", alias: str = "", shape: Shape = "time_series"
    ) -> None:
        self.query, self.ref_id, self.alias, self.shape = query, ref_id, alias, shape
        self.datasource: dict[str, str] = {}
        self.hide: bool | None = None

    def to_json(self) -> dict[str, object]:
        """As it stands in a dashboard."""
        body: dict[str, object] = {
            "query": self.query,
            "rawQuery": True,
            "refId": self.ref_id,
            "resultFormat": self.shape,
        }
        if self.datasource:
            body["datasource"] = self.datasource
        if self.alias:
            body["alias"] = self.alias
        if self.hide is not None:
            body["hide"] = self.hide
        return body

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From what stands in a dashboard."""
        made = cls(
            data["query"],
            ref_id=data.get("refId", ""),
            alias=data.get("alias", ""),
            shape=data.get("resultFormat", "time_series"),
        )
        made.datasource, made.hide = data.get("datasource", {}), data.get("hide")
        return made


class Ask(builder.Builder[variants.Dataquery]):
    """Hands a finished question to the SDK's builders."""

    def __init__(self, query: InfluxQuery) -> None:
        self._query = query

    def build(self) -> variants.Dataquery:
        """The question."""
        return self._query


def register() -> None:
    """Let the SDK read our questions back."""
    runtime.register_dataquery_variant(
        runtime.DataqueryConfig(identifier="influxdb", from_json_hook=InfluxQuery.from_json)
    )
