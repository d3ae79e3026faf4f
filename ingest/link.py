"""One connection to an MQTT broker, made for taking in many messages and acknowledging them in groups.

The caller turns the wheel (``Link.read``): reading, writing to the store and acknowledging on one thread
is the fastest way through Python, and no message is ever read that nobody has room for.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.broker_options import BrokerOptions as BrokerOptions
from ingest.broker_options import TakenOver, identify, refused, taken_over, unreachable, who
from ingest.topics import Channel, Subscription
from waterworks.errors import BrokerError

_CONNECT_S = 10.0  # for the broker's answer to CONNECT and to SUBSCRIBE
_LEAVE_S = 1.0  # for a broker's end of the connection; Mosquitto takes some milliseconds
_CHUNK = 256 * 1024  # bytes asked of the socket at once
_OURS = (f"/{Channel.RECEIPT.value}", f"/{Channel.HEARTBEAT.value}")
_TAKEN_OVER = 0x8E  # MQTT 5.0, table 2-6


class Received(NamedTuple):
    """A message in hand. mid, qos: what its acknowledgement needs.

    stale: it may have waited, nobody knows how long: the broker had kept it (retained, or queued while we
    were away), or delivers it again.
    """

    topic: str
    payload: bytes
    mid: int
    qos: int
    stale: bool = False


class Link:
    """A connection to the broker of ``options`` as ``client_id``, with a session that outlives it.

    ``inbox``: messages read and not yet taken. What Twuin itself says (receipts, and heartbeats of other
    processes) does not come into it. heartbeat: the topic on which this process hears itself, "" for none;
    ``heartbeats``: how many came. ``heard_at``: monotonic time at which the last message came [s].

    Raises BrokerError wherever the broker cannot be reached, refuses, or is gone. Of one thread.
    """

    def __init__(self, options: BrokerOptions, client_id: str, heartbeat: str = "") -> None:
        self.options = options
        self.heartbeat = heartbeat
        self.heartbeats = 0
        self.heard_at = time.monotonic()
        self.client_id = client_id
        self.inbox: list[Received] = []
        self.inbox_bytes = 0
        self._client = _make_client(options, client_id)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._answer: ReasonCode | None = None  # to CONNECT
        self._kept = False  # whether the broker kept our session
        self._asked: dict[int, str] = {}  # subscriptions that the broker has not answered yet
        self._subscribed = False  # whether the broker answered to all of them
        self._lost: BrokerError | None = None
        self._drained = True

    def open(self, subscriptions: Sequence[Subscription]) -> None:
        """Connect and subscribe.

        A broker that kept our session sends all that came meanwhile before it answers to SUBSCRIBE. That is
        not waited for: a denial then shows at a later ``read``.
        """
        try:
            if self.options.version == "5":
                self._client.connect(
                    self.options.host,
                    self.options.port,
                    self.options.keepalive_s,
                    clean_start=False,
                    properties=_session(self.options),
                )
            else:
                self._client.connect(self.options.host, self.options.port, self.options.keepalive_s)
        except (OSError, ValueError) as e:
            raise unreachable(self.options, e) from e
        self._await(lambda: self._answer is not None, "does not answer as an MQTT broker does")
        assert self._answer is not None
        if self._answer.is_failure:
            raise refused(self.options, self._answer.value, str(self._answer))
        for s in subscriptions:
            _, mid = self._client.subscribe(s.filter, qos=1)
            if mid is not None:
                self._asked[mid] = s.filter
        if self.heartbeat:  # where the broker does not allow it, there is none
            self._client.subscribe(self.heartbeat, qos=0)
        if not self._kept:
            self._await(lambda: not self._asked, "does not answer to SUBSCRIBE")

    def read(self, timeout: float, most: int, most_bytes: int) -> None:
        """Wait up to ``timeout`` [s] for messages, and put into the inbox what is there.

        Stops at ``most`` messages or ``most_bytes`` bytes in the inbox.
        """
        client = self._client
        if self._lost is not None:
            raise self._lost
        sock = client.socket()
        if sock is None:
            raise self._gone()
        wait = timeout if self._drained else 0.0
        events = _wait(sock, wait, client.want_write())
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) or not self._drained:
            self._drained = True
            inbox = self.inbox
            while True:
                before = len(inbox)
                if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    raise self._gone()
                if len(inbox) > before:
                    self.heard_at = time.monotonic()
                if len(inbox) >= most or self.inbox_bytes >= most_bytes:
                    self._drained = False
                    break
                if len(inbox) == before and not client.buffered:
                    break
        self.keep_alive()

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask for no more of these. What the broker has on its way still comes."""
        for s in subscriptions:
            self._client.unsubscribe(s.filter)

    def keep_alive(self) -> None:
        """Send what is due (pings, acknowledgements) without reading."""
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        if self._lost is not None:
            raise self._lost

    def take(self) -> list[Received]:
        """The inbox, which is empty afterwards."""
        taken, self.inbox, self.inbox_bytes = self.inbox, [], 0
        return taken

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Tell the broker that it need not keep these any more."""
        self._client.acknowledge([m.mid for m in messages if m.qos == 1])
        if self._lost is not None:
            raise self._lost

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message with QoS 0. ``read`` and ``keep_alive`` bring it on its way."""
        self._client.publish(topic, payload, qos=0, retain=retain)
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """Leave the broker. Whatever is not acknowledged it will deliver again. Closing twice is allowed."""
        self._client.on_disconnect = None
        try:
            self._client.leave()
        except OSError:
            pass
        finally:
            self._client.drop()

    def _await(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _CONNECT_S
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise BrokerError(f"{self.options.where} {otherwise}: is it one?")
            try:
                self.read(min(left, 0.5), most=1, most_bytes=1)
            except BrokerError as e:
                if self._answer is None:
                    hint = "" if self.options.tls else ": does it want TLS (mqtt.tls)?"
                    raise BrokerError(
                        f"{self.options.where} closed the connection without an answer{hint}"
                    ) from e
                if not self._answer.is_failure:
                    raise
                return

    def _gone(self) -> BrokerError:
        return self._lost or BrokerError(f"{self.options.where} closed the connection")

    def _on_connect(self, _c: Any, _u: Any, flags: paho.ConnectFlags, reason: ReasonCode, _p: Any) -> None:
        self._answer = reason
        self._kept = flags.session_present

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        filter = self._asked.pop(mid, "")
        self._subscribed = not self._asked
        if filter and any(code.is_failure for code in reasons):
            self._lost = BrokerError(
                f"{self.options.where} does not let {who(self.options)} subscribe to {filter}: "
                "allow it in the broker's access list"
            )

    def _on_message(self, _c: Any, _u: Any, m: paho.MQTTMessage) -> None:
        try:
            topic = m.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        if m.qos == 0 and topic.endswith(_OURS):
            if topic == self.heartbeat:
                self.heartbeats += 1
                self.heard_at = time.monotonic()
            return
        payload = bytes(m.payload)
        # What comes before SUBACK, on a session that outlived its connection, was queued while we were away.
        stale = m.retain or m.dup or (self._kept and not self._subscribed)
        self.inbox.append(Received(topic, payload, m.mid, m.qos, stale))
        self.inbox_bytes += len(payload)

    def _on_disconnect(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, _p: Any) -> None:
        if reason.value == _TAKEN_OVER:
            self._lost = TakenOver(taken_over(self.options, self.client_id))
        else:
            why = "" if reason.getName() == "Unspecified error" else f" ({reason})"  # paho's for "it broke"
            self._lost = BrokerError(f"{self.options.where} closed the connection{why}")


class _Client(paho.Client):
    """paho, reading the socket in large pieces and acknowledging many messages with one write.

    Two methods of paho's inside are used, and both only for speed: were they to go, ``_sock_recv`` would
    not be called any more, and ``acknowledge`` falls back to paho's own.
    """

    _buffer = b""
    _at = 0

    @property
    def buffered(self) -> bool:
        """Whether bytes wait that polling the socket does not show: read by us, or decrypted by TLS."""
        if self._at < len(self._buffer):
            return True
        sock = self.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._buffer):
            self._buffer = super()._sock_recv(_CHUNK)
            self._at = 0
        piece = self._buffer[self._at : self._at + bufsize]
        self._at += len(piece)
        return piece

    def acknowledge(self, mids: Sequence[int]) -> None:
        # PUBACK of both versions: 0x40, remaining length 2, packet id (MQTT 3.1.1, 3.4; MQTT 5.0, 3.4.2.1)
        if not mids:
            return
        queue = getattr(self, "_packet_queue", None)
        if queue is None:
            for mid in mids:
                self.ack(mid, 1)
            return
        packet = b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
        queue(paho.PUBACK, packet, 0, 1)

    def leave(self) -> None:
        """Say goodbye, and wait until the broker has read all that was sent, acknowledgements above all.

        A socket that is closed with bytes unread resets the connection, and a client of the same name that
        comes at once takes it over: either may cost the broker what it has not read yet. Raises OSError.
        """
        if self.want_write():
            self.loop_write()
        sock = cast("socket.socket | None", self.socket())
        if sock is None:
            return
        until = time.monotonic() + _LEAVE_S
        sock.settimeout(_LEAVE_S)
        sock.sendall(b"\xe0\x00")  # DISCONNECT of both versions (MQTT 3.1.1, 3.14; MQTT 5.0, 3.14.2.1)
        sock.shutdown(socket.SHUT_WR)
        while time.monotonic() < until and sock.recv(_CHUNK):
            pass

    def drop(self) -> None:
        """Close the socket, whatever is still to be sent."""
        sock = self.socket()
        if sock is not None:
            sock.close()


def _make_client(options: BrokerOptions, client_id: str) -> _Client:
    v5 = options.version == "5"
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    identify(client, options)
    return client


def _session(options: BrokerOptions) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = options.session_s
    properties.ReceiveMaximum = options.receive_maximum
    return properties


def _wait(sock: Any, timeout: float, writing: bool) -> int:
    """Events of a socket within ``timeout`` [s]. poll, not select: descriptors may pass 1024."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
    events = poll.poll(max(timeout, 0.0) * 1000)
    return events[0][1] if events else 0
