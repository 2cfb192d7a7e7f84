"""One epoch inside a child: packets wait encoded, are decoded shortly before they are due, and go through the line."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import av

from mosaicast.adapters.media.packets import DecodeError, PacketDecoder
from mosaicast.adapters.media.pictures import thumbnail_of
from mosaicast.contracts.messages import CodecParameters, MediaPacket
from mosaicast.core.delayline import DelayLine, Drop, Release
from mosaicast.core.fingerprint import fingerprint
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import MediaTime, Verdict

AHEAD_S = 0.45
"""Decoded so long before it is due. A frame leaves only when the picture of the next verdict (0.2 s later at most) has
been decoded too and found to be the one that was looked at, and what follows for 0.3 s, to tell whether it is one of a
blend; the rest is for a stall of the scheduler."""
MOST_HELD_BYTES = 256 * 1024 * 1024
"""Decoded pictures that may wait: 20 of 4K (8 bit 4:2:0), which is `AHEAD_S` at 60 a second. A source whose pictures
are shown long after they are decoded would hold more; beyond it decoding waits, and what comes too late is dropped."""
MOST_ENCODED_BYTES = 256 * 1024 * 1024
"""Packets that may wait for their time: 10 s (the longest delay) at 200 Mbit a second."""
LARGEST_REORDER = 16
"""H.264's largest picture buffer: a packet whose frame has not come by then has none."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A frame that leaves now."""

    index: int
    read_ms: int
    time: MediaTime
    due_s: float
    frame: av.VideoFrame
    plan: FramePlan


@dataclass(frozen=True, slots=True)
class Lost:
    """An access unit that is not shown."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Held:
    index: int
    read_ms: int
    frame: av.VideoFrame
    bytes_: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A video packet in the decoder."""

    packet: MediaPacket
    intact: bool
    """No packet that its picture builds on is missing."""


class EpochRun:
    """Packets and verdicts of one epoch in, frames to show out.

    Args:
        epoch: its number.
        delay_s: from arrival to release.
    """

    def __init__(self, epoch: int, delay_s: float) -> None:
        self.epoch = epoch
        self.ended = False
        self.video: CodecParameters | None = None
        self.audio_parameters: CodecParameters | None = None
        self.first_audio: bytes = b""
        self.pacer = Pacer(PacingPolicy(delay_s=delay_s))
        self.line = DelayLine(self.pacer)
        self._decoder: PacketDecoder | None = None
        self._chain = _Chain()
        self._encoded: deque[MediaPacket] = deque()
        self._encoded_bytes = 0
        self._decoding: dict[int, _Unit] = {}
        self._held: dict[MediaTime, _Held] = {}
        self._held_bytes = 0
        self._sound: deque[MediaPacket] = deque()
        self._last: MediaTime | None = None
        self._next_unit: int | None = None
        self._whole = True
        """No packet is missing since the last keyframe that came."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits any more."""
        return not (self._encoded or self._decoding or self._held or self._sound)

    def add_video(self, packet: MediaPacket, now: float) -> list[Lost]:
        """Take in a video packet; the first must be a keyframe with its parameters."""
        if packet.codecs:
            self._take_parameters(packet.codecs)
        if self.video is None:
            return [Lost(packet.index, "awaiting_keyframe")]
        self.pacer.observe(packet.decode_time, now)
        if self._encoded_bytes + len(packet.data) > MOST_ENCODED_BYTES:
            return [Lost(packet.index, "too_many_bytes")]
        self._whole = packet.keyframe or (self._whole and packet.unit == self._next_unit)
        self._next_unit = packet.unit + 1
        if self._last is None and packet.unit > 0:
            self.line.begins_midway()
        self._last = packet.time if self._last is None else max(self._last, packet.time)
        self._encoded.append(packet)
        self._encoded_bytes += len(packet.data)
        return []

    def add_audio(self, packet: MediaPacket) -> None:
        """Take in a packet of sound."""
        if packet.codecs:
            self._take_parameters(packet.codecs)
        if not self.first_audio:
            self.first_audio = packet.data
        self._sound.append(packet)

    def add_verdict(self, verdict: Verdict, now: float) -> list[Ready | Lost]:
        """Take in a verdict."""
        return list(self._commands(self.line.add_verdict(verdict, now)))

    def end(self, units: int) -> None:
        """The source has ended after so many video packets; what waits leaves in its time.

        If the last of them are missing, somebody may have come in with them: verdicts must reach as far as ever.
        """
        self.ended = True
        if self._last is not None and self._whole and units == self._next_unit:
            self.line.ends_at(self._last)

    def abandon(self) -> list[Lost]:
        """Give up everything that waits: a newer epoch has begun."""
        indexes = [packet.index for packet in self._encoded]
        indexes += [unit.packet.index for unit in self._decoding.values()]
        indexes += [held.index for held in self._held.values()]
        self.line.abandon()
        self._encoded.clear()
        self._decoding.clear()
        self._held.clear()
        self._encoded_bytes = self._held_bytes = 0
        self._sound.clear()
        return [Lost(index, "old_epoch") for index in sorted(indexes)]

    def step(self, now: float) -> list[Ready | Lost]:
        """Decode what is nearly due and return what leaves at `now`."""
        results: list[Ready | Lost] = []
        while self._may_decode(now):
            packet = self._encoded.popleft()
            self._encoded_bytes -= len(packet.data)
            results += self._decode(packet, now)
        if self.ended and not self._encoded and self._decoder is not None:
            results += self._drain(now)
        return [*results, *self._commands(self.line.tick(now))]

    def due_audio(self, now: float) -> Iterator[MediaPacket]:
        """Yield the packets of sound that leave at `now`."""
        if self.video is None:
            self._sound.clear()
        while self._sound and now >= self.pacer_due(self._sound[0]):
            yield self._sound.popleft()

    def pacer_due(self, packet: MediaPacket) -> float:
        """Return when a packet is due; at once when no picture has set the pace yet."""
        try:
            return self.pacer.due(packet.time)
        except ValueError:
            return 0.0

    def next_wake(self) -> float | None:
        """Return the monotonic second of the next thing to do."""
        times = [self.line.next_due()]
        if self._encoded and self._held_bytes < MOST_HELD_BYTES:
            times.append(self.pacer.due(self._encoded[0].decode_time) - AHEAD_S)
        if self._sound and self.video is not None:
            times.append(self.pacer_due(self._sound[0]))
        return min((time for time in times if time is not None), default=None)

    def _take_parameters(self, codecs: tuple[CodecParameters, ...]) -> None:
        for parameters in codecs:
            if parameters.track == "video":
                self.video = parameters
            else:
                self.audio_parameters = parameters

    def _may_decode(self, now: float) -> bool:
        if not self._encoded or now < self.pacer.due(self._encoded[0].decode_time) - AHEAD_S:
            return False
        return self._held_bytes < MOST_HELD_BYTES

    def _decode(self, packet: MediaPacket, now: float) -> list[Ready | Lost]:
        assert self.video is not None
        results: list[Ready | Lost] = []
        whole = self._chain.take(packet)
        twin = self._decoding.pop(packet.pts, None)
        if twin is not None:  # of two pictures of one time nobody can tell which is which
            results.append(Lost(twin.packet.index, "duplicate"))
            whole = whole and twin.intact
        if self._chain.mended and self._decoder is not None:
            results += self._drain(now)  # a new decoder waits for whole pictures, this one would conceal
        try:
            if self._decoder is None:
                self._decoder = PacketDecoder(self.video)
            self._decoding[packet.pts] = _Unit(packet, whole)
            frames = self._decoder.decode(packet)
        except DecodeError:
            self._decoding.pop(packet.pts, None)
            self._chain.snap()
            return [*results, Lost(packet.index, "decode_error")]
        for decoded in frames:
            results += self._hold(decoded.pts, decoded.frame, now)
        return [*results, *self._overdue()]

    def _drain(self, now: float) -> list[Ready | Lost]:
        assert self._decoder is not None
        results: list[Ready | Lost] = []
        try:
            for decoded in self._decoder.flush():
                results += self._hold(decoded.pts, decoded.frame, now)
        except DecodeError:
            pass
        self._decoder = None
        lost: list[Ready | Lost] = [Lost(unit.packet.index, "decode_error") for unit in self._decoding.values()]
        self._decoding.clear()
        return results + lost

    def _hold(self, pts: int, frame: av.VideoFrame, now: float) -> list[Ready | Lost]:
        unit = self._decoding.pop(pts, None)
        if unit is None:  # a second field or a frame that the decoder made up: nobody ingested it
            return []
        packet = unit.packet
        if packet.time in self._held:
            return [Lost(packet.index, "duplicate")]
        size = sum(plane.buffer_size for plane in frame.planes)
        self._held[packet.time] = _Held(packet.index, packet.read_ms, frame, size)
        self._held_bytes += size
        thumbnail = thumbnail_of(frame)
        seen = b"" if thumbnail is None else fingerprint(thumbnail)
        commands = self.line.add_frame(packet.time, now, seen, thumbnail=thumbnail, intact=unit.intact)
        return list(self._commands(commands))

    def _overdue(self) -> Iterator[Lost]:
        while len(self._decoding) > LARGEST_REORDER:
            oldest = next(iter(self._decoding))
            yield Lost(self._decoding.pop(oldest).packet.index, "decode_error")

    def _commands(self, commands: list[Release | Drop]) -> Iterator[Ready | Lost]:
        for command in commands:
            held = self._held.pop(command.time)
            self._held_bytes -= held.bytes_
            if isinstance(command, Release):
                due_s = self.pacer.due(command.time)
                yield Ready(held.index, held.read_ms, command.time, due_s, held.frame, command.plan)
            else:
                yield Lost(held.index, command.reason)


class _Chain:
    """Which packets have all that they build on: none is missing since a keyframe.

    Pictures that a keyframe's group shows before it (open groups) build on the group before, too. And some encoders
    call keyframe what refreshes a picture bit by bit (x264's intra-refresh): only a new decoder says when it is whole.
    """

    def __init__(self) -> None:
        self._next_unit: int | None = None
        self._broken = True
        self._shown_from: MediaTime | None = None
        self.mended = False
        """The packet that was taken last is a keyframe after a hole, or the first: a new decoder begins with it."""

    def take(self, packet: MediaPacket) -> bool:
        """Take note of a packet, in the order of the log; return whether its picture is whole."""
        if packet.unit != self._next_unit:
            self._broken = True
        self._next_unit = packet.unit + 1
        self.mended = self._broken and packet.keyframe
        if self.mended:
            self._broken, self._shown_from = False, packet.time
        return not self._broken and (self._shown_from is None or packet.time >= self._shown_from)

    def snap(self) -> None:
        """The packet that was taken last gave no picture."""
        self._broken = True
