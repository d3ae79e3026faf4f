"""``twuin benchmark``: how early and how surely leaks are found, measured. A command per case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twuin.cli.options import (
    JsonOption,
    SchedulerOption,
    err,
    out,
    print_json,
    progress,
    settings_from,
)
from twuin.cli.years import years
from waterworks.errors import SettingsError

if TYPE_CHECKING:
    from twuin.benchmark.spread import Each
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


def before(plots: Path | None, to: Path | None = None) -> None:
    """To be called first by each case: says at once what would fail at the end."""
    from twuin.benchmark.outputs import check_file, check_folder
    from twuin.benchmark.plots import require

    if plots is not None:
        require()
        check_folder(plots, "--plots")
    if to is not None:
        check_file(to, "--out")


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


@contextmanager
def spread(scheduler: str | None) -> Iterator[Each]:
    """Who does the pieces of a case: this process, or the workers of a scheduler."""
    from twuin.benchmark.spread import in_turn

    settings = settings_from(cluster={"scheduler": scheduler})
    if not settings.cluster.scheduler:
        yield in_turn
        return
    from twuin.app import open_cluster

    with closing(open_cluster(settings)) as cluster:

        def each(name: str, work: Callable[[Any], Any], orders: Sequence[Any]) -> Iterator[tuple[int, Any]]:
            for answer in cluster.each(name, orders):
                yield answer.number, answer.value

        yield each


@app.command()
def battle(
    folder: Annotated[
        Path, typer.Argument(help="network.inp, YEAR_SCADA_*.csv.gz of two years, YEAR_repairs.txt.")
    ],
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="RESULTS.txt", help="Write the reports in the competition's format."),
    ] = None,
    as_json: JsonOption = False,
    plots: PlotsOption = None,
) -> None:
    """Find the leaks of a whole network by its hydraulic model, day by day.

    FOLDER is in the format of the Battle of the Leakage Detection and Isolation Methods 2020. The first year
    is history, the second is reported. Truth files, where there are any, are read after the last report, to
    score.
    """
    from twuin.benchmark import battle as case

    before(plots, to)
    with progress("Two years, day by day", quiet=as_json) as told:
        result = case.run(folder, progress=told)
    if to is not None:
        result.write(to)
    present(result, as_json=as_json, plots=plots)


@app.command()
def injected(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of inlet flow, CSV, Excel or Parquet.")
    ],
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", help="Site folder with mapping.toml. Default: examples/ferrara of the source checkout."
        ),
    ] = None,
    starts: Annotated[
        int, typer.Option("--starts", min=2, max=366, help="Days in each period on which leaks are put in.")
    ] = 36,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the leaks' times.")] = 1,
    score_from: Annotated[
        datetime | None,
        typer.Option(
            "--score-from",
            formats=["%Y-%m-%d"],
            help="First day that is scored; what is before is to tune on. Default: the first 1 January after "
            "ten months.",
        ),
    ] = None,
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
    plots: PlotsOption = None,
) -> None:
    """Leaks of known size in real inflow: delay and false alarms, side by side with the methods of today."""
    from twuin.benchmark.injected import run

    before(plots)
    with spread(scheduler) as each, progress("Injecting leaks", quiet=as_json) as moved:
        result = run(
            files,
            site=site,
            starts=starts,
            seed=seed,
            score_from=score_from.date() if score_from else None,
            progress=moved,
            each=each,
        )
    present(result, as_json=as_json, plots=plots)


@app.command()
def faults(
    seeds: Annotated[
        str, typer.Option("--seeds", help="Runs, by their seeds: 401,402 or 401-406.")
    ] = "401-406",
    plots: PlotsOption = None,
    as_json: JsonOption = False,
    detail: Annotated[bool, typer.Option("--detail", help="Name each miss and each false finding.")] = False,
    scheduler: SchedulerOption = None,
) -> None:
    """How well sensor faults are told from each other and from leaks, on labelled months of the demo town.

    Each run has 35 quiet days and 72 with a fault, cut supply or a leak in each DMA every twelve days.
    docs/sensor-faults.md explains the table.
    """
    before(plots)
    from twuin.benchmark.faults import run

    chosen = _seeds(seeds)
    with spread(scheduler) as each, progress("Simulating", quiet=as_json) as moved:
        result = run(chosen, progress=moved, each=each)
    present(result, as_json=as_json, plots=plots)
    if detail and not as_json:
        for line in result.detail:
            out.print(line, markup=False)


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        found = []
    if not found or len(found) > 1000:
        raise SettingsError(f"--seeds {text!r} is no list of seeds: write 401,402 or 401-406")
    return found


@app.command()
def scale(
    dmas: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="[DMAS]...", min=1, max=1_000_000, help="Numbers of DMAs. Default: 10 100 1000 10000."
        ),
    ] = None,
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
    plots: PlotsOption = None,
) -> None:
    """Time and memory of one monitor cycle by number of DMAs, each of 10 sensors with 60 days of readings."""
    from twuin.benchmark.scale import run

    before(plots)
    with spread(scheduler) as each, progress("Timing cycles", quiet=as_json) as moved:
        result = run(dmas or (10, 100, 1000, 10000), progress=moved, each=each)
    present(result, as_json=as_json, plots=plots)
