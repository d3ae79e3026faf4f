"""What of a finding is worth telling again."""

from __future__ import annotations

from datetime import timedelta

from twuin.alerts.model import Finding, Told, not_worth_a_visit

QUIET = timedelta(minutes=30)
"""Estimates of one alert are announced at most this often (event time); its end and onset at once."""

FLOW_SHARE, FLOW_STEP = 0.10, 0.5 / 3600
"""A flow is news when it moved by this share and by this much [m3/s]: less is noise of the estimate."""

VOLUME_SHARE, VOLUME_STEP = 0.25, 1.0
"""Lost water is news when it grew by this share and by this much [m3]."""

CONFIDENCE_STEP = 0.10
ONSET_STEP = timedelta(minutes=30)
TOP_SUSPECTS = 3


def told(finding: Finding) -> Told:
    """What is announced of a finding."""
    return Told(
        finding.as_of,
        finding.onset,
        finding.ended,
        finding.flow,
        finding.volume,
        finding.confidence,
        tuple(s.pipe for s in finding.suspects[:TOP_SUSPECTS]),
        not_worth_a_visit(finding),
    )


def news(before: Told | None, finding: Finding) -> tuple[str, ...]:
    """Which parts of ``finding`` differ enough from what was last announced to announce them again."""
    if before is None:
        return ("finding",)
    now = told(finding)
    changed = []
    if now.ended != before.ended and (now.ended is None or before.ended is None):
        changed.append("ended")
    if abs(now.onset - before.onset) >= ONSET_STEP:
        changed.append("onset")
    if not changed and now.as_of - before.as_of < QUIET:
        return ()
    if _moved(before.flow, now.flow, FLOW_SHARE, FLOW_STEP):
        changed.append("flow")
    if _moved(before.volume, now.volume, VOLUME_SHARE, VOLUME_STEP):
        changed.append("volume")
    if abs(now.confidence - before.confidence) >= CONFIDENCE_STEP:
        changed.append("confidence")
    if now.suspects[:1] != before.suspects[:1] or set(now.suspects) != set(before.suspects):
        changed.append("suspects")
    if now.watched != before.watched:
        changed.append("visit")
    return tuple(changed)


def _moved(before: float, now: float, share: float, step: float) -> bool:
    return abs(now - before) >= max(step, share * abs(before))
