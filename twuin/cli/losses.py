"""``twuin losses``: the water balance and what belongs to it, for people and for scripts."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from twuin.cli.options import DataOption, JsonOption, SiteOption, out, print_json, settings_from
from twuin.views.loss_models import Limited, LossesOut, LossOut
from waterworks.errors import SettingsError
from waterworks.wording import counted

DayOption = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First local day. Default: 28 days.")
]
LastOption = Annotated[
    str | None,
    typer.Option("--to", metavar="YYYY-MM-DD", help="Last local day. Default: the last whole one."),
]

WHY = {
    "no_readings": "no inflow was measured",
    "gaps": "too little of the inflow was measured",
    "few_nights": "fewer than three nights with a night flow",
    "no_pressure": "no pressure is measured, none given (dmas.csv: pressure_m)",
    "no_sensor": "no pressure is measured",
    "negative": "bills and estimates are more than what went in: look at meters and bills",
    "pressure_gaps": "pressure was not measured at every hour of the day",
    "no_mains": "length of mains not given (dmas.csv: mains_km)",
    "no_connections": "no connections given (dmas.csv: connections)",
    "no_bills": "nothing billed is given for these days (billed.csv, or dmas.csv: billed_m3_month)",
    "site_bills": "bills are given for the whole site only (billed.csv: dma)",
    "no_estimates": "theft, unbilled use or what meters miss not given (site.toml: [balance])",
    "no_night_leakage": "what it rests on is not known",
    "other_dmas": "not known for every DMA",
    "no_minimum": "no minimum given (site.toml: service.min_pressure_m)",
    "no_cost": "value of water not given (site.toml: monitor.water_cost)",
    "no_repair_cost": "cost of a repair not given (site.toml: economics.repair_cost)",
    "no_survey_cost": "cost of a leak survey not given (site.toml: economics.survey_cost_per_km)",
    "short_history": "fewer than 56 nights to see leakage rise in",
    "no_rise": "no rise of leakage stands out",
    "no_step": "night pressure never changed enough to learn it",
    "opposite": "leakage rose as pressure fell: a leak, not a valve",
    "no_leakage": "no leakage beside night use",
    "implausible": "what was found lies outside of all that was ever measured",
}
"""Why a figure is not there, and what would bring it."""

LIMITS = {
    "small": "connections + 20 a km of mains below 3,000",
    "low_pressure": "pressure below 25 m",
    "high_pressure": "pressure above 100 m",
    "sparse": "fewer than 20 connections a km",
    "intermittent": "supplied for less than 20 hours a day",
}

ROWS = (
    ("System input volume", "system_input", 0),
    ("Authorised consumption", "authorised", 1),
    ("Billed authorised consumption", "billed", 2),
    ("Billed metered", "billed_metered", 3),
    ("Billed unmetered", "billed_unmetered", 3),
    ("Unbilled authorised consumption", "unbilled", 2),
    ("Unbilled metered", "unbilled_metered", 3),
    ("Unbilled unmetered", "unbilled_unmetered", 3),
    ("Water losses", "losses", 1),
    ("Apparent losses", "apparent", 2),
    ("Unauthorised consumption", "unauthorised", 3),
    ("Customer meter inaccuracies", "meter_error", 3),
    ("Data handling errors", "data_error", 3),
    ("Real losses", "real", 2),
    ("Non-revenue water", "nrw", 0),
)
"""Name, field of the balance, depth."""


def add_to(app: typer.Typer) -> None:
    app.command()(losses)


def losses(
    site: SiteOption = None,
    data_dir: DataOption = None,
    first: DayOption = None,
    last: LastOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the water balance with 95 % limits, and what each DMA loses.

    Uses the readings of whole local days. A figure that cannot be had says what is missing.
    """
    from twuin.app import run_losses
    from twuin.views.losses import wrong_days

    start, end = _day(first, "--from"), _day(last, "--to")
    wrong = wrong_days(start, end)
    if wrong is not None:
        raise SettingsError(f"{'--from' if wrong[0] == 'start' else '--to'}: {wrong[1]}")
    settings = settings_from(site=site, data_dir=data_dir, clock={"kind": "data"})
    found = run_losses(settings, start, end)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _print(found)


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} {text!r} is not a day, as in 2026-10-31") from None


def _print(found: LossesOut) -> None:
    def say(text: str = "") -> None:
        out.print(text, markup=False)

    site = found.site
    say(f"{site.name}, {found.start} to {found.end} ({counted(found.days, 'day')})")
    balanced = site.balance.days
    note = "" if balanced == found.days else f", of {counted(balanced, 'day')}"
    say()
    say(f"{f'Water balance{note}':<42}{'m3':>12}  {'95 % limits':>23}")
    for name, field, depth in ROWS:
        value: Limited | None = getattr(site.balance, field)
        say(f"{'  ' * depth + name:<42}{_limits(value, 0)}")
    for reason in dict.fromkeys(
        site.why[k] for k in ("system_input", "nrw", "real_balance") if k in site.why
    ):
        say(f"  - not known: {WHY[reason]}")
    say()
    say(f"{'Indicators':<42}{'':>12}  {'95 % limits':>23}")
    share = site.nrw_share
    if share is not None:
        percent = Limited(value=share.value * 100, low=share.low * 100, high=share.high * 100)
        say(f"{'NRW, % of system input':<42}{_limits(percent, 1)}")
    say(f"{'NRW, l/connection/day':<42}{_limits(site.nrw_l_connection_day, 0)}")
    source = {"balance": " (balance)", "night": " (night flow)"}.get(site.real_source, "")
    say(f"{f'Real losses, m3/day{source}':<42}{_limits(site.real_m3day, 1)}")
    say(f"{'Real losses, l/connection/day':<42}{_limits(site.real_l_connection_day, 0)}")
    say(f"{'UARL, m3/day':<42}{_number(site.uarl_m3day, 1)}")
    say(f"{'ILI':<42}{_limits(site.ili, 2)}{_bands(site, found.economy)}")
    for reason in dict.fromkeys(site.why[k] for k in ("real", "uarl") if k in site.why):
        say(f"  - not known: {WHY[reason]}")
    for limit in site.ili_limits:
        say(f"  - beyond the ILI's limits: {LIMITS[limit]}")
    if site.cost_day is not None:
        say(f"{f'Real losses cost a day, {found.currency}':<42}{site.cost_day:>12,.0f}")

    say()
    say(
        f"{'DMA':<12}{'night flow':>11}{'legitimate':>11}{'background':>11}{'burst':>8}{'NDF':>7}"
        f"{'excess':>9}{'NRW':>7}{'ILI':>7}"
    )
    say(f"{'':<12}{'m3/h':>11}{'m3/h':>11}{'m3/h':>11}{'m3/h':>8}{'h/day':>7}{'m3/day':>9}{'%':>7}")
    for d in (*found.dmas, *found.zones):
        nrw = None if d.nrw_share is None else d.nrw_share.value * 100
        say(
            f"{d.id[:11]:<12}{_number(_value(d.night_flow_m3h), 1, 11)}"
            f"{_number(_value(d.legitimate_m3h), 1, 11)}"
            f"{_number(d.background_m3h, 1, 11)}{_number(d.burst_m3h, 1, 8)}"
            f"{_number(_value(d.ndf_h_day), 1, 7)}{_number(_value(d.excess_m3day), 0, 9)}"
            f"{_number(nrw, 1, 7)}{_number(_value(d.ili), 1, 7)}"
        )
    columns = ("night_flow", "background", "ndf", "excess", "nrw", "real", "uarl")
    missing: dict[str, list[str]] = {}
    for d in found.dmas:
        for reason in dict.fromkeys(d.why[k] for k in columns if k in d.why):
            missing.setdefault(reason, []).append(d.id)
    for reason, dmas in missing.items():
        where = "all DMAs" if len(dmas) == len(found.dmas) else ", ".join(dmas)
        say(f"  - {where}: {WHY[reason]}")

    say()
    if found.service is None:
        say(f"Service pressure: not told, {WHY.get(found.service_why, found.service_why)}")
    else:
        s = found.service
        say(
            f"Service pressure of {s.minimum_m:g} m: kept for {s.share:.1%} of the sensors' time, everywhere "
            f"at once for {s.everywhere_share:.1%}"
        )
    for v in found.valves:
        set_m = "" if v.set_m is None else f", outlet {v.set_m:.1f} m"
        say(f"Valve {v.valve} ({v.sensor}): {v.state}{set_m}")


def _bands(loss: LossOut, economy: str) -> str:
    shown = [e for e in ("developing", "developed") if e in loss.ili_bands and economy in ("", e)]
    return "  band " + ", ".join(f"{loss.ili_bands[e]} ({e})" for e in shown) if shown else ""


def _value(limited: Limited | None) -> float | None:
    return None if limited is None else limited.value


def _number(value: float | None, digits: int, width: int = 12) -> str:
    return f"{'-' if value is None else f'{value:,.{digits}f}':>{width}}"


def _limits(value: Limited | None, digits: int) -> str:
    if value is None:
        return f"{'-':>12}"
    span = f"{value.low:,.{digits}f} - {value.high:,.{digits}f}"
    return f"{value.value:>12,.{digits}f}  {span:>23}"
