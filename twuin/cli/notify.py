"""``twuin notify``: try receivers, see what was sent and what was not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twuin.cli.options import DataOption, JsonOption, SiteOption, err, out, print_json, settings_from
from waterworks.wording import counted

app = typer.Typer(no_args_is_help=True, help="Telling people of alerts: try it, see what was sent.")


@app.command()
def test(
    receiver: Annotated[str, typer.Argument(help="A receiver of notify.toml, or one channel: name/channel.")],
    site: SiteOption = None,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test message to every channel of a receiver, and say what came of it. Status 1 if one failed."""
    from twuin.app import read_settings_site
    from twuin.telling import send_test

    settings = settings_from(site=site, data_dir=data_dir)
    results = send_test(settings, read_settings_site(settings), receiver)
    failed = [address for address, outcome in results if outcome.result != "delivered"]
    if as_json:
        print_json([{"address": str(a), "result": o.result.value, "detail": o.detail} for a, o in results])
    else:
        for address, outcome in results:
            said = "sent" if outcome.result == "delivered" else f"{outcome.result.value}: {outcome.detail}"
            out.print(f"{address}: {said}", markup=False)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_(
    site: SiteOption = None,
    data_dir: DataOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was delivered; else only what was not.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, newest first.", min=1)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List messages that are not delivered: waiting, given up, or uncertain whether they arrived."""
    from twuin.app import read_settings_site
    from twuin.notify.model import UNDELIVERED
    from twuin.telling import has_rules, list_messages

    settings = settings_from(site=site, data_dir=data_dir)
    watched = read_settings_site(settings)
    found = list_messages(settings, watched, () if everything else UNDELIVERED, limit)
    if as_json:
        print_json([_shown(m) for m in found])
        return
    if not has_rules(settings, watched):
        out.print(
            f"Nobody is told anything: there is no notify.toml in {watched.folder} (docs/notify.md).",
            markup=False,
        )
    elif not found:
        out.print("Nothing was sent yet." if everything else "Nothing waits: all messages were delivered.")
    for m in found:
        when = m.created.astimezone(watched.timezone).strftime("%Y-%m-%d %H:%M")
        tried = f", {counted(m.attempts, 'try', 'tries')}" if m.attempts else ""
        why = f": {m.error}" if m.error else ""
        about = m.text.title or ", ".join(m.alerts)
        out.print(f"{m.id}  {when}  {m.address}  {m.state.value}{tried}{why}  {about}", markup=False)


@app.command()
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Messages, as `twuin notify list` names them.")
    ] = None,
    site: SiteOption = None,
    data_dir: DataOption = None,
    all_failed: Annotated[
        bool, typer.Option("--all", help="All that were given up or are uncertain.")
    ] = False,
) -> None:
    """Send messages again that were given up or are uncertain; what waits is tried at once.

    A message that is uncertain may have arrived: its receiver may then get it once more.
    """
    from twuin.app import read_settings_site
    from twuin.telling import retry_messages

    if bool(ids) == all_failed:
        err.print("name messages, or give --all", markup=False)
        raise typer.Exit(2)
    settings = settings_from(site=site, data_dir=data_dir)
    count = retry_messages(settings, read_settings_site(settings), ids or [])
    out.print(f"{counted(count, 'message')} will be sent again while Twuin runs.")
    if ids and count < len(set(ids)):
        raise typer.Exit(1)


def _shown(m: Any) -> dict[str, Any]:
    """A message without its text: that may hold a link that acknowledges."""
    return {
        "id": m.id,
        "address": str(m.address),
        "state": m.state.value,
        "title": m.text.title,
        "alerts": list(m.alerts),
        "created": m.created.isoformat(),
        "attempts": m.attempts,
        "doubtful": m.doubts,
        "error": m.error,
        "next_try": m.next_try.isoformat() if m.state.value == "waiting" else None,
        "give_up": m.give_up.isoformat(),
        "settled": None if m.settled is None else m.settled.isoformat(),
    }
