"""A bus in memory, a clock by hand, and children that are no processes."""

import multiprocessing
import struct
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mosaicast.adapters.kafka import Received
from mosaicast.contracts.messages import (
    MediaPacket,
    Publication,
    SampledFrame,
    Source,
    StatusReport,
    StreamSpec,
)
from mosaicast.contracts.topics import STATUS, STREAMS
from mosaicast.runtime import logs
from mosaicast.runtime.children import Exit
from mosaicast.runtime.metrics import Metrics
from services.ingest.context import IngestContext
from services.ingest.plan import Planner
from services.ingest.wire import Command, FromChild, Job, pack, unpack_command
from tests.fakes.bus import FakeProducer
from tests.fakes.clock import Clock


def jpeg_of(width: int, height: int, frame_marker: int = 0xC0) -> bytes:
    """Return the header of a JPEG, all that a parent looks at."""
    return b"\xff\xd8\xff" + struct.pack(">BHBHHB", frame_marker, 17, 8, height, width, 3) + bytes(9)


class FakeBus(FakeProducer):
    """What ingest sends, by kind."""

    @property
    def media(self) -> list[MediaPacket]:
        return self.of(MediaPacket)

    @property
    def frames(self) -> list[SampledFrame]:
        return self.of(SampledFrame)

    def last_status(self, stream_id: str) -> StatusReport:
        return self.of(StatusReport, stream_id)[-1]


class FakeChild:
    """A child whose words and end the test decides."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.connection: Connection[Any, Any]
        self.connection, self.theirs = multiprocessing.Pipe(duplex=True)
        self.exit: Exit | None = None
        self.killed = False

    def says(self, *messages: FromChild) -> None:
        for message in messages:
            self.theirs.send_bytes(pack(message))

    def commands(self) -> list[Command]:
        """Return what the parent has told."""
        told = []
        while self.theirs.poll(0):
            told.append(unpack_command(self.theirs.recv_bytes()))
        return told

    def ends(self, code: int = 0) -> None:
        self.exit = Exit("clean" if code == 0 else "error" if code > 0 else "signal", abs(code))
        self.theirs.close()

    def wait(self, timeout_s: float) -> Exit | None:
        return self.exit

    def kill(self) -> None:
        self.killed = True
        self.ends(-9)


class FakeSpawner:
    """Makes fake children and keeps them."""

    def __init__(self) -> None:
        self.children: list[FakeChild] = []

    def __call__(self, job: Job) -> FakeChild:
        self.children.append(FakeChild(job))
        return self.children[-1]


def ingest_context(
    bus: FakeBus, spawn: Any, *, media_dir: Path | None = None, clock: Clock | None = None
) -> IngestContext:
    more: dict[str, Any] = {} if clock is None else {"now_s": clock, "now_ms": lambda: int(clock.now_s * 1000)}
    planner = Planner("rtmp://127.0.0.1:1", "sec ret", media_dir)
    return IngestContext(planner, spawn, bus, Metrics(), logs.get_logger("test"), "i0", **more)


def push_spec(stream_id: str = "s1", publication: str | None = "p1", revision: int = 1, **more: Any) -> StreamSpec:
    published = None if publication is None else Publication(publication_id=publication, started_ms=0)
    return StreamSpec(stream_id=stream_id, owner_id="o1", revision=revision, publication=published, **more)


def file_spec(path: str, stream_id: str = "f1", revision: int = 1, **more: Any) -> StreamSpec:
    source = Source(kind="file", path=path)
    return StreamSpec(stream_id=stream_id, owner_id="o1", revision=revision, source=source, **more)


def received(spec: StreamSpec | None, *, key: str | None = None, partition: int = 0) -> Received:
    return Received(STREAMS.name, partition, 0, key or (spec.stream_id if spec else ""), spec, 0)


def reported(epoch: int, stream_id: str = "s1", service: Any = "compositor") -> Received:
    """Return a part's word on a stream's epoch, as the log delivers it."""
    report = StatusReport(service=service, instance="0", stream_id=stream_id, epoch=epoch, state="live", at_ms=0)
    return Received(STATUS.name, 0, 0, stream_id, report, 0)
