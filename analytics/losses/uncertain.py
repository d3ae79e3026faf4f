"""Values with 95 % limits, and how errors of independent sources propagate through sums and ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Z95 = 1.96
"""Half width of a 95 % interval in standard deviations, normal distribution, as the manuals round it."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A value and what each independent source of error adds to its 95 % limits.

    parts: source -> signed half width at 95 % that this source alone would give, in the value's unit. The
    same source in two values is one error, so a meter between two DMAs cancels in their sum. Errors add as
    squares (Thornton, Sturm & Kunkel 2008, Water Loss Control, 2nd ed., sect. 7.8; products and ratios to
    first order, JCGM 100:2008, GUM, eq. 10). NaN: not known.
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def half(self) -> float:
        """Half width of the 95 % interval."""
        return math.nan if math.isnan(self.value) else math.sqrt(sum(p * p for p in self.parts.values()))

    @property
    def low(self) -> float:
        """Lower 95 % limit; NaN where the value is not known."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """Upper 95 % limit; NaN where the value is not known."""
        return self.value + self.half

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return not math.isnan(self.value)

    def __add__(self, other: Uncertain) -> Uncertain:
        return _linear(self.value + other.value, (1.0, self), (1.0, other))

    def __sub__(self, other: Uncertain) -> Uncertain:
        return _linear(self.value - other.value, (1.0, self), (-1.0, other))

    def __mul__(self, other: Uncertain | float) -> Uncertain:
        if not isinstance(other, Uncertain):
            return _linear(self.value * other, (float(other), self))
        return _linear(self.value * other.value, (other.value, self), (self.value, other))

    def __truediv__(self, other: Uncertain | float) -> Uncertain:
        """NaN where ``other`` is 0."""
        below = other.value if isinstance(other, Uncertain) else float(other)
        if not below:
            return UNKNOWN
        if not isinstance(other, Uncertain):
            return self * (1.0 / below)
        ratio = self.value / below
        return _linear(ratio, (1.0 / below, self), (-ratio / below, other))


def _linear(value: float, *terms: tuple[float, Uncertain]) -> Uncertain:
    parts: dict[str, float] = {}
    for slope, term in terms:
        for source, part in term.parts.items():
            parts[source] = parts.get(source, 0.0) + slope * part
    return Uncertain(value, parts)


UNKNOWN = Uncertain(math.nan)
ZERO = Uncertain(0.0)


def measured(value: float, accuracy: float, source: str) -> Uncertain:
    """A value whose 95 % limits are ``accuracy`` times itself (0.02: within 2 %). source: names the error."""
    return Uncertain(float(value), {source: abs(float(value)) * accuracy})
