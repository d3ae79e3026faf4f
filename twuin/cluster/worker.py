"""A worker process: does what a scheduler asks, and waits for the next one when that goes."""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
from collections.abc import Callable, Mapping

from twuin.cluster import task
from twuin.cluster.client import security
from twuin.cluster.model import Certificates, Work
from waterworks.errors import ClusterError

try:
    import distributed
except ImportError as missing:  # pragma: no cover - an extra
    raise ClusterError(
        "a worker needs Dask, which is not installed here: pip install '.[dask]' in a copy of Twuin's source"
    ) from missing

log = logging.getLogger(__name__)

AGAIN_S, MOST_S = 1.0, 30.0
"""Before a scheduler that does not answer is asked again, ever longer [s]."""


def serve(
    address: str,
    certificates: Certificates | None,
    works: Mapping[str, Work],
    *,
    host: str | None = None,
    name: str | None = None,
    say: Callable[[str], None],
) -> None:
    """Work for the scheduler at ``address`` until SIGINT or SIGTERM.

    host: address at which scheduler and clients reach this process; None: the one by which it reaches the
    scheduler. What the works keep from order to order outlives the scheduler.
    """
    task.install(works)
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it says much of each coming and going
    asyncio.run(_serve(address, certificates, host, name, say))


async def _serve(
    address: str,
    certificates: Certificates | None,
    host: str | None,
    name: str | None,
    say: Callable[[str], None],
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    again_s = AGAIN_S
    with tempfile.TemporaryDirectory(prefix="twuin-worker-") as scratch:
        while not stop.is_set():
            try:
                worker = distributed.Worker(
                    address,
                    nthreads=1,
                    name=name,
                    host=host,
                    local_directory=scratch,
                    memory_limit=0,
                    security=security(certificates),
                    dashboard_address="127.0.0.1:0",  # pages of health and metrics: for this machine only
                )
                async with worker:
                    say(f"Working for {address} as {worker.address}   (Ctrl-C ends it)")
                    again_s = AGAIN_S
                    await _first(worker.finished(), stop.wait())
                if not stop.is_set():
                    say(f"The scheduler {address} has gone: waiting for it")
            except (OSError, TimeoutError, RuntimeError) as e:
                log.warning("the scheduler %s does not answer (%s): again in %.0f s", address, e, again_s)
            if not stop.is_set():
                await _first(asyncio.sleep(again_s), stop.wait())
                again_s = min(2 * again_s, MOST_S)


async def _first(*waits: object) -> None:
    tasks = [asyncio.ensure_future(w) for w in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for t in tasks:
            t.cancel()
