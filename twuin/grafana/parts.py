"""Panels that several dashboards have."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, geomap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import geomap as geomap_models

from twuin.grafana import meanings
from twuin.grafana.kit import EVER, Draft, Step, by_threshold, goes_to, named, prop, steps


def number(title: str, unit: str, *at: Step, decimals: int | None = None, note: str = "") -> stat.Panel:
    """One number, the last, coloured by value; without ``at``, uncoloured."""
    panel = (
        stat.Panel()
        .title(title)
        .unit(unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .thresholds(steps(*(at or ((None, "text"),))))
        .color_scheme(by_threshold())
        .no_value("–")
    )
    if decimals is not None:
        panel.decimals(decimals)
    if note:
        panel.description(note)
    return panel


def lines(title: str, unit: str, note: str = "") -> timeseries.Panel:
    """Curves over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .unit(unit)
        .line_width(1)
        .fill_opacity(0)
        .show_points(common_models.VisibilityMode.AUTO)
        .span_nulls(False)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
        )
    )
    if note:
        panel.description(note)
    return panel


def limited(panel: timeseries.Panel, limit: float) -> timeseries.Panel:
    """With a line at ``limit``, above which something is wrong."""
    return panel.thresholds(steps((None, "green"), (limit, "red"))).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
    )


def bars(title: str, unit: str, *, stacked: bool = False, note: str = "") -> timeseries.Panel:
    """Bars over time, one a day or an hour."""
    panel = (
        lines(title, unit, note)
        .draw_style(common_models.GraphDrawStyle.BARS)
        .fill_opacity(60)
        .axis_soft_min(0)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return panel


def band(panel: timeseries.Panel, low: str, high: str) -> timeseries.Panel:
    """Fill between the curves called ``low`` and ``high``."""
    thin = [prop("custom.lineWidth", 0), prop("color", {"mode": "fixed", "fixedColor": "light-blue"})]
    return panel.override_by_name(low, thin).override_by_name(
        high, [*thin, prop("custom.fillBelowTo", low), prop("custom.fillOpacity", 15)]
    )


def colour(panel: timeseries.Panel, name: str, colour: str, width: int = 1) -> timeseries.Panel:
    """A curve's colour."""
    fixed = {"mode": "fixed", "fixedColor": colour}
    return panel.override_by_name(name, [prop("color", fixed), prop("custom.lineWidth", width)])


def states(title: str, mappings: list[models.ValueMapping], note: str = "") -> statetimeline.Panel:
    """States over time, a row each."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .mappings(mappings)
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(80)
        .thresholds(steps((None, meanings.GREEN)))
    )
    if note:
        panel.description(note)
    return panel


def listing(title: str, note: str = "") -> table.Panel:
    """A table."""
    panel = table.Panel().title(title).show_header(True).filterable(True)
    if note:
        panel.description(note)
    return panel


def layer(name: str, ref: str, colour_field: str, size: int, *, fixed: str = "") -> common.MapLayerOptions:
    """Points on a map of the answer ``ref``, coloured by a field (or all in one colour)."""
    colours = {"fixed": fixed} if fixed else {"field": colour_field, "fixed": meanings.GREY}
    style = {
        "color": colours,
        "opacity": 0.85,
        "size": {"fixed": size, "min": 2, "max": 20},
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
    }
    return (
        common.MapLayerOptions()
        .type("markers")
        .name(name)
        .config({"showLegend": False, "style": style})
        .location(
            common.FrameGeometrySource()
            .mode(common_models.FrameGeometrySourceMode.COORDS)
            .latitude("lat")
            .longitude("lon")
        )
        .filter_data({"id": "byRefId", "options": ref})
        .tooltip(True)
    )


def map_of(title: str, *layers: common.MapLayerOptions, note: str = "") -> geomap.Panel:
    """A map that shows all of its points."""
    panel = (
        geomap.Panel()
        .title(title)
        .view(geomap.MapViewConfig().id("fit").all_layers(True).padding(10).max_zoom(17))
        .basemap(common.MapLayerOptions().type("default").name("OpenStreetMap"))
        .layers(list(layers))
        .controls(geomap.ControlsOptions().show_zoom(True).mouse_wheel_zoom(True).show_attribution(True))
        .tooltip(geomap.TooltipOptions().mode(geomap_models.TooltipMode.DETAILS))
    )
    if note:
        panel.description(note)
    return panel


def alerts_table(draft: Draft, title: str, where: str, *, only_open: bool) -> None:
    """Alerts as they stood at the end of what is shown, with links to their dashboard and their page."""
    say = draft.say
    condition = ' WHERE "open" = 1' if only_open else ""
    panel = (
        listing(title)
        .override_by_name("Time", named(say("Since", "Sejak"), "dateTimeAsLocal"))
        .override_by_name("onset", named(say("Began", "Mulai"), "dateTimeAsLocal"))
        .override_by_name("state", [*named(say("State", "Status")), *_mapped(meanings.alert_states(say))])
        .override_by_name("kind", [*named(say("Kind", "Jenis")), *_mapped(meanings.kinds(say))])
        .override_by_name(
            "priority", [*named(say("Priority", "Prioritas")), *_mapped(meanings.priorities(say))]
        )
        .override_by_name("flow", named(say("Flow", "Debit"), "m³/h", decimals=1))
        .override_by_name("lost", named(say("Lost", "Air hilang"), "suffix:m³", decimals=0))
        .override_by_name("confidence", named(say("Confidence", "Keyakinan"), "percentunit", decimals=0))
        .override_by_name(
            "dma",
            [
                *named("DMA"),
                goes_to(say("This DMA", "DMA ini"), draft.to("dma", dma="${__data.fields.dma}")),
            ],
        )
        .override_by_name(
            "alert",
            [
                *named(say("Alert", "Peringatan")),
                prop(
                    "links",
                    [
                        {"title": say("Evidence", "Bukti"), "url": draft.to("leak", leak="${__value.text}")},
                        {
                            "title": say("In Twuin", "Di Twuin"),
                            "url": "${twuin}/alerts/${__value.text}",
                            "targetBlank": True,
                        },
                    ],
                ),
            ],
        )
    )
    draft.add(
        panel,
        draft.rows(
            f"""SELECT "onset", "kind", "dma", "state", "priority", "flow", "lost", "confidence" FROM
            (SELECT last("open") AS "open", "onset_ms" AS "onset", "state", "priority",
            "flow_m3s" * 3600 AS "flow", "volume_m3" AS "lost", "confidence_1" AS "confidence"
            FROM "twuin_alert" WHERE {where} AND {EVER} GROUP BY "alert", "kind", "dma"){condition}
            GROUP BY "alert" """
        ),
        width=24,
        height=8,
    )


def _mapped(mappings: list[models.ValueMapping]) -> list[models.DynamicConfigValue]:
    return [prop("mappings", mappings), prop("custom.cellOptions", {"type": "color-text"})]


def timeline(draft: Draft, title: str, where: str, *, since: str = "$timeFilter") -> None:
    """Lines of alerts' histories, the newest first."""
    say = draft.say
    panel = (
        listing(title)
        .override_by_name("Time", named(say("Time", "Waktu"), "dateTimeAsLocal"))
        .override_by_name("kind", [*named(say("Kind", "Jenis")), *_mapped(meanings.kinds(say))])
        .override_by_name("action", [*named(say("What", "Kejadian")), *_mapped(meanings.actions(say))])
        .override_by_name("by", [*named(say("By", "Oleh")), *_mapped(meanings.people(say))])
        .override_by_name("what", named(say("Changed", "Yang berubah")))
        .override_by_name("reason", named(say("Reason", "Alasan")))
        .override_by_name("dma", named("DMA"))
        .override_by_name(
            "alert",
            [
                *named(say("Alert", "Peringatan")),
                goes_to(say("In Twuin", "Di Twuin"), "${twuin}/alerts/${__value.text}", blank=True),
            ],
        )
    )
    draft.add(
        panel,
        draft.rows(
            f"""SELECT "action", "kind", "dma", "alert", "by", "what", "reason" FROM "twuin_event"
            WHERE {where} AND {since} ORDER BY time DESC LIMIT 200"""
        ),
        width=24,
        height=9,
    )
