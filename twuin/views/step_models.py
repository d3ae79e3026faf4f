"""What the API sends about step tests. Flows in m3/h."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from twuin.views.isolation import ToShut
from twuin.views.models import Model


class StepOut(Model):
    """One step: valves that are shut beside all those of the steps before."""

    step: int = Field(description="From 1")
    shut: list[ToShut]
    share: float = Field(description="Probability that the leak is in what loses its water with this step")
    connections: int = Field(description="Service connections that lose their water with this step")
    connections_dry: int = Field(description="Without water from then on, those of earlier steps among them")
    elsewhere: list[str] = Field(
        description="Other DMAs with connections without water then; ? for one that is not to be named"
    )
    critical: list[str] = Field(description="Critical customers who lose their water with this step")
    length_m: float = Field(description="Of mains that lose their water with this step")
    pipes: list[str] = Field(description="These, at most 2000")
    drop_m3h: float = Field(
        description="What the inflow is expected to drop by without a leak: night use, background"
    )
    tells_m3h: float = Field(
        description="The smallest leak that this step tells: seen with 95 %, seen where there is none with 5 "
        "%"
    )


class LastArea(Model):
    """What keeps its water to the end: of the leak that is there, the flow that is left tells."""

    share: float
    connections: int
    length_m: float
    pipes: list[str]
    drop_m3h: float = Field(description="Flow that is expected to be left")
    tells_m3h: float


class StepTestOut(Model):
    """A plan: which valves to shut in which order."""

    dma: str
    dma_name: str
    alert: str = Field(description="Whose suspect pipes it goes by; empty: by mains and connections alone")
    leak_m3h: float | None = Field(description="Flow of that alert's leak")
    outside_share: float = Field(description="Of the alert's suspicion that lies on pipes of no area here")
    assumed: bool = Field(description="The site lists no valves: each pipe is taken to have one")
    steps: list[StepOut]
    last: LastArea
    valves: int = Field(description="To shut, all steps together")
    information_bits: float = Field(description="Expected, if every drop is read right")
    score_bits: float = Field(description="The same less the price of valves and steps")
    dwell_min: float = Field(description="How long the inflow is read after each step")
    duration_min: float = Field(description="Of all readings, the one before the first step among them")
    inflow_m3h: float = Field(description="Expected with all valves open, without a leak")
    noise_m3h: float = Field(description="Standard error of the mean of one such reading")
    noise_source: str = Field(
        description="measured, from the last nights' inflow; or assumed, from night use"
    )
    pressure_m: float = Field(description="Zone pressure at night that background leakage rests on")
    pressure_source: str = Field(description="measured, given (dmas.csv) or assumed")
    tanks: list[str] = Field(description="Tanks in the DMA: they feed it beside its inlets")
    unplaced: list[str] = Field(description="Critical customers of the DMA whose place is not known")
    critical_dry: list[str] = Field(description="Critical customers without water at the end")


class AreaOut(Model):
    """What is believed of one area, by its number: of the step that took its water, 0: what kept it."""

    step: int
    probability: float = Field(description="That a leak is there")
    drop_m3h: float = Field(description="What the inflow fell by; of what kept its water, what was left")
    expected_m3h: float
    excess_m3h: float
    low_m3h: float = Field(
        description="Excess within 95 % limits, by the meter's noise and what use is known"
    )
    high_m3h: float
    leak_m3h: float | None = Field(description="Leak there, if there is one")
    leak_low_m3h: float | None
    leak_high_m3h: float | None
    decibans: float = Field(description="Evidence for a leak here alone against none: 10 is ten to one")
    passing: bool = Field(
        description="The drop is well below expected use: a valve lets by, or water comes from elsewhere"
    )
    connections: int
    length_m: float
    pipes: list[str]


class FlowOut(Model):
    """One flow that was used. start, end: of the readings, where it was read from the meters."""

    flow_m3h: float
    readings: int | None = Field(None, description="Readings of the inlet meters in it")
    start: datetime | None = None
    end: datetime | None = None


class StepResultOut(Model):
    """What a step test says."""

    dma: str
    alert: str
    flows: list[FlowOut] = Field(description="Before the first step, then after each")
    areas: list[AreaOut] = Field(description="In the order of the steps, what kept its water last")
    none: float = Field(description="Probability that there is no leak")
    verdict: str = Field(
        description="area: one stands out (90 %); several; none: no leak (90 %); open: not told yet"
    )
    verdict_steps: list[int] = Field(description="The areas that the verdict names")
    noise_m3h: float
