"""How a Twuin process lives: jobs in threads, a web server on a socket, an orderly end on Ctrl-C."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from waterworks.errors import SettingsError, TwuinError

log = logging.getLogger("twuin")

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0
"""Before a job that failed is started again."""


@dataclass
class Jobs:
    """Threads that work until ``stop`` is set; one that fails is reported and started again."""

    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, work: Callable[[threading.Event], Any]) -> None:
        """Run ``work`` in a thread; after a failure again, ever later, up to ``LONGEST_WAIT_S``."""

        def supervise() -> None:
            again_s = FIRST_WAIT_S
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    work(self.stop)
                    self.failures.pop(name, None)
                    return
                except TwuinError as e:
                    again_s = FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else again_s
                    self.failures[name] = str(e)
                    log.error("%s stopped: %s; trying again in %g s", name, e, again_s, extra={"job": name})
                except Exception as e:  # a defect of ours: the other jobs go on, and it shows in health
                    self.failures[name] = f"{type(e).__name__}: {e}"
                    log.exception("%s failed; trying again in %g s", name, again_s, extra={"job": name})
                self.stop.wait(again_s)
                again_s = min(2 * again_s, LONGEST_WAIT_S)

        thread = threading.Thread(target=supervise, name=name, daemon=True)
        thread.start()
        self.threads.append(thread)

    def finish(self, timeout_s: float = 10.0) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout_s)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or one clear line why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as e:
        sock.close()
        raise SettingsError(
            f"cannot listen on {host} port {port} ({e.strerror}): "
            "stop what uses it, or choose another port with --port"
        ) from e
    return sock


def address(sock: socket.socket) -> str:
    """The web address at which a person on this machine finds what listens on ``sock``."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: ``until_stopped`` does that for the whole program."""

    def capture_signals(self) -> Any:
        return nullcontext()


def is_loopback(sock: socket.socket) -> bool:
    """Whether only programs on this machine can reach what listens on ``sock``."""
    return ipaddress.ip_address(str(sock.getsockname()[0]).split("%")[0]).is_loopback


def serve_web(
    app: ASGIApp, sock: socket.socket, stop: threading.Event, *, trusted_proxies: Sequence[str] = ()
) -> None:
    """Serve ``app`` on ``sock`` until ``stop`` is set.

    trusted_proxies: whose word about a request's origin and scheme is taken; nobody else's is.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        )
    )

    def watch() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=watch, name="stop-web", daemon=True).start()
    server.run(sockets=[sock])


@contextmanager
def until_stopped(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop``; a second Ctrl-C ends the program at once."""

    def on_signal(number: int, frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            # Nothing acknowledged is lost: stores are durable, and our children end with us.
            sys.stderr.write("\nStopped at once.\n")
            sys.stderr.flush()
            os._exit(130)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
