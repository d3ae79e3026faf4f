"""What runs on a worker: one order of one kind of work."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Mapping

from twuin.cluster.model import Failed, Versions, Work, versions
from waterworks.errors import ClusterUnavailable, StoreUnavailable, TwuinError

_works: dict[str, Work] = {}
_alone = threading.Lock()


def install(works: Mapping[str, Work]) -> None:
    """Say what this process can do."""
    _works.clear()
    _works.update(works)


def do(what: str, order: bytes, expected: Versions) -> bytes:
    """One piece of work, or why it could not be done (``Failed``), pickled."""
    try:
        result = _do(what, order, expected)
    except TwuinError as e:
        result = Failed(str(e), isinstance(e, StoreUnavailable | ClusterUnavailable))
    return pickle.dumps(result, protocol=5)


def _do(what: str, order: bytes, expected: Versions) -> object:
    apart = expected.apart(versions())
    if apart:
        return Failed(f"it has {apart}: install the same on workers and where the monitor runs", False)
    if _works and what not in _works:
        return Failed(f"it cannot do {what!r}: start it by the same version of `twuin worker`", False)
    if not _works:
        return Failed("it is no worker of Twuin: start workers with `twuin worker`, not `dask worker`", False)
    # What the works keep between orders is not made for two threads.
    with _alone:
        return _works[what](pickle.loads(order))
