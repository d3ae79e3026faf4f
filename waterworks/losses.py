"""What a utility may say about its losses: bills, accuracies, the service it owes, costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

INLET_ACCURACY = 0.02
"""95 % limits of an inlet meter where a site says nothing [-]: a magnetic meter as installed. Table 7.5 of
Thornton, Sturm & Kunkel (2008), Water Loss Control, has 2.55 % for source meters."""
BILLED_ACCURACY = 0.02
"""95 % limits of all that is billed together where a site says nothing [-]: reading days, estimates."""
ESTIMATE_ACCURACY = 0.5
"""95 % limits of what is only estimated where a site says nothing [-]: theft, unbilled use, meters' error."""


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Shares [-], None where not known.

    inlet_accuracy, billed_accuracy, estimate_accuracy: 95 % limits of an inlet meter, of all that is billed
    and of the estimates below, as a share of each. unbilled_unmetered: authorised use that is neither billed
    nor metered (flushing, fire), unauthorised: theft and illegal connections, both of system input.
    under_registration: what customers' meters miss of what passes them. data_error: read but lost on the way
    to the bill, of what is billed. economy: "developed" or "developing", which bands of the ILI count, ""
    both. min_pressure_m: pressure that customers are owed [m]. prv_outlets: pressure sensors behind reducing
    valves, beside those that the network model shows. repair_cost: of finding and mending one leak;
    survey_cost_per_m: of a leak survey of a metre of mains; both in the site's currency. location_h,
    repair_h: usual time from an alert until a leak is found, and from then until it is mended [h].
    """

    inlet_accuracy: float = INLET_ACCURACY
    billed_accuracy: float = BILLED_ACCURACY
    estimate_accuracy: float = ESTIMATE_ACCURACY
    unbilled_unmetered: float | None = None
    unauthorised: float | None = None
    under_registration: float | None = None
    data_error: float = 0.0
    economy: str = ""
    min_pressure_m: float | None = None
    prv_outlets: tuple[str, ...] = ()
    repair_cost: float | None = None
    survey_cost_per_m: float | None = None
    location_h: float | None = None
    repair_h: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What was billed in a month [m3]. dma: "" for the whole site. month: its first day."""

    dma: str
    month: date
    metered: float
    unmetered: float = 0.0
    unbilled_metered: float = 0.0
