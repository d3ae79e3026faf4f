"""Templates in each language, and what every page gets to work with."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

import twuin
from twuin.access.cookies import keep_visitor, visitor_secret
from twuin.access.current import current
from twuin.accounts.model import Via
from twuin.accounts.secret import form_token
from twuin.views.models import SiteFrame, SiteOut
from twuin.web import figures
from twuin.web.formats import Formats, currency_sign, zone_names
from twuin.web.locales import LANGUAGES, choose, language
from twuin.web.menu import menu
from twuin.web.words import LEAST_LEAD, Words

HERE = Path(__file__).parent
STATIC = HERE / "static"
LANGUAGE_COOKIE = "twuin_language"
THEME_COOKIE = "twuin_theme"
ACTOR_COOKIE = "twuin_actor"
ORDER_COOKIE = "twuin_order"
THEMES = ("auto", "light", "dark")


def static_digest() -> str:
    """A short hash of all static files: their addresses carry it, so browsers may keep them for good."""
    return files_digest(STATIC)


def files_digest(folder: Path) -> str:
    """A short hash of all files of a folder, of their names and what they hold."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def as_json(value: Any) -> Markup:
    """JSON that may stand in a ``<script type="application/json">`` or an attribute."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a page's data")


class Templates:
    """The pages' templates, one environment a language. site_name: for who is not signed in."""

    def __init__(self, site_name: str = "") -> None:
        self.site_name = site_name
        self.digest = static_digest()
        self.build = f"{twuin.__version__}-{self.digest}-{files_digest(HERE / 'templates')}"
        """Another one where another version made a page: a display that runs for weeks then loads anew."""
        self._environments = {code: self._environment(code) for code in LANGUAGES}

    def _environment(self, code: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        messages = language(code).messages
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            messages.gettext, messages.ngettext, newstyle=True
        )
        environment.filters["json"] = as_json
        environment.globals.update(
            lang=code,
            languages=LANGUAGES,
            sparkline=figures.sparkline,
            nights_data=figures.nights_data,
            least_lead=LEAST_LEAD,
            spark_box=f"0 0 {figures.SPARK_WIDTH:g} {figures.SPARK_HEIGHT:g}",
            version=twuin.__version__,
        )
        return environment

    def render(self, code: str, template: str, context: dict[str, Any]) -> str:
        return self._environments[code].get_template(template).render(context)


class Page:
    """One request's page: its language, its theme, its site's zone and currency."""

    def __init__(
        self, templates: Templates, request: Request, site: SiteOut | None, code: str | None = None
    ) -> None:
        self.templates = templates
        self.request = request
        self.site = site
        self.code = code or choose(
            request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")
        )
        self.who = current()
        self.form_secret, self._new_visitor = (
            visitor_secret(request) if self.who.via is not Via.OPEN else ("", False)
        )
        theme = request.cookies.get(THEME_COOKIE, "auto")
        self.theme = theme if theme in THEMES else "auto"
        messages = language(self.code).messages
        self.formats = Formats(
            self.code,
            messages.gettext,
            messages.ngettext,
            ZoneInfo(site.timezone if site else "UTC"),
            site.currency if site else "IDR",
            self.year,
        )
        self.words = Words(self.formats)
        self.bare = False
        """Whether something is left out because the readings are away."""

    @property
    def past(self) -> bool:
        """Whether past data are looked at, as if their end were the present."""
        return self.site is not None and self.site.clock == "data"

    @property
    def year(self) -> int:
        """The year that times need not name: the present one, none where past data are looked at."""
        if self.site is None or self.past:
            return 0
        return self.site.now.astimezone(ZoneInfo(self.site.timezone)).year

    @property
    def base(self) -> str:
        """Where the pages stand, without a slash at the end: "" at the root of a host."""
        return str(self.request.scope.get("root_path", "")).rstrip("/")

    @property
    def known_site(self) -> SiteOut:
        """The site, on a page that has one."""
        assert self.site is not None
        return self.site

    @cached_property
    def stale(self) -> timedelta | None:
        """How far the analysis is behind the site's clock, None while it keeps up."""
        site = self.site
        if site is None or site.watermark is None or site.stale_after_s is None:
            return None
        behind = site.now - site.watermark
        return behind if behind > timedelta(seconds=site.stale_after_s) else None

    @property
    def away(self) -> bool:
        """Whether the store of readings does not answer."""
        return self.bare or (isinstance(self.site, SiteFrame) and self.site.away)

    @property
    def ready(self) -> bool:
        """Whether the picture is of the present: something was analysed, and all of it."""
        site = self.site
        return (
            site is not None
            and site.watermark is not None
            and not (site.catching_up and self.stale is not None)
        )

    @cached_property
    def present(self) -> datetime:
        """Where charts end: now, or where the data ended if that is more than a day ago."""
        site = self.known_site
        if site.watermark is not None and site.now - site.watermark > timedelta(days=1):
            return site.watermark + timedelta(hours=1)
        return site.now

    def response(self, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
        url = self.request.url
        here = url.path + (f"?{url.query}" if url.query else "")
        site = self.site
        text = self.templates.render(
            self.code,
            template,
            {
                "site": site,
                "site_name": site.name if site else self.templates.site_name,
                "who": self.who,
                "rights": self.who.rights,
                "menu": menu(self.formats, self.who.rights, url.path.removeprefix(self.base)),
                "form": form_token(self.form_secret) if self.form_secret else "",
                "fmt": self.formats,
                "words": self.words,
                "theme": self.theme,
                "base": self.base,
                "here": here,
                "static": f"{self.base}/static/{self.templates.digest}",
                "zone": zone_names(self.formats.zone, site.now.year) if site else "",
                "stale": self.stale,
                "away": self.away,
                "ready": self.ready,
                "past": self.past,
                "counting": self.ready and not self.away and self.stale is None and not self.past,
                "client": {
                    "form": form_token(self.form_secret) if self.form_secret else "",
                    "language": self.code,
                    "api": f"{self.base}/api/v1",
                    "static": f"{self.base}/static/{self.templates.digest}",
                    "timezone": site.timezone if site else "UTC",
                    "zone": zone_names(self.formats.zone, site.now.year) if site else "",
                    "currency": currency_sign(self.formats.currency, self.code),
                    "now": site.now if site else None,
                    "year": self.year,
                    # A clock that follows data stands still between them.
                    "speed": 0.0 if self.past else site.clock_speed if site else 1.0,
                    "countOn": (site.stale_after_s or 0.0) if site else 0.0,
                    "messages": language(self.code).script_messages,
                },
                **context,
            },
        )
        answer = HTMLResponse(
            text,
            status_code,
            {
                "content-language": self.code,
                "cache-control": "no-store",
                "vary": "accept-language, cookie",
            },
        )
        if self._new_visitor:
            keep_visitor(self.request, answer, self.form_secret)
        return answer
