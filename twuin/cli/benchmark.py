"""``twuin benchmark``: how early and how surely leaks are found, measured. A command per case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twuin.cli.options import err, out, print_json
from twuin.cli.years import years

if TYPE_CHECKING:
    from twuin.benchmark.table import Result

app = typer.Typer(
    no_args_is_help=True,
    help="Measure how early and how surely leaks are found, side by side with other methods.\n\n"
    "Each case prints a table (`--json`: for a script) and draws pictures (`--plots DIR`). "
    "docs/benchmarks.md explains them.",
)

PlotsOption = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Draw pictures into this folder (needs Matplotlib)."),
]


@app.callback()
def cases() -> None:
    """A group even while it has a single case."""


app.command()(years)


def before(plots: Path | None) -> None:
    """To be called first by each case: says at once what would fail at the end."""
    from twuin.benchmark.plots import require

    if plots is not None:
        require()


def present(result: Result, *, as_json: bool, plots: Path | None) -> None:
    """Print a case's result as was asked, and draw its pictures."""
    from twuin.benchmark.table import print_table

    if as_json:
        print_json(result.as_json())
    else:
        for table in result.tables():
            print_table(table, out)
    if plots is not None:
        for path in result.plot(plots):
            err.print(f"drew {path}", markup=False)
