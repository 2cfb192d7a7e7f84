"""How long a 100 kB message takes from `send` to `poll`, on both brokers, and what they cost when nothing happens.

usage: python -m bench.kafka_latency [--seconds 10] [--warm-up 3] [--kib 100] [--per-second 30] [--idle-consumers 6]
Prints one JSON object a broker. The real one only if it is installed (`make setup-kafka`).
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from mosaicast.adapters.kafka import BusConsumer, BusProducer, KafkaConfig, ensure_topics
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.kafka.server import KafkaServer, missing
from mosaicast.contracts.messages import MediaPacket, TimeBase
from mosaicast.contracts.topics import MEDIA, VERDICTS
from synthetic.processes import cpu_seconds


@contextlib.contextmanager
def embedded() -> Iterator[KafkaConfig]:
    """Run the embedded broker in this process."""
    with EmbeddedBroker() as broker:
        yield KafkaConfig(broker.bootstrap, "bench", embedded=True, static_assignment=(0, 1))


@contextlib.contextmanager
def real() -> Iterator[KafkaConfig]:
    """Run Apache Kafka as a child."""
    with tempfile.TemporaryDirectory() as folder, KafkaServer(Path(folder)) as server:
        config = KafkaConfig(server.bootstrap, "bench", static_assignment=(0, 1))
        ensure_topics(config)
        yield config


def packet(index: int, size: int) -> MediaPacket:
    """Return one packet of incompressible bytes."""
    return MediaPacket(
        stream_id="bench", epoch=1, index=index, unit=index, track="video",
        pts=index, dts=index, time_base=TimeBase(1, 30),
        data=os.urandom(size), read_ms=0,
    )  # fmt: skip


def latencies_ms(config: KafkaConfig, count: int, size: int, period_s: float) -> list[float]:
    """Send `count` packets at a steady pace and return how long each took."""
    sent: dict[int, float] = {}
    took: list[float] = []
    ready, done = threading.Event(), threading.Event()

    def read() -> None:
        consumer = BusConsumer(config, [MEDIA], "bench", lambda _: ready.set(), lambda _: None)
        while not done.is_set():
            for received in consumer.poll(0.1):
                assert isinstance(received.message, MediaPacket)
                took.append((time.perf_counter() - sent[received.message.index]) * 1000)
                done.set() if received.message.index == count - 1 else None
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    ready.wait()
    producer = BusProducer(config)
    pace = threading.Event()
    for index in range(count):
        message = packet(index, size)
        sent[index] = time.perf_counter()
        producer.send(MEDIA, message)
        pace.wait(period_s)
    done.wait(10.0)
    done.set()
    reader.join()
    producer.close()
    return took


def idle_cpu(config: KafkaConfig, consumers: int, seconds: float) -> float:
    """Return the share of one core that a broker and idle consumers take together."""
    readers = [
        BusConsumer(config, [MEDIA, VERDICTS], f"idle{i}", lambda _: None, lambda _: None) for i in range(consumers)
    ]
    for reader in readers:
        reader.poll(1.0)
    before, until = cpu_seconds(os.getpid()), time.monotonic() + seconds
    while time.monotonic() < until:
        readers[0].poll(0.2)
    spent = cpu_seconds(os.getpid()) - before
    for reader in readers:
        reader.close()
    return spent / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds before counting: a cold JVM is slow")
    parser.add_argument("--kib", type=int, default=100)
    parser.add_argument("--per-second", type=float, default=30.0)
    parser.add_argument("--idle-consumers", type=int, default=6)
    options = parser.parse_args()
    for name, broker in {"embedded": embedded, "real": real}.items():
        if name == "real" and missing():
            print(json.dumps({"broker": name, "skipped": missing()}))
            continue
        with broker() as config:
            cold, count = (int(length * options.per_second) for length in (options.warm_up, options.seconds))
            took = latencies_ms(config, cold + count, options.kib * 1024, 1 / options.per_second)[cold:]
            cut = statistics.quantiles(took, n=100)
            print(json.dumps({
                "broker": name, "sent": count, "arrived": len(took), "median_ms": round(cut[49], 2),
                "p95_ms": round(cut[94], 2), "p99_ms": round(cut[98], 2), "max_ms": round(max(took), 2),
                "idle_cores": round(idle_cpu(config, options.idle_consumers, 5.0), 3),
            }))  # fmt: skip


if __name__ == "__main__":
    main()
