"""``twuin settings``: what is set, and the reference of all that can be."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twuin.cli.options import JsonOption, out, print_json, settings_from


def add_to(app: typer.Typer) -> None:
    app.command()(settings)


def settings(
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print the reference of all settings, as docs/settings.md has it."),
    ] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not as by default.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the settings in force: from the file, the environment and --config, secrets left out."""
    from twuin.settings import reference, shown

    if markdown:
        out.print(reference(), markup=False, end="")
        return
    found: list[dict[str, Any]] = [s._asdict() for s in shown(settings_from()) if s.changed or not changed]
    if as_json:
        print_json(found)
        return
    width = max((len(s["name"]) for s in found), default=0)
    for s in found:
        out.print(f"{'*' if s['changed'] else ' '} {s['name']:{width}}  {s['value']}".rstrip(), markup=False)
    out.print("* not as by default" if found else "all as by default", markup=False)
