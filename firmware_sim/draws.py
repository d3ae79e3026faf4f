"""Random numbers that depend on what they are for, not on when they are drawn.

Every draw is a function of (seed, stream, counter): a stream is one use ("noise of sensor D1-IN"), the
counter a time or a knot. So any stretch of a run can be computed alone, in any order and in pieces of any
size, and a live run meets the same chance as a vectorised one.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def stream(seed: int, *names: str) -> int:
    """A 64-bit key for one use of chance, from the scenario's seed and what it is for."""
    digest = blake2b(repr((seed, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(key: int, counter: ArrayLike) -> Floats:
    """Numbers in (0, 1), one for each integer ``counter``, any shape.

    SplitMix64 (Steele, Lea and Flood 2014) applied to key + counter * gamma, twice.
    """
    n = np.asarray(counter).astype(np.int64).view(np.uint64)
    with np.errstate(over="ignore"):
        z = _mixed(_mixed(n * _GAMMA + np.uint64(key)) + np.uint64(key ^ 0x5851F42D4C957F2D))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


def normal(key: int, counter: ArrayLike) -> Floats:
    """Standard normal numbers, one for each integer ``counter``, any shape."""
    return np.asarray(ndtri(uniform(key, counter)), np.float64)


def block(key: int, counter: int) -> np.random.Generator:
    """A generator for many numbers at once: Philox keyed by the stream, set to block ``counter``."""
    return np.random.Generator(np.random.Philox(key=key, counter=(counter % 2**64) << 192))


def knots(key: int, first: int, count: int, width: int) -> Floats:
    """Standard normal numbers (count, width) of knots ``first``, ``first + 1``, ..."""
    rows = [block(key, k).standard_normal(width) for k in range(first, first + count)]
    return np.stack(rows) if rows else np.empty((0, width))


def smooth(key: int, at_s: ArrayLike, knot_s: float, width: int) -> Floats:
    """Noise of unit variance at instants ``at_s`` (T,) [s] that is correlated over about ``knot_s`` [s].

    Between two knots the weights are cosine and sine of a quarter turn, so that the variance is 1
    everywhere. Returns (T, width), independent between columns.
    """
    u = np.asarray(at_s, np.float64) / knot_s
    k = np.floor(u).astype(np.int64)
    if not k.size:
        return np.empty((0, width))
    first = int(k.min())
    z = knots(key, first, int(k.max()) - first + 2, width)
    turn = (u - k)[:, None] * (np.pi / 2)
    return np.asarray(np.cos(turn) * z[k - first] + np.sin(turn) * z[k - first + 1])
