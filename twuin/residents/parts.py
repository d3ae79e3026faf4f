"""The parts that look after residents' reports of one site, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from twuin.alerts.service import AlertService
from twuin.residents.charter import Complaints, complaints_of
from twuin.residents.desk import ReportDesk
from twuin.residents.ground import Ground
from twuin.residents.joins import Joins
from twuin.residents.keys import Keys
from twuin.residents.ports import ReportStore
from twuin.residents.service import Options, PublicReports
from twuin.residents.tending import Tender
from waterworks.network import Network
from waterworks.ports import Clock
from waterworks.reading import as_datetime
from waterworks.site import Site


@dataclass(frozen=True)
class Residents:
    """public: for everybody; desk: for staff; tender: what happens by itself. open: whether the public may
    report at all. call: a number that they may call instead, "" for none."""

    public: PublicReports
    desk: ReportDesk
    tender: Tender
    store: ReportStore
    clock: Clock
    open: bool = True
    call: str = ""

    def complaints(self, begin: datetime, over: datetime) -> Complaints:
        """Reports of some days, and whether what was promised of them was kept."""
        site = self.public.site
        now = as_datetime(self.clock.now())
        return complaints_of(self.store, site.id, site.promises, begin, over, now)


def make_residents(
    site: Site,
    store: ReportStore,
    alerts: AlertService,
    clock: Clock,
    network: Network | None,
    secret: bytes,
    wall: Callable[[], datetime],
    options: Options | None = None,
    *,
    open: bool = True,
    call: str = "",
) -> Residents:
    """Everything about residents' reports over one store. secret: 32 bytes that the installation keeps."""
    options = options or Options()
    keys = Keys(secret, wall)
    joins = Joins(site.id, store, alerts, clock, Ground.of(site, network), options.confirm)
    public = PublicReports(site, store, alerts, clock, joins, keys, options, wall)
    desk = ReportDesk(site, store, alerts, clock, joins, keys)
    tender = Tender(public, store, alerts, joins, clock)
    return Residents(public, desk, tender, store, clock, open, call)
