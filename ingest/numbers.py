"""Cells to numbers, in columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.mapping import Source
from waterworks.reading import Floats

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|nan|Inf|NaN|INF|NAN)$"


class Numbers(NamedTuple):
    """R cells. value (R,): NaN where there is none; missing (R,): the cell says so; bad (R,): no number."""

    value: Floats
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]


def texts(cells: pa.Array) -> pa.Array:
    """Cells as text, "" where there is nothing."""
    if not pa.types.is_string(cells.type):
        cells = cells.cast(pa.string())
    return cells.fill_null("")


def numbers(cells: pa.Array, source: Source) -> Numbers:
    """Read a column as its source writes numbers and missing values."""
    if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type):
        return _typed(cells, source)
    text = pc.utf8_trim_whitespace(texts(cells))
    said = [m if isinstance(m, str) else f"{m:g}" for m in source.missing]
    missing = pc.is_in(text, value_set=pa.array([m.strip() for m in said], pa.string()))
    text = pc.if_else(missing, None, text)
    missing = _mask(missing)
    ambiguous = np.zeros(len(text), bool)
    if source.thousands:
        text = pc.replace_substring(text, source.thousands, "")
    if source.decimal == ",":
        # 1.234 would be a thousand or one: only "thousands" can tell
        ambiguous = _mask(pc.match_substring(text, "."))
        text = pc.replace_substring(text, ",", ".")
    try:
        value = pc.cast(text, pa.float64())
        bad = ambiguous
    except pa.ArrowInvalid:
        fits = pc.match_substring_regex(text, _NUMBER)
        bad = ambiguous | ~(_mask(fits) | missing)
        value = pc.cast(pc.if_else(fits, text, None), pa.float64())
    out = value.fill_null(np.nan).to_numpy(zero_copy_only=False)
    if bad.any():
        out = np.where(bad, np.nan, out)
    # -999 may be written -999,0: the same number says the same
    missing = missing | _is_one_of(out, [n for n in map(_as_number, source.missing) if n is not None])
    return Numbers(out, missing, bad & ~missing)


def _typed(cells: pa.Array, source: Source) -> Numbers:
    value = cells.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    wanted = [n for n in map(_as_number, source.missing) if n is not None]
    missing = np.isnan(value) | _is_one_of(value, wanted)
    return Numbers(value, missing, np.zeros(len(value), bool))


def _as_number(missing: str | float) -> float | None:
    try:
        number = float(missing)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _is_one_of(value: Floats, wanted: list[float]) -> NDArray[np.bool_]:
    if not wanted:
        return np.zeros(len(value), bool)
    found: NDArray[np.bool_] = np.isin(value, wanted)
    return found


def _mask(cells: pa.Array) -> NDArray[np.bool_]:
    out: NDArray[np.bool_] = cells.fill_null(False).to_numpy(zero_copy_only=False)
    return out
