"""Which worker keeps what: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def assign(parts: int, workers: Sequence[str], before: Mapping[int, str]) -> dict[int, str]:
    """A worker for each part, as even as can be, and as many as can be where they were ``before``."""
    if not workers:
        return {}
    least, more = divmod(parts, len(workers))
    had = {w: [p for p in range(parts) if before.get(p) == w] for w in workers}
    # Who has most keeps one more, so that least is moved.
    order = sorted(workers, key=lambda w: (-len(had[w]), w))
    room = {w: least + (k < more) for k, w in enumerate(order)}
    out = {p: w for w in workers for p in had[w][: room[w]]}
    free = [w for w in order for _ in range(room[w] - min(len(had[w]), room[w]))]
    for part in range(parts):
        if part not in out:
            out[part] = free.pop(0)
    return out
