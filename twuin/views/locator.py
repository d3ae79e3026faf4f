"""How well leaks were located: what was said of them against where crews found them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

from twuin.views.models import AlertDetail
from twuin.views.run import NO_LEAK
from twuin.views.score_models import (
    CalibrationOut,
    DmaCalibrationOut,
    FindOut,
    HitOut,
    LocatorOut,
    RadiusOut,
    RangeOut,
    SaidOut,
    ScoreOut,
)

Case = tuple[SaidOut, HitOut]

HALF, MOST = 0.5, 0.9
"""What the two radii promise."""

_VERDICTS = {1: "wide", 0: "agrees", -1: "narrow", None: "few"}


def found_in(alerts: Iterable[AlertDetail], begin: datetime, over: datetime) -> list[AlertDetail]:
    """Leaks with a score that crews found from ``begin`` to ``over``, newest first."""
    found = [
        (a.score.found, a)
        for a in alerts
        if a.score is not None
        and begin <= a.score.found < over
        and (a.reason is None or a.reason.value not in NO_LEAK)
    ]
    return [a for _, a in sorted(found, key=lambda x: (x[0], x[1].id), reverse=True)]


def locator_out(
    found: Sequence[AlertDetail], start: date, end: date, *, listed_from: datetime | None = None
) -> LocatorOut:
    """How well ``found``, leaks with a score, were located. listed_from: only what was found since then is
    listed one by one; None: all."""
    scores = [(a, a.score) for a in found if a.score is not None]
    names = dict(sorted((a.dma, a.dma_name) for a in found))
    return LocatorOut(
        start=start,
        end=end,
        found=calibration([_as_found(s) for _, s in scores]),
        sent=calibration([c for _, s in scores if (c := _as_sent(s)) is not None]),
        dmas=[
            DmaCalibrationOut(
                dma=dma,
                dma_name=name,
                **calibration([_as_found(s) for a, s in scores if a.dma == dma]).model_dump(),
            )
            for dma, name in names.items()
        ],
        finds=[_find(a, s) for a, s in scores if listed_from is None or s.found >= listed_from],
    )


def calibration(cases: Sequence[Case]) -> CalibrationOut:
    """What was said of leaks against how good it was."""
    hits = [hit for _, hit in cases]
    return CalibrationOut(
        leaks=len(cases),
        named=sum(said.suspects > 0 for said, _ in cases),
        first=sum(hit.rank == 1 for hit in hits),
        among=sum(hit.rank is not None for hit in hits),
        half=_radius(hits, lambda hit: hit.inside_50, HALF),
        most=_radius(hits, lambda hit: hit.inside_90, MOST),
        first_m=_median([hit.best_m for hit in hits]),
        search_m=_median([hit.centre_m for hit in hits]),
    )


def _as_found(score: ScoreOut) -> Case:
    return score.said, score.hit


def _as_sent(score: ScoreOut) -> Case | None:
    if score.sent_said is None or score.sent_hit is None:
        return None
    return score.sent_said, score.sent_hit


def _find(alert: AlertDetail, score: ScoreOut) -> FindOut:
    check = alert.check if alert.repaired_at is not None else None
    return FindOut(
        alert=alert.id,
        kind=alert.kind,
        dma=alert.dma,
        dma_name=alert.dma_name,
        score=score,
        outcome=None if check is None else check.outcome,
        fell_m3h=None if check is None else check.fell_m3h,
        fell_low_m3h=None if check is None else check.low_m3h,
        fell_high_m3h=None if check is None else check.high_m3h,
    )


def _radius(hits: Sequence[HitOut], inside: Callable[[HitOut], bool | None], promised: float) -> RadiusOut:
    from analytics.calibration import share, verdict  # brings SciPy with it: pages need not wait for that

    told = [held for hit in hits if (held := inside(hit)) is not None]
    found = share(sum(told), len(told))
    return RadiusOut(
        promised=promised,
        leaks=len(told),
        inside=sum(told),
        share=range_out(*found),
        verdict=_VERDICTS[verdict(sum(told), len(told), promised)],
    )


def _median(values: Sequence[float | None]) -> RangeOut:
    from analytics.calibration import median

    return range_out(*median([v for v in values if v is not None]))


def range_out(value: float, low: float, high: float) -> RangeOut:
    """A value with its interval, null for NaN."""

    def known(x: float) -> float | None:
        return x if x == x else None

    return RangeOut(value=known(value), low=known(low), high=known(high))
