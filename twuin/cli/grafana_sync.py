"""``twuin grafana sync``: into a Grafana that already exists."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twuin.cli.options import (
    InfluxUrlOption,
    JsonOption,
    SiteOption,
    TwuinUrlOption,
    err,
    out,
    print_json,
)
from twuin.grafana.installation import LANGUAGES, Installation
from waterworks.errors import SettingsError, TwuinError
from waterworks.wording import counted

if TYPE_CHECKING:
    from twuin.grafana.bundle import Bundle
    from twuin.grafana.sync import Step

TOKEN = "TWUIN_GRAFANA_TOKEN"


def sync(
    url: Annotated[
        str,
        typer.Option("--url", help="Address of Grafana, as in https://grafana.example.", show_default=False),
    ],
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            help=f"Token of a service account; - reads it from standard input. Others on this machine can"
            f" read it in the list of processes: better give {TOKEN} or --token-file.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File that holds the token.", show_default=False)
    ] = None,
    site: SiteOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    lang: Annotated[
        Literal["en", "id", "both"],
        typer.Option("--lang", help="Dashboards in English, Bahasa Indonesia, or a set of each."),
    ] = "both",
    alert_email: Annotated[
        list[str] | None,
        typer.Option(
            "--alert-email",
            help="Whom Grafana's alerting tells; may be repeated. Without it: as it is in Grafana.",
            show_default=False,
        ),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option(
            "--take", metavar="UID", help="Overwrite this, though it is not Twuin's or was changed."
        ),
    ] = None,
    leave: Annotated[
        list[str] | None, typer.Option("--leave", metavar="UID", help="Leave this as it is in Grafana.")
    ] = None,
    twuin_url: TwuinUrlOption = None,
    influx_url: InfluxUrlOption = None,
    influx_user: Annotated[
        str | None,
        typer.Option(
            "--influx-user",
            help="InfluxDB 1.x: as whom Grafana reads it; one that may only read is enough. Default: "
            "store.username.",
            show_default=False,
        ),
    ] = None,
    influx_secret_file: Annotated[
        Path | None,
        typer.Option(
            "--influx-secret-file",
            help="File with the token (1.x: password) by which Grafana reads InfluxDB; one that may only read"
            " is enough. Default: the variable TWUIN_INFLUX_TOKEN.",
            show_default=False,
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="Certificates to trust, where Grafana has its own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Install or update folders, data source, dashboards, alert rules and contact point in a Grafana.

    Only what this command wrote is ever changed. Running it again changes nothing; after a failure half-way
    it goes on. Without --site: for any site of the database.
    """
    from twuin.cli.grafana import NEEDS, installation, site_settings

    try:
        from twuin.grafana.bundle import make_bundle
        from twuin.grafana.client import Grafana
        from twuin.grafana.sync import Act, Wishes, apply, plan
    except ImportError:
        raise SettingsError(NEEDS) from None
    made = installation(site_settings(site), twuin_url, influx_url)
    if influx_user is not None:
        made = replace(made, username=influx_user)
    emails = tuple(_email(e) for e in alert_email or ())
    made = replace(made, alert_emails=emails)
    bundles = [make_bundle(made, name) for name in (LANGUAGES if lang == "both" else (lang,))]
    _known([*(take or ()), *(leave or ())], bundles)
    if ca_file is not None and not ca_file.is_file():
        raise SettingsError(f"--ca-file {ca_file} is no file")
    grafana = Grafana(url, _token(token, token_file), ca_file=None if ca_file is None else str(ca_file))
    wishes = Wishes(
        _secrets(made, bundles, influx_secret_file), emails, frozenset(take or ()), frozenset(leave or ())
    )
    version = grafana.check()
    steps = plan(grafana, bundles, wishes)
    if as_json:
        print_json([_plain(s) for s in steps])
    elif dry_run:
        out.print(f"Grafana {version} at {grafana.url}; nothing is changed.", markup=False)
        for step in steps:
            _show(step, would=True)
    refused = [s for s in steps if s.act is Act.REFUSE]
    if dry_run:
        if refused:
            raise typer.Exit(1)
        if not as_json and not any(s.do for s in steps):
            out.print(_nothing(steps))
        return
    changed = apply(steps, lambda step: None if as_json else _show(step))
    if not as_json:
        for step in steps:
            if step.act is Act.KEEP:
                _show(step)
        out.print(f"{counted(changed, 'change')} made." if changed else _nothing(steps))


def _nothing(steps: Sequence[Step]) -> str:
    found = Counter(str(s.act) for s in steps)
    kept = f", {found['keep']} left as they are" if found["keep"] else ""
    return f"Nothing to change: {found['same']} as they should be{kept}."


def _show(step: Step, would: bool = False) -> None:
    words = {"same": "as it is", "keep": "left", "refuse": "refused"}
    said = words.get(str(step.act)) or (f"would {step.act}" if would else f"{step.act}d")
    out.print(f"{said:<13} {step}{step.why and f': {step.why}'}", markup=False)
    for line in step.changes:
        out.print(f"{'':<13}   {line}", markup=False)


def _plain(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "uid": step.uid,
        "title": step.title,
        "act": str(step.act),
        "why": step.why,
        "changes": list(step.changes),
    }


def _token(given: str | None, file: Path | None) -> str:
    if given is not None and file is not None:
        raise SettingsError("give --token or --token-file, not both")
    if file is not None:
        return _read(file, "--token-file")
    if given == "-":
        return sys.stdin.readline().strip()
    if given is not None:
        err.print(f"note: others on this machine can read --token in the list of processes; {TOKEN} hides it")
        return given.strip()
    return os.environ.get(TOKEN, "").strip()


def _read(file: Path, option: str) -> str:
    """A secret from a file; never shown."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as e:
        raise SettingsError(f"{option} {file}: {e.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{option} {file} is not text: write the secret alone into it") from None


def _secrets(made: Installation, bundles: Sequence[Bundle], file: Path | None) -> tuple[tuple[str, str], ...]:
    """Fields of ``secureJsonData`` with the secret in them; none where there is no secret."""
    secret = (
        _read(file, "--influx-secret-file")
        if file is not None
        else os.environ.get(made.secret_variable, "").strip()
    )
    if not secret:
        return ()
    hole = f"${{{made.secret_variable}}}"
    return tuple((k, v.replace(hole, secret)) for s in bundles[0].datasources for k, v in s.secrets.items())


def _email(text: str) -> str:
    if text.count("@") != 1 or any(c in text for c in " ;,\n<>") or not all(text.split("@")):
        raise SettingsError(f"--alert-email {text!r} is not one address, as in duty@pdam.example")
    return text


def _known(uids: Sequence[str], bundles: Sequence[Bundle]) -> None:
    """TwuinError for a uid that nothing of Twuin's has."""
    has: set[str] = set()
    for b in bundles:
        things: list[Any] = [*b.folders, *b.datasources, *b.contact_points, *b.dashboards, *b.rules]
        has |= {thing.uid for thing in things}
    for uid in uids:
        if uid not in has:
            raise TwuinError(
                f"nothing that Twuin makes has the uid {uid!r}; it makes {', '.join(sorted(has))}"
            )
