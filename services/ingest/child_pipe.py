"""The parent's end of one child's pipe: checks each message and hands it to the bus."""

import threading
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from msgspec.structs import replace

from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import CodecParameters, MediaPacket, Message, SampledFrame
from mosaicast.contracts.parts import split
from mosaicast.contracts.topics import FRAMES, HOUR_MS, MEDIA, Topic
from mosaicast.runtime.clocks import wall_ms
from services.ingest.checks import packet_violation, sample_violation
from services.ingest.context import IngestContext
from services.ingest.wire import LARGEST_PIPE_BYTES, End, Job, Report, unpack

MOST_SKIPPED = 1000
"""Video packets in a row that were too large to be passed on: half a minute. More is a lie."""
AHEAD_MS = HOUR_MS
"""An epoch's number may be so far ahead of our clock: the machine's clock may have been set meanwhile."""
MOST_EPOCHS = 1_000
"""A child may raise its epoch by so much. A hostile one that went further would leave its successors no numbers."""


class Total(NamedTuple):
    """All epochs of a stream that were read: the first one, and how many video packets there were."""

    since_epoch: int
    units: int


NOTHING = Total(0, 0)


class ChildPipe:
    """Reads one child's pipe in a thread of its own, so that a child that stops in mid-message delays no other.

    It holds no queue: the pipe is the queue, and the bus refuses what it can't take.

    Args:
        job: the child's; it may speak only for its stream, and not for older epochs.
        tally: counters of the stream over all its children; see `StatusReport`.
        before: what was read before.
    """

    def __init__(
        self,
        job: Job,
        connection: "Connection[Any, Any]",
        context: IngestContext,
        tally: Counter[str],
        before: Total = NOTHING,
    ) -> None:
        self._stream_id = job.stream_id
        self._allowed = job.allows
        self._connection = connection
        self._context = context
        self._tally = tally
        self._newest: MediaPacket | None = None
        self._of_child: Counter[str] = Counter()
        self.epoch = job.epoch
        self.size_wh = (0, 0)
        self._pixel_wh = (1, 1)
        self.note = ""
        """What the child says about a source that it reads; a sentence for the user."""
        self.codecs: tuple[CodecParameters, ...] = ()
        """What the newest keyframe brought: for the next child, which may begin to read in the middle. Nothing of it is
        looked into here."""
        self.too_large = False
        """A packet was larger than anything that is passed on."""
        self.end: End | None = None
        self.violation: str | None = None
        """The child broke the contract: it is not to be trusted any more."""
        self.last_message_s = context.now_s()
        """Monotonic time of the newest message."""
        self.lossy = threading.Event()
        """The bus refused or lost a video packet of this epoch."""
        self._next_unit = 0
        self._before = before
        self._thread = threading.Thread(target=self._read_all, name=f"child-pipe-{job.stream_id}", daemon=True)

    def start(self) -> "ChildPipe":
        """Begin to read and return self."""
        self._thread.start()
        return self

    @property
    def live(self) -> bool:
        """Whether packets of an epoch have come."""
        return self._newest is not None

    @property
    def total(self) -> Total:
        """All that was read, by this child and those before."""
        if not self.live:
            return self._before
        return Total(self._before.since_epoch or self.epoch, self._before.units + self._next_unit)

    @property
    def finished(self) -> bool:
        """Whether the pipe has ended: nothing more comes."""
        return not self._thread.is_alive()

    def close(self, timeout_s: float = 1.0) -> None:
        """Wait for the end of the pipe (the child must be dead), end its epoch and free the pipe."""
        self._thread.join(timeout_s)
        self._end_epoch()
        if self.finished:  # else the thread still reads, and a closed descriptor could become another file's
            self._connection.close()

    def command(self, raw: bytes) -> None:
        """Tell the child something; a child that is just ending does not hear it."""
        try:
            self._connection.send_bytes(raw)
        except OSError:
            return

    def _read_all(self) -> None:
        try:
            while self.violation is None:
                raw = self._connection.recv_bytes(LARGEST_PIPE_BYTES)
                self.last_message_s = self._context.now_s()
                self._handle(raw)
        except (EOFError, OSError):
            return  # the child is gone; its exit tells why

    def _handle(self, raw: bytes) -> None:
        try:
            message = unpack(raw)
        except ContractError as exc:
            self.violation = exc.reason
            return
        if isinstance(message, End):
            self.end = message
        elif isinstance(message, Report):
            self._tally_report(message)
        elif message.stream_id != self._stream_id or not self._plausible(message.epoch):
            self.violation = "foreign_stream"
        elif (wrong := self._violation_in(message)) is not None:
            self.violation = wrong
        elif isinstance(message, MediaPacket):
            self._pass_packet(message)
        else:
            self._pass_sample(message)

    def _plausible(self, epoch: int) -> bool:
        """Whether a child may speak of an epoch."""
        return self.epoch <= epoch <= max(self._context.now_ms() + AHEAD_MS, self.epoch + MOST_EPOCHS)

    def _violation_in(self, message: MediaPacket | SampledFrame) -> str | None:
        if isinstance(message, MediaPacket):
            return packet_violation(message, self._allowed)
        return sample_violation(message, self.size_wh, self._pixel_wh)

    def _tally_report(self, report: Report) -> None:
        counted = Counter(report.counters)
        self._tally.update(counted - self._of_child)
        self.too_large |= counted["packets_too_large"] > 0
        self._of_child = counted
        self.note = report.note

    def _pass_packet(self, packet: MediaPacket) -> None:
        if packet.epoch != self.epoch or self._newest is None:
            self._before, self._next_unit = self.total, 0
        if packet.codecs:
            since = self._before.since_epoch or packet.epoch
            packet = replace(packet, since_epoch=since, units_since=self._before.units)
        self.epoch, self._newest = packet.epoch, packet
        self.codecs = packet.codecs or self.codecs
        for codec in packet.codecs:
            if codec.track == "video":
                self.size_wh, self._pixel_wh = (codec.width, codec.height), codec.pixel_wh
        reason = self._refusal_of_packet(packet)
        self._count_frames(packet, reason)
        if packet.end_of_epoch:
            return
        self._tally[f"packets_{packet.track}"] += 1
        self._tally["bytes"] += len(packet.data)

    def _count_frames(self, packet: MediaPacket, refusal: str | None) -> None:
        """Count the video packets up to this message by their numbers: what the child could not pass on counts too."""
        is_unit = packet.track == "video" and not packet.end_of_epoch
        frames = packet.unit + is_unit - self._next_unit
        if frames > MOST_SKIPPED:
            self.violation = "numbers"
        elif frames > 0:
            self._next_unit += frames
            self._tally["frames_ingested"] += frames
            self._context.metrics.frames_ingested.labels(self._stream_id).inc(frames)
        if is_unit and refusal is not None:
            self.lossy.set()
            self._tally["frames_refused"] += 1
            self._context.metrics.frames_refused.labels(self._stream_id, refusal).inc()

    def _pass_sample(self, sample: SampledFrame) -> None:
        if self._refusal(FRAMES, sample) is None:
            self._tally["frames_sampled"] += 1
            self._context.metrics.frames_sampled.labels(self._stream_id).inc()
        else:
            self._tally["samples_dropped"] += 1

    def _refusal_of_packet(self, packet: MediaPacket) -> str | None:
        try:
            parts = split(packet)
        except ContractError as exc:
            self.too_large = True
            return exc.reason
        # After a piece that is refused the rest is worth nothing.
        return next((reason for part in parts if (reason := self._refusal(MEDIA, part)) is not None), None)

    def _refusal(self, topic: Topic[Any], message: Message) -> str | None:
        try:
            return None if self._context.bus.send(topic, message) else "bus"
        except ContractError as exc:
            return exc.reason

    def _end_epoch(self) -> None:
        """Say that the epoch is over where the child could not: it was stopped or it crashed."""
        newest = self._newest
        if newest is None or newest.end_of_epoch:
            return
        self._newest = MediaPacket(
            stream_id=newest.stream_id, epoch=newest.epoch, index=newest.index + 1, unit=self._next_unit, track="video",
            pts=0, dts=0, time_base=newest.time_base, end_of_epoch=True, read_ms=wall_ms(),
        )  # fmt: skip
        self._refusal_of_packet(self._newest)
