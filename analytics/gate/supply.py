"""Hours without water: intermittent supply is no leak and no fault."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.gate.layout import INLET, PRESSURE, Layout
from analytics.gate.options import Options

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DRY_SHARE_OF_HEAD = 0.1
"""A pressure below this share of its usual stands for an empty pipe."""


def without_water(values: Floats, usual: Floats, layout: Layout, options: Options) -> Bools:
    """(T, D) whether an area is without water.

    values (T, S) [SI]; usual (S,): median of each sensor's size, NaN where unknown.

    All its pressures that are known must be below ``dry_m`` or a tenth of their usual, and its inlet meters
    that are known below ``dry_share`` of theirs. One sensor alone may err: at least two must say so, unless
    the area has but one; then it must be an inlet meter that says 0, and that it may be broken as well
    cannot be told.
    """
    t, areas = len(values), len(layout.member)
    out = np.zeros((t, areas), bool)
    with np.errstate(invalid="ignore"):
        low = np.abs(values) < np.where(
            layout.what == PRESSURE,
            np.fmax(options.dry_m, DRY_SHARE_OF_HEAD * np.abs(usual)),
            options.dry_share * np.abs(usual),
        )
    known = np.isfinite(values)
    for area in range(areas):
        inlets = np.flatnonzero((layout.sign[:, area] > 0) & (layout.what == INLET))
        heads = np.flatnonzero((layout.area == area) & (layout.what == PRESSURE))
        use = np.concatenate([inlets, heads])
        if not len(inlets):
            continue
        says = known[:, use].sum(axis=1)
        all_low = (low[:, use] | ~known[:, use]).all(axis=1)
        if len(use) == 1:
            out[:, area] = known[:, use[0]] & (values[:, use[0]] == 0) & (usual[use[0]] > 0)
        else:
            head = known[:, heads].any(axis=1) if len(heads) else np.ones(t, bool)
            out[:, area] = all_low & (says >= 2) & head
    return out
