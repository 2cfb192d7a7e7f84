"""The process as it is run: settings from the environment, the embedded broker, SIGTERM."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from mosaicast.adapters.kafka import BusConsumer, BusProducer, KafkaConfig
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.contracts.messages import MediaPacket, SampledFrame, StatusReport
from mosaicast.contracts.topics import FRAMES, MEDIA, STATUS, STREAMS
from mosaicast.runtime.clocks import wall_ms
from tests.adapters.av_clips import make_clip
from tests.services.ingest.fakes import file_spec

ROOT = Path(__file__).parents[3]
WAIT_S = 30


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaConfig]:
    with EmbeddedBroker() as running:
        yield KafkaConfig(running.bootstrap, "test", embedded=True, static_assignment=(0, 1))


@pytest.fixture
def ingest(broker: KafkaConfig, tmp_path: Path) -> Iterator[Popen[str]]:
    environment = os.environ | {
        "MOSAICAST_KAFKA__BOOTSTRAP": broker.bootstrap,
        "MOSAICAST_KAFKA__EMBEDDED": "true",
        "MOSAICAST_KAFKA__ASSIGNMENT_INDEX": "0",
        "MOSAICAST_MEDIA_DIR": str(tmp_path),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.ingest"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    found = [int(line) for line in listed.stdout.split()]
    return found + [pid for child in found for pid in children_of(child)]


def collect(consumer: BusConsumer, done: Callable[[list[Any]], object]) -> list[Any]:
    """Poll until `done(messages)`."""
    messages: list[Any] = []
    for _ in range(600):
        messages += [item.message for item in consumer.poll(0.05)]
        if done(messages):
            return messages
    raise AssertionError(f"only {len(messages)} messages came")


def told_the_end(seen: list[Any]) -> bool:
    """Whether the last words of the stream are there, on every topic (which a consumer reads side by side)."""
    return (
        any(isinstance(message, MediaPacket) and message.end_of_epoch for message in seen)
        and any(isinstance(message, StatusReport) and message.state == "stopped" for message in seen)
        and any(isinstance(message, SampledFrame) for message in seen)
    )


def test_a_stream_goes_through_the_broker_and_sigterm_ends_all_of_it(
    broker: KafkaConfig, ingest: Popen[str], tmp_path: Path
) -> None:
    make_clip(tmp_path / "clip.mp4", frames=150)
    consumer = BusConsumer(broker, [MEDIA, FRAMES, STATUS], "t", lambda _: None, lambda _: None, from_beginning=True)
    producer = BusProducer(broker)
    producer.send(STREAMS, file_spec("clip.mp4", stream_id="f1"))
    collect(consumer, lambda seen: any(isinstance(m, StatusReport) and m.state == "live" for m in seen))
    family = [os.pidfd_open(pid) for pid in children_of(ingest.pid)]
    ingest.send_signal(signal.SIGTERM)
    _, errors = ingest.communicate(timeout=WAIT_S)
    assert ingest.returncode == 0, errors
    assert len(family) >= 2
    assert all(select.select([handle], [], [], WAIT_S)[0] for handle in family), "a process outlives its service"
    consumer.close()

    again = BusConsumer(broker, [MEDIA, FRAMES, STATUS], "t", lambda _: None, lambda _: None, from_beginning=True)
    seen = collect(again, told_the_end)
    media = [message for message in seen if isinstance(message, MediaPacket)]
    assert [packet.index for packet in media] == list(range(len(media)))
    assert media[-1].end_of_epoch
    assert "Traceback" not in errors
    again.close()
    producer.close()


HOUR_MS = 3_600_000


def report(epoch: int, stream_id: str) -> StatusReport:
    """Return what a compositor says that holds `epoch`."""
    return StatusReport(
        service="compositor", instance="0", stream_id=stream_id, epoch=epoch, state="live", at_ms=wall_ms()
    )


def epochs_of(messages: list[Any], stream_id: str) -> list[int]:
    found = [m.epoch for m in messages if isinstance(m, MediaPacket) and m.stream_id == stream_id]
    return sorted(set(found))


def test_epochs_rise_above_what_others_hold_although_the_clock_went_back(
    broker: KafkaConfig, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make_clip(tmp_path / "clip.mp4", frames=600)
    producer = BusProducer(broker)
    held = wall_ms() + HOUR_MS
    for epoch in (held - 1, held, held - 2):
        producer.send(STATUS, report(epoch, "back"))
    assert producer.flush(10.0) == 0
    request.getfixturevalue("ingest")  # starts now
    consumer = BusConsumer(broker, [MEDIA], "e", lambda _: None, lambda _: None, from_beginning=True)
    producer.send(STREAMS, file_spec("clip.mp4", stream_id="back"))
    seen = collect(consumer, lambda messages: epochs_of(messages, "back"))
    assert epochs_of(seen, "back") == [held + 1]
    # Another one turns up while it reads.
    producer.send(STATUS, report(held + 5_000, "back"))
    seen += collect(consumer, lambda messages: held + 5_001 in epochs_of(messages, "back"))
    assert epochs_of(seen, "back") == [held + 1, held + 5_001]
    consumer.close()
    producer.send(STREAMS, None, key="back")
    producer.close()
