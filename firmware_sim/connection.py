"""One device's connection to the broker: a paho client whose socket the fleet's loop watches."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.broker_address import BrokerAddress
from firmware_sim.device import Device, Meter, Sampler
from firmware_sim.scenario_model import DeviceOptions
from firmware_sim.unconfirmed import Unconfirmed
from firmware_sim.wire import Number, Series, Topics, Writer, garbled, last_will, read_receipt
from waterworks.site import Site

KEEPALIVE_S = 60
CONNECT_S = 3.0  # for the TCP connection; the whole fleet waits so long
IN_FLIGHT = 20  # messages of one device that the broker has not acknowledged
BATCH = 200  # moments in one message of kept readings


class Moment(NamedTuple):
    """One sample, ready to leave. key: what chance decides the kind of garbage by."""

    sampler: Sampler
    stamp: int
    values: list[float]
    duplicate: bool = False
    garbage: bool = False


class Counts:
    """What a fleet has done so far."""

    def __init__(self) -> None:
        self.readings = self.messages = self.acknowledged = 0
        self.garbage = self.duplicates = self.dropped = self.connections = self.commands = 0
        self.confirmed = self.unconfirmed = self.resent = 0


class Connection:
    """The connection of ``device``. ``outbox``: what waits because it is offline or too much is in flight.

    heard: called with the payload of a command. refused: called with the broker's reason. bounded: whether
    a full outbox loses samples as a device's buffer does. boot: tells this run's message numbers from
    those of other runs. ``unconfirmed``: what was sent and is kept until Twuin confirms it.
    """

    def __init__(
        self,
        site: Site,
        device: Device,
        broker: BrokerAddress,
        options: DeviceOptions,
        selector: selectors.BaseSelector,
        counts: Counts,
        now: Callable[[], int],
        heard: Callable[[Connection, bytes], None],
        refused: Callable[[Connection, str], None],
        *,
        bounded: bool,
        boot: int = 0,
    ) -> None:
        self.device, self.counts = device, counts
        self.topics = Topics(site.id, device.id)
        self.writer = Writer(device, site.timezone, milliseconds=options.time_format == "ms")
        self.outbox: deque[Moment] = deque()
        self.wanted = True  # by the scenario: not in an outage
        self.connected = False
        self.connecting = False
        self.in_flight = 0
        self.failures = 0
        self.seq = 0
        room = max(options.buffer_samples, IN_FLIGHT) * len(device.samplers)
        self._room, self._bounded = room, bounded
        self.unconfirmed: Unconfirmed[Moment] = Unconfirmed(boot)
        self._numbers: dict[int, int] = {}  # of messages that the broker has not acknowledged, by packet id
        self._options, self._broker, self._selector = options, broker, selector
        self._now, self._heard, self._refused = now, heard, refused
        self._client = self._make(site)

    def _make(self, site: Site) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"sim-{site.id}-{self.device.id}",
            clean_session=False,  # commands wait for devices that are offline
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        user, password = self._broker.login(self.device.id)
        if user:
            client.username_pw_set(user, password)
        context = self._broker.tls_context()
        if context is not None:
            client.tls_set_context(context)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_open
        client.on_socket_close = self._on_close
        client.on_socket_register_write = self._on_write_wanted
        client.on_socket_unregister_write = self._on_write_done
        return client

    # -- the wheel, turned by the fleet ---------------------------------------------------------------

    def open(self) -> None:
        """Begin to connect. OSError when the broker cannot be reached."""
        self._client.will_set(self.topics.status, last_will(), qos=1, retain=True)
        self.connecting = True
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except BaseException:
            self.connecting = False
            raise

    def readable(self) -> None:
        """Take what has arrived."""
        while self._client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            sock: Any = self._client.socket()
            if not (hasattr(sock, "pending") and sock.pending()):
                break
        self.pump()

    def writable(self) -> None:
        """Go on with what has not gone out yet."""
        self._client.loop_write()

    def tend(self) -> None:
        """Keep alive; call every few seconds."""
        self._client.loop_misc()
        self.pump()

    def cut_when_quiet(self) -> None:
        """In an outage of the scenario: lose the connection once all that left before has arrived.

        What was on its way when a real radio failed would be sent again after the outage; here a run may
        end before that, and what is said to have left must have.
        """
        if self.connected and not self.wanted and not self.in_flight and not self.outbox:
            self.cut()

    def cut(self) -> None:
        """Lose the connection, as a radio does: the broker sends the last will."""
        sock: Any = self._client.socket()
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is gone already
            self._client.loop_read()  # meets the end of the stream, so that paho knows too

    def leave(self) -> None:
        """Say goodbye and close."""
        if self.connected:
            self._publish(self.topics.status, self.writer.status(self._now(), online=False), retain=True)
            self._client.loop_write()
            self._client.disconnect()
            self._client.loop_write()
        else:
            self.cut()

    # -- sending --------------------------------------------------------------------------------------

    def put(self, moment: Moment) -> None:
        """Send a sample, or keep it until that is possible, as long as there is room."""
        self.outbox.append(moment)
        self._make_room()
        self.pump()

    def _make_room(self) -> None:
        """One memory holds what waits and what is not confirmed yet."""
        newest = self._options.buffer_keep == "newest"
        while len(self.unconfirmed) and (
            self.unconfirmed.samples + (len(self.outbox) if self._bounded else 0) > self._room
        ):
            if self.unconfirmed.told and not newest and self._bounded:
                break
            self.counts.unconfirmed += self.unconfirmed.let_go()
        while (
            self._bounded and len(self.outbox) and (len(self.outbox) + self.unconfirmed.samples > self._room)
        ):
            self.counts.dropped += 1
            if newest:
                self.outbox.popleft()
            else:
                self.outbox.pop()

    def pump(self) -> None:
        """Send what waits, as far as the broker keeps up; what is missing at Twuin goes first."""
        while self.connected and self.in_flight < IN_FLIGHT:
            now = time.monotonic()
            number = self.unconfirmed.again(now)
            if number is None:
                break
            self.counts.resent += 1
            self._publish(self.topics.readings, self.unconfirmed.resend(number, now), number=number)
        while self.connected and self.outbox and self.in_flight < IN_FLIGHT:
            if len(self.outbox) > 2 and not self.outbox[0].garbage:
                self._send_series()
            else:
                self._send(self.outbox.popleft())

    def _send(self, moment: Moment) -> None:
        meters = moment.sampler.meters
        number = self._next_number()
        payload = self.writer.sample(number, meters, moment.stamp, moment.values)
        if moment.garbage:  # destroyed in its memory already: there is nothing that it could send again
            self.counts.garbage += 1
            self._publish(self.topics.readings, garbled(payload, moment.sampler.key, moment.stamp))
            return
        self._keep(number, payload, [moment])
        self.counts.readings += len(meters)
        self._publish(self.topics.readings, payload, number=number.seq)
        if moment.duplicate:
            self.counts.duplicates += 1
            self._publish(self.topics.readings, payload)

    def _send_series(self) -> None:
        columns: dict[int, tuple[Meter, list[int], list[float]]] = {}
        again = False
        moments = []
        for _ in range(BATCH):
            if not self.outbox or self.outbox[0].garbage:
                break
            moment = self.outbox.popleft()
            moments.append(moment)
            again = again or moment.duplicate
            for meter, value in zip(moment.sampler.meters, moment.values, strict=True):
                _, stamps, values = columns.setdefault(id(meter), (meter, [], []))
                stamps.append(moment.stamp)
                values.append(value)
                self.counts.readings += 1
        number = self._next_number()
        payload = self.writer.series(number, [Series(*c) for c in columns.values()])
        self._keep(number, payload, moments)
        self._publish(self.topics.readings, payload, number=number.seq)
        if again:
            self.counts.duplicates += 1
            self._publish(self.topics.readings, payload)

    def _next_number(self) -> Number:
        self.seq += 1
        if not self._options.receipts:
            return Number(self.seq)
        return Number(self.seq, self.unconfirmed.boot, self.unconfirmed.oldest(self.seq))

    def _keep(self, number: Number, payload: bytes, moments: list[Moment]) -> None:
        if self._options.receipts:
            self.unconfirmed.add(number.seq, payload, moments, time.monotonic())
            if not self._bounded:
                self._make_room()

    def send_status(self) -> None:
        """A sign of life."""
        if self.connected:
            self._publish(self.topics.status, self.writer.status(self._now(), online=True), retain=True)

    def answer(self, payload: bytes) -> None:
        """The result of a command."""
        self._publish(self.topics.result, payload)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False, number: int = 0) -> None:
        self.in_flight += 1
        self.counts.messages += 1
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        if number:
            self._numbers[sent.mid] = number

    # -- paho's callbacks -----------------------------------------------------------------------------

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, code: ReasonCode, _p: Any) -> None:
        self.connecting = False
        if code.is_failure:
            self._refused(self, str(code))
            return
        self.connected, self.failures = True, 0
        self.counts.connections += 1
        self._client.subscribe([(self.topics.command, 1), (self.topics.receipt, 1)])
        self.unconfirmed.reconnected(time.monotonic())
        self.send_status()

    def _on_disconnect(self, *_: Any) -> None:
        self.connected = self.connecting = False

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        if message.topic == self.topics.receipt:
            receipt = read_receipt(bytes(message.payload))
            if receipt is not None:
                self.counts.confirmed += self.unconfirmed.confirm(receipt, time.monotonic())
        elif not message.retain:
            self._heard(self, bytes(message.payload))

    def _on_publish(self, _c: Any, _u: Any, mid: int, *_: Any) -> None:
        self.in_flight -= 1
        self.unconfirmed.acknowledged(self._numbers.pop(mid, 0), time.monotonic())
        self.counts.acknowledged += 1

    def _on_open(self, _c: Any, _u: Any, sock: Any) -> None:
        self._selector.register(sock, selectors.EVENT_READ, self)

    def _on_close(self, _c: Any, _u: Any, sock: Any) -> None:
        with suppress(KeyError, ValueError):  # at its end paho closes what is closed already
            self._selector.unregister(sock)

    def _on_write_wanted(self, _c: Any, _u: Any, sock: Any) -> None:
        self._selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def _on_write_done(self, _c: Any, _u: Any, sock: Any) -> None:
        if sock in self._selector.get_map():
            self._selector.modify(sock, selectors.EVENT_READ, self)
