"""One epoch inside a child: packets wait encoded, are decoded shortly before they are due, and go through the line."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import av

from mosaicast.adapters.av_packets import DecodeError, PacketDecoder
from mosaicast.contracts.messages import CodecParameters, MediaPacket
from mosaicast.core.delayline import DelayLine, Drop, Release
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import MediaTime, Verdict

AHEAD_S = 0.15
"""Decoded so long before it is due: enough for a stall of the scheduler, little enough for memory."""
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
        self._encoded: deque[MediaPacket] = deque()
        self._decoding: dict[int, MediaPacket] = {}
        self._held: dict[MediaTime, _Held] = {}
        self._sound: deque[MediaPacket] = deque()

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
        self._encoded.append(packet)
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

    def end(self) -> None:
        """The source has ended; what waits leaves in its time."""
        self.ended = True

    def abandon(self) -> list[Lost]:
        """Give up everything that waits: a newer epoch has begun."""
        indexes = [packet.index for packet in self._encoded]
        indexes += [packet.index for packet in self._decoding.values()]
        indexes += [held.index for held in self._held.values()]
        self.line.abandon()
        self._encoded.clear()
        self._decoding.clear()
        self._held.clear()
        self._sound.clear()
        return [Lost(index, "old_epoch") for index in sorted(indexes)]

    def step(self, now: float) -> list[Ready | Lost]:
        """Decode what is nearly due and return what leaves at `now`."""
        results: list[Ready | Lost] = []
        while self._encoded and now >= self.pacer.due(self._encoded[0].decode_time) - AHEAD_S:
            results += self._decode(self._encoded.popleft(), now)
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
        if self._encoded:
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

    def _decode(self, packet: MediaPacket, now: float) -> list[Ready | Lost]:
        assert self.video is not None
        try:
            if self._decoder is None:
                self._decoder = PacketDecoder(self.video)
            self._decoding[packet.pts] = packet
            frames = self._decoder.decode(packet)
        except DecodeError:
            self._decoding.pop(packet.pts, None)
            return [Lost(packet.index, "decode_error")]
        results: list[Ready | Lost] = []
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
        lost: list[Ready | Lost] = [Lost(packet.index, "decode_error") for packet in self._decoding.values()]
        self._decoding.clear()
        return results + lost

    def _hold(self, pts: int, frame: av.VideoFrame, now: float) -> list[Ready | Lost]:
        packet = self._decoding.pop(pts, None)
        if packet is None:  # a second field or a frame that the decoder made up: nobody ingested it
            return []
        if packet.time in self._held:
            return [Lost(packet.index, "duplicate")]
        self._held[packet.time] = _Held(packet.index, packet.read_ms, frame)
        return list(self._commands(self.line.add_frame(packet.time, now)))

    def _overdue(self) -> Iterator[Lost]:
        while len(self._decoding) > LARGEST_REORDER:
            oldest = next(iter(self._decoding))
            yield Lost(self._decoding.pop(oldest).index, "decode_error")

    def _commands(self, commands: list[Release | Drop]) -> Iterator[Ready | Lost]:
        for command in commands:
            held = self._held.pop(command.time)
            if isinstance(command, Release):
                due_s = self.pacer.due(command.time)
                yield Ready(held.index, held.read_ms, command.time, due_s, held.frame, command.plan)
            else:
                yield Lost(held.index, command.reason)
