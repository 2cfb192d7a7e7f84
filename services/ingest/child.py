"""The child of one stream: reads its source, passes on every packet, sends a sample of its pictures to analysis."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from mosaicast.adapters.media.opening import SourceLimits, limit_libraries, open_source
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source import AvSource, EpochStarted, PacketRead, SourceCounters, SourceEvent
from mosaicast.adapters.media.source_errors import SourceError
from mosaicast.contracts.situations import video
from mosaicast.core.types import MediaTime
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from services.ingest.epoch import EpochWriter
from services.ingest.heartbeat import Heartbeat
from services.ingest.parent_pipe import ParentGoneError, ParentPipe
from services.ingest.wire import Command, End, Job, Report, pack, unpack_command

REPORT_EVERY_S = 1.0
LONGEST_PAUSE_S = 0.5
"""Longest single wait of a file's pacing, so that reports go on in a pause of the film."""
LARGEST_LAG_S = 1.0
"""A file's reading that is later than this does not try to catch up: that would be a burst."""


def run(connection: "Connection[Any, Any]", job: Job) -> None:
    """Read the job's source to its end and tell how it ended: the entry point of a child process."""
    limit_libraries()
    try:
        StreamReader(job, ParentPipe(connection)).run()
    except ParentGoneError:
        os._exit(0)  # no one is left to tell, and closing a source may wait for the network


class Pace:
    """Native speed of a file: when each packet of one epoch is due."""

    def __init__(self) -> None:
        self._start_s: float | None = None
        """Monotonic time of media time 0."""

    def wait_s(self, time: MediaTime, now_s: float) -> float:
        """Return how long to wait for the packet at `time`, 0 or less when it is due."""
        due_in_s = 0.0 if self._start_s is None else self._start_s + float(time) - now_s
        if self._start_s is None or due_in_s < -LARGEST_LAG_S:
            self._start_s = now_s - float(time)
            return 0.0
        return due_in_s


class StreamReader:
    """One reading of one source, with an epoch number for each uninterrupted part of it."""

    def __init__(
        self,
        job: Job,
        parent_pipe: ParentPipe,
        *,
        limits: SourceLimits | None = None,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._job = job
        self._parent_pipe = parent_pipe
        self._limits = limits
        self._now_s = now_s
        self._settings = Command(job.analysis_fps, job.detection_threshold)
        self._epoch: EpochWriter | None = None
        self._source: AvSource | None = None
        self._source_counters = SourceCounters()
        self._reported_s = now_s()
        self._reported = b""
        """The last report, as it was sent."""
        self._pace = Pace()

    def run(self) -> None:
        """Read until the source ends or fails, and send how it ended.

        Raises:
            ParentGoneError: the parent is gone.
        """
        self._parent_pipe.send(pack(self._read()))

    def _read(self) -> End:
        try:
            job = self._job
            with open_source(
                job.url, live=job.live, limits=self._limits, allowed=job.allows, headers=job.headers
            ) as source:
                self._source_counters = source.counters
                self._report()
                with Heartbeat(self._beat):
                    self._drive(source)
        except SourceError as exc:
            return End(exc.code, exc.text, exc.fault, exc.retry)
        except MemoryError:
            return End("too_much_memory", video.TOO_MUCH_MEMORY.says(), "content", False)
        return End("end")

    def _drive(self, source: AvSource) -> None:
        self._source = source
        try:
            for event in source.events():
                self._handle(event)
                self._report_now_and_then()
        finally:
            self._end_epoch()
            self._report()

    def _handle(self, event: SourceEvent) -> None:
        if isinstance(event, EpochStarted):
            self._begin_epoch(event)
        elif self._epoch is None:
            return
        elif isinstance(event, Picture):
            self._epoch.add_picture(event)
        else:
            self._hold_pace(event)
            self._epoch.add_packet(event)

    def _begin_epoch(self, start: EpochStarted) -> None:
        number = self._job.epoch if self._epoch is None else max(wall_ms(), self._epoch.number + 1)
        self._end_epoch()
        self._pace = Pace()
        self._epoch = EpochWriter(self._job.stream_id, number, start, self._settings, self._parent_pipe)

    def _end_epoch(self) -> None:
        if self._epoch is not None:
            self._epoch.end()

    def _hold_pace(self, packet: PacketRead) -> None:
        """Wait until a file's packet is due, listening to the parent meanwhile."""
        if self._job.live:
            return
        while (wait_s := self._pace.wait_s(packet.decode_time, self._now_s())) > 0:
            self._listen(min(wait_s, LONGEST_PAUSE_S))
            self._report_now_and_then()

    def _report_now_and_then(self) -> None:
        if self._now_s() - self._reported_s >= REPORT_EVERY_S:
            self._listen(0.0)
            self._report()

    def _report(self) -> None:
        self._reported_s = self._now_s()
        counters = {**self._parent_pipe.counters, **asdict(self._source_counters)}
        self._reported = pack(Report(counters, "" if self._source is None else self._source.note))
        self._parent_pipe.send(self._reported)

    def _beat(self) -> None:
        """Say the last report again while the source says nothing; from another thread.

        Not while anything else takes long: a child that hangs in a decoder is to be ended.
        """
        if self._source is None or not self._source.waits or self._now_s() - self._reported_s < REPORT_EVERY_S:
            return
        with contextlib.suppress(ParentGoneError):  # whoever reads the source notices it too
            self._parent_pipe.send(self._reported)

    def _listen(self, timeout_s: float) -> None:
        raw = self._parent_pipe.receive(timeout_s)
        if raw is None:
            return
        self._settings = unpack_command(raw)
        if self._settings.begin_anew and self._source is not None:
            self._source.begin_anew()
        if self._epoch is not None:
            self._epoch.adopt(self._settings)
