"""One epoch on its way out: packets are decoded, frames wait in the delay line, and leave with a plan or are lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mosaicast.contracts.messages import CodecParameters, MediaPacket, Policy
from mosaicast.core.delayline import DelayLine, Drop, Release
from mosaicast.core.fingerprint import fingerprint
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, MediaTime, PersonId, Verdict
from mosaicast.pipeline.errors import DecodeError
from mosaicast.pipeline.ports import Frame, FrameDecoder, OpenDecoder, Thumbnail

LARGEST_REORDER = 16
"""H.264's largest picture buffer: a packet whose frame has not come by then has none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stream's owner asks for. Before anything is known everything is mosaicked."""

    policy: Policy = field(default_factory=Policy)
    panic: bool = True
    visible: frozenset[PersonId] | None = None
    """Who may be seen now, whatever verdicts say; None: verdicts decide."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A frame that leaves now."""

    index: int
    read_ms: int
    time: MediaTime
    frame: Frame
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
    frame: Frame
    bytes_: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A video packet in the decoder."""

    packet: MediaPacket
    intact: bool
    """No packet that its picture builds on is missing."""


class EpochFrames:
    """Packets and verdicts of one epoch in, frames to show out. Whoever drives it says when what is decoded.

    Args:
        epoch: its number.
        line: where frames wait.
        open_decoder: begins to decode.
        thumbnail: of a decoded frame.
    """

    def __init__(self, epoch: int, line: DelayLine, open_decoder: OpenDecoder, thumbnail: Thumbnail) -> None:
        self.epoch = epoch
        self.line = line
        self.ended = False
        self.video: CodecParameters | None = None
        self.audio_parameters: CodecParameters | None = None
        self._open_decoder, self._thumbnail = open_decoder, thumbnail
        self._wanted = Wanted()
        line.set_panic(True)  # until it is known what is wanted
        self._decoder: FrameDecoder | None = None
        self._chain = Chain()
        self._decoding: dict[int, _Unit] = {}
        self._held: dict[MediaTime, _Held] = {}
        self._held_bytes = 0
        self._last: MediaTime | None = None
        self._next_unit: int | None = None
        self._whole = True
        """No packet is missing since the last keyframe that came."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits any more."""
        return not (self._decoding or self._held)

    def apply(self, wanted: Wanted) -> None:
        """Follow what is wanted now, from the next frame that leaves on."""
        self._wanted = wanted
        self.line.set_panic(wanted.panic)
        self.line.set_visible(wanted.visible)
        self._place_zones()

    def add_verdict(self, verdict: Verdict, now: float) -> list[Ready | Lost]:
        """Take in a verdict."""
        return list(self._commands(self.line.add_verdict(verdict, now)))

    def end(self, units: int) -> None:
        """The source has ended after so many video packets; what waits leaves in its time.

        If the last of them are missing, somebody may have come in with them: then verdicts must reach as far as usual.
        """
        self.ended = True
        if self._last is not None and self._whole and units == self._next_unit:
            self.line.ends_at(self._last)

    def abandon(self) -> list[Lost]:
        """Give up everything that waits: a newer epoch has begun."""
        indexes = [unit.packet.index for unit in self._decoding.values()]
        indexes += [held.index for held in self._held.values()]
        self.line.abandon()
        self._decoding.clear()
        self._held.clear()
        self._held_bytes = 0
        return [Lost(index, "old_epoch") for index in sorted(indexes)]

    def _take_parameters(self, codecs: tuple[CodecParameters, ...]) -> None:
        for parameters in codecs:
            if parameters.track == "video":
                self.video = parameters
            else:
                self.audio_parameters = parameters
        self._place_zones()  # sound may tell the size first; zones are shares of it

    def _place_zones(self) -> None:
        if self.video is None or not (self.video.width and self.video.height):
            return
        width, height = self.video.width, self.video.height
        self.line.set_zones(
            [
                Box(zone.x * width, zone.y * height, (zone.x + zone.width) * width, (zone.y + zone.height) * height)
                for zone in self._wanted.policy.zones
            ]
        )

    def _note(self, packet: MediaPacket) -> None:
        """Take note of a video packet that will be decoded, in the order of the log."""
        self._whole = packet.keyframe or (self._whole and packet.unit == self._next_unit)
        self._next_unit = packet.unit + 1
        if self._last is None and packet.unit > 0:
            self.line.begins_midway()
        self._last = packet.time if self._last is None else max(self._last, packet.time)

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
                self._decoder = self._open_decoder(self.video)
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

    def _hold(self, pts: int, frame: Frame, now: float) -> list[Ready | Lost]:
        unit = self._decoding.pop(pts, None)
        if unit is None:  # a second field, or a frame that the decoder invented: it was never ingested
            return []
        packet = unit.packet
        if packet.time in self._held:
            return [Lost(packet.index, "duplicate")]
        size = sum(plane.buffer_size for plane in frame.planes)
        self._held[packet.time] = _Held(packet.index, packet.read_ms, frame, size)
        self._held_bytes += size
        thumbnail = self._thumbnail(frame)
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
                yield Ready(held.index, held.read_ms, command.time, held.frame, command.plan)
            else:
                yield Lost(held.index, command.reason)


class JobFrames(EpochFrames):
    """The frames of a job: no clock, nothing is late. Each is decoded as it comes and leaves when no verdict that is
    still to come can change its plan; nothing is lost that decodes.

    Args:
        epoch: its number.
        open_decoder: begins to decode.
        thumbnail: of a decoded frame.
    """

    def __init__(self, epoch: int, open_decoder: OpenDecoder, thumbnail: Thumbnail) -> None:
        super().__init__(epoch, DelayLine(None), open_decoder, thumbnail)

    def add_video(self, packet: MediaPacket) -> list[Ready | Lost]:
        """Take in a video packet; the first must be a keyframe with its parameters."""
        if packet.codecs:
            self._take_parameters(packet.codecs)
        if self.video is None:
            return [Lost(packet.index, "awaiting_keyframe")]
        self._note(packet)
        return self._decode(packet, 0.0)

    def finish(self, units: int) -> list[Ready | Lost]:
        """The source has ended after so many video packets, and all verdicts are here: let the rest out."""
        self.end(units)
        rest = [] if self._decoder is None else self._drain(0.0)
        return [*rest, *self._commands(self.line.end(0.0))]


class Chain:
    """Which packets have all that they build on: none is missing since a keyframe.

    In open groups, pictures shown before the keyframe build on the group before, too. And some encoders call a frame a
    keyframe that refreshes the picture bit by bit (x264's intra-refresh): only a new decoder tells when it is whole.
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
