"""``/wall``: displays on the wall of a control room."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from twuin.access import GuardedRoute, guarded_router, needs
from twuin.access.current import current
from twuin.accounts.rights import Right
from twuin.views.models import DmaState, SiteOut
from twuin.views.views import Views
from twuin.web.figures import map_data
from twuin.web.locales import LANGUAGES
from twuin.web.render import Page, Templates
from twuin.web.wall_file import WallFile
from twuin.web.wall_panels import MOST_ALERTS, NrwFigure, WallData
from twuin.web.wall_words import WallWords
from waterworks.errors import TwuinError
from waterworks.wall import Panel, PanelKind, Screen, WallPage, part_of_wall, usual_wall

log = logging.getLogger(__name__)

MOST_NAMED = 2
"""DMAs that the heading of a part of a site names; of more it says how many there are."""


def wall_routes(templates: Templates, views: Views, file: WallFile | None) -> APIRouter:
    """The displays of one site. file: what they show; None: the usual."""
    routes = guarded_router(GuardedRoute)
    nrw = NrwFigure(views)

    @routes.get("/wall")
    @needs(Right.SITE)
    def wall(request: Request, screen: str = "1", lang: str = "") -> Response:
        """One display. It fetches itself again and again, for weeks: whatever is wrong, it gets a wall."""
        try:
            site = views.site()
        except TwuinError as e:
            return unreadable(request, lang, e)
        has_map = site.bounds is not None
        read = None if file is None else file.read(has_map=has_map)
        shown = read.wall if read else usual_wall(has_map=has_map)
        limited = current().dmas is not None
        data = WallData(views, site, nrw)
        try:
            if limited:
                own = [d.id for d in data.dmas], [s.id for s in data.sensors]
                shown = part_of_wall(shown, *own, has_map=has_map)
        except TwuinError as e:
            return unreadable(request, lang, e, site)
        number = int(screen) if screen.isascii() and screen.isdigit() and len(screen) < 6 else 0
        there = 0 < number <= len(shown.screens)
        display = shown.screens[number - 1] if there else Screen(())
        page = Page(templates, request, site, lang if lang in LANGUAGES else None)
        told = WallWords(page.formats)
        try:
            panels = {
                (i, panel.name): _panel(data, page, panel)
                for i, p in enumerate(display.pages)
                for panel in p.panels
            }
            places = _places(data, page, display, has_map)
        except TwuinError as e:
            return unreadable(request, lang, e, site)
        return page.response(
            "wall.html",
            200 if there else 404,
            screen=display,
            asked=screen[:20],
            screens=len(shown.screens),
            part=_part(data.dmas, page) if limited else "",
            digest=read.digest if read else "usual",
            # They name DMAs and sensors.
            problems=[told.problem(p) for p in read.problems] if read and not limited else [],
            panels=panels,
            map=places,
            build=templates.build,
            areas=_areas,
        )

    def unreadable(request: Request, lang: str, error: TwuinError, site: SiteOut | None = None) -> Response:
        """A display without panels that asks again: an error page would stay until someone came."""
        log.warning("the wall cannot be shown: %s", error)
        if site is None:  # its name, and the time of its own zone, are there all the same
            with suppress(TwuinError):
                site = views.frame()
        page = Page(templates, request, site, lang if lang in LANGUAGES else None)
        return page.response(
            "wall.html",
            503,
            screen=Screen(()),
            asked="",
            screens=0,
            part="",
            digest="",
            problems=(),
            panels={},
            map=None,
            build=templates.build,
            areas=_areas,
        )

    return routes


def _part(dmas: Sequence[DmaState], page: Page) -> str:
    """For the heading of a display of some DMAs only: which, or how many."""
    f = page.formats
    if len(dmas) <= MOST_NAMED:
        return f.gettext("only %(names)s") % {"names": ", ".join(d.name for d in dmas)}
    return f.gettext("only %(n)s DMAs") % {"n": f.number(len(dmas), 0)}


def _areas(page: WallPage, panel: Panel) -> dict[str, list[int]]:
    """Where a panel is, lying and standing: row, column, rows, columns."""
    return {
        name: [a.row, a.column, a.rows, a.columns]
        for name, a in (("wide", page.layout.areas[panel.name]), ("upright", page.upright.areas[panel.name]))
    }


def _panel(data: WallData, page: Page, panel: Panel) -> dict[str, Any]:
    """What the template of a panel needs."""
    about: dict[str, Any] = {
        "as_of": data.as_of(panel),
        "old_after_s": data.old_after_s(panel),
        "title": panel.title or _title(data, page, panel),
    }
    match panel.kind:
        case PanelKind.MAP:
            newest = data.newest_alert() if panel.follow else None
            about["focus"] = {"dma": panel.dma, "alert": newest.id if newest else ""}
            about["newest"] = newest
        case PanelKind.DMAS:
            about["dmas"] = data.shown_dmas(panel)
        case PanelKind.TREND:
            about["dma"], about["sensor"] = data.dma_of(panel), data.sensor_of(panel)
        case PanelKind.ALERTS:
            found = data.shown_alerts(panel)
            about["alerts"], about["total"] = found[:MOST_ALERTS], len(found)
        case PanelKind.SENSORS:
            about["counts"], about["odd"] = data.shown_sensors(panel)
        case PanelKind.FIGURES:
            inflows = [d.inflow_m3h for d in data.dmas if d.inflow_m3h is not None]
            about |= {
                "inflow": sum(inflows) if inflows else None,
                "expected": sum(d.expected_m3h for d in data.dmas if d.expected_m3h is not None) or None,
                "known": len(inflows),
                "dmas": len(data.dmas),
                "leaks": data.leaks,
                "lost": data.lost_today_m3,
                "lost_as_of": data.analysed,
                "nrw": data.nrw,
            }
        case PanelKind.CLOCK:
            pass
    return about


def _title(data: WallData, page: Page, panel: Panel) -> str:
    """The usual title of a panel; "" where the panel speaks for itself."""
    _ = page.formats.gettext
    match panel.kind:
        case PanelKind.MAP if panel.dma:
            return next((d.name for d in data.dmas if d.id == panel.dma), panel.dma)
        case PanelKind.MAP:
            return _("Newest alert") if panel.follow and data.newest_alert() else _("Network")
        case PanelKind.DMAS:
            return _("Areas")
        case PanelKind.TREND if panel.sensor:
            sensor = data.sensor_of(panel)
            return (sensor.name or sensor.id) if sensor else panel.sensor
        case PanelKind.TREND:
            dma = data.dma_of(panel)
            return _("Inflow to %(dma)s") % {"dma": dma.name if dma else ""}
        case PanelKind.ALERTS:
            return _("Alerts")
        case PanelKind.SENSORS:
            return _("Sensors")
        case PanelKind.FIGURES:
            return _("Today")
        case _:
            return ""


def _places(data: WallData, page: Page, screen: Screen, has_map: bool) -> dict[str, Any] | None:
    """What the maps of a screen show; None where it has none."""
    if not has_map or not any(p.kind is PanelKind.MAP for each in screen.pages for p in each.panels):
        return None
    running = [a for a in data.alerts if a.ended is None]
    found = map_data(data.site, data.dmas, data.sensors, running, page.words, base=page.base)
    for shown, alert in zip(found["alerts"], running, strict=True):
        shown["watched"] = alert.watched
    return found
