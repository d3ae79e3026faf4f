"""``twuin benchmark years``: make labelled years to measure a detector on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twuin.cli.options import JsonOption, out, print_json, progress
from waterworks.errors import SettingsError


def years(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder to write to.")],
    network: Annotated[Path, typer.Option("--network", help="The nominal network (EPANET file).")],
    seed: Annotated[int, typer.Option("--seed", help="Another seed makes other leaks, pipes and people.")],
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FOLDER",
            help="Take the sensors from the columns of this folder of the same format. "
            "Default: sensors spread over the network.",
        ),
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="plain, noisy, missing, faults or holidays.")
    ] = "plain",
    first: Annotated[
        int, typer.Option("--first-year", min=1970, max=2100, help="The year of history.")
    ] = 2018,
    as_json: JsonOption = False,
) -> None:
    """Make two labelled years in the format of BattLeDIM 2020, from a network and a seed.

    The simulated network differs from the given one in roughness, diameters and where water is used.
    About half of the leaks are repaired; those of the first year stand in YEAR_repairs.txt. The truth is
    in leaks_truth.txt, YEAR_Leakages.csv.gz, faults.csv and scenario.toml. The same seed gives the same
    years.
    """
    from firmware_sim.battle_plan import Variant
    from firmware_sim.battle_years import write_years

    if variant not in set(Variant):
        raise SettingsError(f"--variant {variant!r} is unknown: use one of {', '.join(Variant)}")
    if seed < 0:
        raise SettingsError(f"--seed {seed} must be 0 or more")
    with progress("Simulating", quiet=as_json) as moved:
        report = write_years(
            network,
            folder,
            seed,
            like=like,
            variant=Variant(variant),
            years=(first, first + 1),
            progress=moved,
        )
    if as_json:
        print_json({**report._asdict(), "folder": str(report.folder)})
        return
    begun = ", ".join(f"{n} in {first + k}" for k, n in enumerate(report.leaks))
    out.print(
        f"{report.readings:,} readings written to {folder}; leaks: {begun}; "
        f"repaired in {first}: {report.repairs}",
        markup=False,
    )
