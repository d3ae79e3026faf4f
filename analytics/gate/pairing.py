"""How little readings fit the others' readings of another time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.gate.relation import LEAST_MEMBERS, Group

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Pairing:
    """``strain`` between some members' transformed values and those that the others had some steps before.

    With z in two parts z'Kz = a'Ka + 2 a'Kb + b'Kb: what each part adds is worked out once for all shifts.
    """

    def __init__(self, x: Floats, mine: Bools, group: Group) -> None:
        """x (N, M): values of the group's members, NaN where unknown; mine (M,): which are moved."""
        self._group, self._mine = group, mine
        known = np.isfinite(x)
        self._z = np.where(known, x - group.mean, 0.0)
        place = 1 << np.arange(len(mine), dtype=np.int64)
        self._own, self._others = known @ (place * mine), known @ (place * ~mine)
        self._parts: dict[int, tuple[Floats, Floats, Floats, int]] = {}

    def strain(self, begin: int, end: int, shift: int) -> Floats:
        """(end - begin,) between rows [begin, end) of the moved and those ``shift`` steps before of the
        others [-]."""
        own, others = slice(begin, end), slice(begin - shift, end - shift)
        code = self._own[own] | self._others[others]
        out: Floats = np.full(end - begin, np.nan)
        for one in np.unique(code).tolist():
            a, across, b, count = self._parts_of(one)
            if count < LEAST_MEMBERS:
                continue
            both = (self._z[own][:, self._mine] * across[others]).sum(axis=1)
            out = np.where(code == one, (a[own] + 2 * both + b[others]) / count, out)
        return out

    def _parts_of(self, code: int) -> tuple[Floats, Floats, Floats, int]:
        """Of all rows with the members of ``code`` only: a'Ka (N,), Kb (N, A), b'Kb (N,); their number."""
        found = self._parts.get(code)
        if found is None:
            inside: Bools = np.asarray((code >> np.arange(len(self._mine))) & 1, bool)
            k = np.zeros((len(inside), len(inside)))
            if inside.any():
                k[np.ix_(inside, inside)] = np.linalg.inv(self._group.cov[np.ix_(inside, inside)])
            a, b = np.where(self._mine, self._z, 0.0), np.where(self._mine, 0.0, self._z)
            across = b @ k
            found = (
                ((a @ k) * a).sum(axis=1),
                across[:, self._mine],
                (across * b).sum(axis=1),
                int(inside.sum()),
            )
            self._parts[code] = found
        return found
