"""Publishes messages over MQTT, each one until the broker has it."""

from __future__ import annotations

import os
import secrets
import threading
import time
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker_options import BrokerOptions, identify, refused, unreachable
from waterworks.errors import BrokerError

MAX_IN_FLIGHT = 100
"""Messages that may wait for the broker's acknowledgement at a time."""

PATIENCE_S = 60.0
"""How long a lost or silent broker is waited for."""

CONNECT_S = 10.0
"""For the broker's answer to the first connection."""

_LOOK_S = 0.2


class Publisher:
    """One connection, QoS 1, at most ``in_flight`` messages under way. A lost connection is made anew, and
    what was under way goes out again. A context manager: leaving it waits for nothing, ``drain`` does.

    Raises BrokerError where the broker cannot be reached, refuses us or a message, or is away for longer
    than ``patience_s``.
    """

    def __init__(
        self,
        broker: BrokerOptions,
        name: str,
        *,
        in_flight: int = MAX_IN_FLIGHT,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.broker = broker
        self.sent = 0
        self.reconnects = -1
        self._in_flight = in_flight
        self._patience_s = patience_s
        self._state = threading.Condition()
        self._waiting = 0
        self._connected = False
        self._alive = time.monotonic()  # when the broker last acknowledged anything, or was first asked to
        self._failure: BrokerError | None = None
        self._client = self._make(f"twuin-{name}-{os.getpid()}-{secrets.token_hex(4)}")
        self._connect()

    def _make(self, client_id: str) -> paho.Client:
        o = self.broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if o.version == "5" else MQTTProtocolVersion.MQTTv311,
        )
        client.max_inflight_messages_set(self._in_flight)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 8)
        identify(client, o)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _connect(self) -> None:
        o = self.broker
        try:
            self._client.connect(o.host, o.port, o.keepalive_s)
        except (OSError, ValueError) as error:
            raise unreachable(o, error) from error
        self._client.loop_start()
        with self._state:
            up = self._state.wait_for(lambda: self._connected or self._failure is not None, CONNECT_S)
            failure = self._failure
        if failure is not None or not up:
            self.close()
            raise failure or BrokerError(f"{o.where} does not answer as an MQTT broker does: is it one?")

    @property
    def under_way(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        with self._state:
            return self._waiting

    def publish(self, topic: str, payload: bytes, stop: threading.Event | None = None) -> bool:
        """Send one message as soon as there is room for it; False where ``stop`` was set before that."""
        with self._state:
            while self._waiting >= self._in_flight:
                self._check()
                if stop is not None and stop.is_set():
                    return False
                self._state.wait(_LOOK_S)
            self._check()
            if self._waiting == 0:
                self._alive = time.monotonic()  # silence counts from when an answer is due
            self._waiting += 1
        self._client.publish(topic, payload, qos=1)
        self.sent += 1
        return True

    def drain(self, stop: threading.Event | None = None, grace_s: float = 5.0) -> bool:
        """Wait until the broker has everything; where ``stop`` is set, for ``grace_s`` at most.

        Returns whether it has.
        """
        end = None
        with self._state:
            while self._waiting:
                self._check()
                if stop is not None and stop.is_set():
                    end = end or time.monotonic() + grace_s
                    if time.monotonic() >= end:
                        return False
                self._state.wait(_LOOK_S)
            self._check()
        return True

    def close(self) -> None:
        """Leave the broker. Closing twice is allowed."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        """With the state's lock held: raises what went wrong meanwhile."""
        if self._failure is not None:
            raise self._failure
        if self._waiting and time.monotonic() - self._alive > self._patience_s:
            what = "has not acknowledged anything" if self._connected else "cannot be reached again"
            raise BrokerError(
                f"{self.broker.where} {what} for {self._patience_s:g} s; {self._waiting} messages wait for it"
            )

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, _p: Any) -> None:
        with self._state:
            if reason.is_failure:
                self._failure = refused(self.broker, reason.value, str(reason))
            else:
                self._connected = True
                self.reconnects += 1
            self._state.notify_all()

    def _on_disconnect(self, _c: Any, _u: Any, _flags: Any, _reason: ReasonCode, _p: Any) -> None:
        with self._state:
            self._connected = False

    def _on_publish(self, _c: Any, _u: Any, _mid: int, reason: ReasonCode, _p: Any) -> None:
        with self._state:
            self._waiting -= 1
            self._alive = time.monotonic()
            if reason.is_failure and reason.value != 0x10:  # 0x10: nobody listens (MQTT 5.0, 3.4.2.1)
                self._failure = BrokerError(
                    f"{self.broker.where} refuses a message ({reason}): may this user publish there?"
                )
            self._state.notify_all()
