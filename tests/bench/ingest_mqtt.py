"""How many messages a second one ingest process takes from Mosquitto into the embedded store.

    python tests/bench/ingest_mqtt.py [--messages 100000] [--version 3.1.1] [--per-message 1] [--no-store]
                                     [--spool | --away] [--ledger] [--receipts]

All messages wait at the broker before the consumer connects, so that its own speed is measured and not
the publisher's: from the first message to the last acknowledgement.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho

from ingest.broker import HOST, start_broker
from ingest.consumer import Consumer, ConsumerOptions
from ingest.ledger.book import Ledger
from ingest.rejected import RejectedLog
from ingest.spool.behind import SpoolOptions
from ingest.store.duck import DuckStore
from waterworks.clocks import WallClock
from waterworks.errors import StoreUnavailable
from waterworks.ports import ReadingStore
from waterworks.reading import AppendResult, ReadingBatch
from waterworks.site import Sensor, Site
from waterworks.units import Quantity

DEVICES = 1000
T0 = 1_795_230_000_000


class Nowhere:
    """A store that keeps nothing: what is left is the cost of MQTT, decoding and checking."""

    def append(self, batch: ReadingBatch) -> AppendResult:
        return AppendResult(len(batch), 0, 0)

    def close(self) -> None:
        pass


class Away(Nowhere):
    """A store that cannot be reached."""

    def append(self, batch: ReadingBatch) -> AppendResult:
        raise StoreUnavailable("away")


def payload(i: int, per_message: int, receipts: bool) -> bytes:
    """About 100 bytes for a single reading; columns for more."""
    device, k = i % DEVICES, i // DEVICES
    if per_message == 1:
        return (
            b'{"sensor":"S%d","time":"2026-11-%02dT%02d:%02d:%02d+07:00","value":12.5,"unit":"m3/h","seq":%d%b}'
            % (
                *(device, 1 + k // 86400, k // 3600 % 24, k // 60 % 60, k % 60, k + 1),
                b',"boot":7,"oldest":%d' % max(1, k - 3) if receipts else b"",
            )
        )
    times = [T0 + 1000 * (k * per_message + j) for j in range(per_message)]
    series = {"sensor": f"S{device}", "unit": "m3/h", "times": times, "values": [12.5] * per_message}
    return json.dumps({"seq": k, "series": [series]}).encode()


def fill(port: int, messages: int, per_message: int, receipts: bool) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="bench")
    client.max_inflight_messages_set(1000)
    client.connect(HOST, port)
    client.loop_start()
    for i in range(messages):
        topic = f"twuin/bench/d{i % DEVICES}/readings"
        info = client.publish(topic, payload(i, per_message, receipts), qos=1)
    info.wait_for_publish(600)
    client.disconnect()
    client.loop_stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--per-message", type=int, default=1)
    parser.add_argument("--version", choices=["3.1.1", "5"], default="3.1.1")
    parser.add_argument("--no-store", action="store_true")
    parser.add_argument("--spool", action="store_true", help="with a spool before the store")
    parser.add_argument(
        "--away", action="store_true", help="with a store that is away: all goes into the spool"
    )
    parser.add_argument("--ledger", action="store_true", help="count what came in the ledger")
    parser.add_argument("--receipts", action="store_true", help="with a ledger: devices that want receipts")
    a = parser.parse_args()
    sensors = tuple(Sensor(f"S{i}", Quantity.FLOW, "m3/h", "D", f"d{i}") for i in range(DEVICES))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = Site("bench", "Bench", ZoneInfo("UTC"), (), sensors, folder)
        store: ReadingStore = (
            Away() if a.away else Nowhere() if a.no_store else DuckStore(folder / "readings.duckdb")  # type: ignore[assignment]
        )
        rejected = RejectedLog(folder / "rejected.sqlite")
        ledger = Ledger(folder / "ledger.sqlite", site.timezone) if a.ledger or a.receipts else None
        with start_broker(folder / "broker", 0, kind="mosquitto") as broker:

            def run(messages: int) -> float:
                """Seconds from connecting until ``messages`` are stored and acknowledged."""
                options = ConsumerOptions(port=broker.port, version=a.version)
                spool = SpoolOptions(folder / "spool" / "main") if a.spool or a.away else None
                consumer = Consumer(options, site, store, rejected, WallClock(), spool=spool, ledger=ledger)
                stop = threading.Event()
                thread = threading.Thread(target=consumer.run, args=(stop,))
                began = time.perf_counter()
                thread.start()
                while (
                    not consumer.stats.connected
                    or consumer.stats.received < messages
                    or consumer.stats.unacked
                ):
                    time.sleep(0.005)
                took = time.perf_counter() - began
                stop.set()
                thread.join()
                if consumer.stats.rejected:
                    raise SystemExit(f"rejected: {consumer.stats.rejected}")
                return took

            run(0)  # makes the session, so that the broker keeps what comes
            fill(broker.port, a.messages, a.per_message, a.receipts)
            cpu = time.process_time()
            took = run(a.messages)
            cpu = time.process_time() - cpu
        store.close()
    where = "store away" if a.away else "no store" if a.no_store else "DuckStore"
    where += " and a ledger" if a.ledger or a.receipts else ""
    where += ", with receipts" if a.receipts else ""
    where += " behind a spool" if a.spool or a.away else ""
    print(
        f"MQTT {a.version}, {a.per_message} a message, {where}: "
        f"{a.messages / took:,.0f} messages/s, {a.messages * a.per_message / took:,.0f} readings/s, "
        f"{cpu / a.messages * 1e6:.1f} us of CPU a message"
    )


if __name__ == "__main__":
    main()
