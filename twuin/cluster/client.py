"""Orders to the workers of a Dask scheduler, and what they answer."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from twuin.cluster.assign import assign
from twuin.cluster.model import Certificates, Failed, Versions, versions
from twuin.cluster.task import do
from waterworks.errors import ClusterError, ClusterUnavailable, StoreUnavailable

try:
    import distributed
    from distributed.client import Future
except ImportError as missing:  # pragma: no cover - an extra
    raise ClusterError(
        "a scheduler needs Dask, which is not installed here: "
        "pip install '.[dask]' in a copy of Twuin's source"
    ) from missing

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the workers are counted while answers are waited for [s]."""

CONNECT_S = 10.0
"""How long a scheduler is waited for [s]."""

TRIES = 4
"""Workers that may die over one order before it is taken to be what kills them."""


class Answer(NamedTuple):
    """number: of the order; worker: who did it."""

    number: int
    worker: str
    value: Any


class Cluster:
    """The workers of one scheduler. Connects when it is first asked; one thread at a time.

    An order goes to the worker that the caller prefers, or to the one with the least to do. When that worker
    dies, it goes to another. largest: bytes of the largest order and of the largest answer so far.

    Raises ClusterUnavailable where the scheduler or all workers are away: asking again may help; then nothing
    is known of orders that were not answered, and they are to be given again. ClusterError: it will not.
    """

    def __init__(
        self, address: str, certificates: Certificates | None = None, *, wait_s: float = 30.0
    ) -> None:
        self.address, self._certificates, self._wait_s = address, certificates, wait_s
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised here
        self._client: distributed.Client | None = None
        self._versions: Versions = versions()
        self.largest = (0, 0)
        self.moved = 0

    def close(self) -> None:
        """Let go of the scheduler; workers keep what they know."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close(timeout=2)

    def workers(self) -> list[str]:
        """Addresses of the workers there are, sorted; waits for the first one."""
        until = time.monotonic() + self._wait_s
        while True:
            found = self._present()
            if found:
                return found
            if time.monotonic() >= until:
                raise ClusterUnavailable(
                    f"no worker is connected to the scheduler {self.address}: start some with "
                    f"`twuin worker --scheduler {self.address}`"
                )
            time.sleep(min(0.2, self._wait_s))

    def each(
        self, what: str, orders: Sequence[Any], prefer: Mapping[int, str] | None = None
    ) -> Iterator[Answer]:
        """Have every order done; answers as they come. prefer: workers by index of the order."""
        packed = [pickle.dumps(order, protocol=5) for order in orders]
        self.largest = (max(self.largest[0], *map(len, packed), 0), self.largest[1])
        alive = self.workers()
        out: dict[Future, tuple[int, str]] = {}
        load = dict.fromkeys(alive, 0)
        tries = [0] * len(packed)

        def send(index: int, worker: str | None) -> None:
            if worker not in load:
                worker = min(load, key=lambda w: (load[w], w))
            load[worker] += 1
            tries[index] += 1
            future = self._connected().submit(
                do, what, packed[index], self._versions, pure=False, workers=[worker], retries=0
            )
            out[future] = (index, worker)

        try:
            for index in range(len(packed)):
                send(index, None if prefer is None else prefer.get(index))
            counted = time.monotonic()
            while out:
                done = self._finished(list(out))
                for future in done:
                    index, worker = out.pop(future)
                    load[worker] = load.get(worker, 1) - 1
                    answer = self._value(future, index, worker)
                    if answer is not None:
                        yield answer
                    else:
                        self._dead(tries[index], worker)
                        self.workers()
                        send(index, None)
                if done and time.monotonic() - counted < LOOK_S:
                    continue
                counted = time.monotonic()
                alive = self._present()
                load = {w: load.get(w, 0) for w in alive}
                lost = [f for f, (_, worker) in out.items() if worker not in load]
                if lost and not alive:
                    alive = self.workers()
                    load = dict.fromkeys(alive, 0)
                for future in lost:
                    index, worker = out.pop(future)
                    future.cancel()
                    self._dead(tries[index], worker)
                    send(index, None)
        except (OSError, TimeoutError) as e:
            raise self._gone(e) from e
        finally:
            for future in out:
                with suppress(Exception):
                    future.cancel()

    # -- steps of it -------------------------------------------------------------------------------

    def _dead(self, tries: int, worker: str) -> None:
        self.moved += 1
        if tries >= TRIES:
            raise ClusterError(
                f"{tries} workers of {self.address} died over the same piece of work, the last was {worker}: "
                "see their logs; memory is the usual reason"
            )
        log.warning("worker %s is gone: its work goes to another", worker)

    def _connected(self) -> distributed.Client:
        if self._client is not None:
            if self._client.status in ("running", "newly-created"):
                return self._client
            raise self._gone(None)
        try:
            self._client = distributed.Client(
                self.address,
                timeout=CONNECT_S,
                security=security(self._certificates),
                set_as_default=False,
                direct_to_workers=False,
                name="twuin",
            )
        except (OSError, TimeoutError, RuntimeError, ValueError) as e:
            raise ClusterUnavailable(
                f"the scheduler {self.address} does not answer ({_brief(e)}): "
                "start one with `dask scheduler`, or see the address"
            ) from e
        return self._client

    def _present(self) -> list[str]:
        client = self._connected()
        try:
            return sorted(client.sync(client.scheduler.ncores, workers=None, callback_timeout=CONNECT_S))
        except Exception as e:  # tornado, comm and timeout errors of many kinds
            raise self._gone(e) from e

    def _finished(self, futures: list[Future]) -> list[Future]:
        with suppress(TimeoutError, distributed.TimeoutError), self._connected().as_current():
            distributed.wait(futures, timeout=LOOK_S, return_when="FIRST_COMPLETED")
        if self._connected().status != "running":
            raise self._gone(None)
        return [f for f in futures if f.status != "pending"]

    def _value(self, future: Future, index: int, worker: str) -> Answer | None:
        """None: the worker died before its answer was fetched."""
        if future.status in ("cancelled", "lost"):
            self._let_go(None)
            return None
        try:
            raw = future.result(timeout=CONNECT_S)
        except distributed.scheduler.KilledWorker:
            return None
        except distributed.CancelledError as e:
            self._let_go(e)
            return None
        except (distributed.TimeoutError, OSError) as e:
            raise self._gone(e) from e
        except ImportError as e:
            raise ClusterError(
                f"worker {worker} cannot import {e.name or e}: "
                "install Twuin on it, and start it with `twuin worker`"
            ) from e
        self.largest = (self.largest[0], max(self.largest[1], len(raw)))
        value = pickle.loads(raw)
        if isinstance(value, Failed):
            message = f"worker {worker}: {value.message}"
            raise StoreUnavailable(message) if value.again else ClusterError(message)
        return Answer(index, worker, value)

    def _let_go(self, e: Exception | None) -> None:
        """A scheduler lets go of what a worker had done that then died; a client whose scheduler is gone, of
        everything: for that, ClusterUnavailable."""
        if self._client is None or self._client.status != "running":
            raise self._gone(e) from e

    def _gone(self, e: Exception | None) -> ClusterUnavailable:
        self.close()
        why = f" ({_brief(e)})" if e is not None else ""
        return ClusterUnavailable(f"the scheduler {self.address} was lost{why}: is it running?")


class Keepers:
    """Has orders done again and again by workers that keep something for each, where they can.

    Order n of one round goes to who had order n in the round before; when workers come or go, as few as can
    be go elsewhere.
    """

    def __init__(self, cluster: Cluster, what: str) -> None:
        self.cluster, self._what = cluster, what
        self.where: dict[int, str] = {}

    def look(self, orders: Sequence[Any]) -> Iterator[Any]:
        """Answers as they come. Raises as ``Cluster`` does."""
        self.where = assign(len(orders), self.cluster.workers(), self.where)
        for answer in self.cluster.each(self._what, orders, self.where):
            self.where[answer.number] = answer.worker
            yield answer.value

    def close(self) -> None:
        self.cluster.close()


def _brief(e: Exception) -> str:
    text = " ".join(str(e).split()) or type(e).__name__
    return text if len(text) <= 120 else text[:117] + "..."


def security(certificates: Certificates | None) -> distributed.Security | None:
    """For Dask, encrypted or not at all."""
    if certificates is None:
        return None
    ca, cert, key = map(str, (certificates.ca, certificates.cert, certificates.key))
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=ca,
        tls_client_cert=cert,
        tls_client_key=key,
        tls_worker_cert=cert,
        tls_worker_key=key,
    )
