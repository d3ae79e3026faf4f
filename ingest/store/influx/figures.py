"""Figures of Twuin's own work as line protocol, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ingest.store.influx.text import field_text, tag
from waterworks.errors import StoreError
from waterworks.figures import Figure, Value


def figure_lines(figures: Sequence[Figure], site: str) -> bytes:
    """A line for each. StoreError for names or numbers that InfluxDB does not take."""
    return "".join(_line(figure, site) for figure in figures).encode()


def _line(figure: Figure, site: str) -> str:
    tags = {"site": site, **{k: v for k, v in figure.tags.items() if v}}
    head = "".join(f",{key}={tag(value)}" for key, value in sorted(tags.items()))
    fields = ",".join(f"{key}={_value(key, value)}" for key, value in sorted(figure.fields.items()))
    if not fields:
        raise StoreError(f"a point of {figure.measurement} has no field")
    return f"{figure.measurement}{head} {fields} {figure.time.astype('datetime64[us]').astype(np.int64)}\n"


def _value(key: str, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError(f"{key} is {value}, which InfluxDB cannot hold")
        return repr(float(value))
    return field_text(" ".join(value.split()))
