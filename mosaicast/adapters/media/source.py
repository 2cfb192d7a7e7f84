"""Reads a live stream or a file with PyAV: encoded packets, decoded pictures, and where a new epoch begins.

FFmpeg crashes on some hostile files, so this runs in a child process; nothing here may run in a service's own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any

import av
import av.logging

from mosaicast.adapters.media.allowed import require
from mosaicast.adapters.media.flv_pipe import FlvPipe
from mosaicast.adapters.media.late import header_missed, header_missing
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.shape import Shape, shape_of
from mosaicast.adapters.media.source_errors import SourceError, read_error, refuse
from mosaicast.adapters.media.source_sound import FileSound, LiveSound, SourceSound
from mosaicast.adapters.media.times import Times
from mosaicast.adapters.media.tracks import audio_track, video_track
from mosaicast.adapters.media.turning import Rotation, rotation_of
from mosaicast.adapters.media.units import PictureUnits
from mosaicast.contracts.messages import CodecParameters
from mosaicast.contracts.situations import files, video
from mosaicast.core.allowed import LONGEST_SIDE, Allowed
from mosaicast.pipeline.errors import PictureError
from mosaicast.pipeline.source import EpochStarted, PacketRead
from mosaicast.runtime.clocks import monotonic_s

__all__ = [
    "AvSource",
    "EpochStarted",
    "PacketRead",
    "SourceCounters",
    "SourceEvent",
]

MOST_FAILURES_IN_A_ROW = 300
"""Packets in a row, about 10 s, without a picture: after so many we give up."""
MOST_WITHOUT_KEYFRAME = 600
"""Video packets without a keyframe, about 20 s: encoders meant for broadcasts send keyframes more often."""
MOST_UNTIMED_IN_A_ROW = 50
LONGEST_REORDER = Fraction(2)
"""Seconds from a picture's decoding to its showing. Encoders reorder over a few frames; a source that says more makes
every reader hold its decoded pictures for so long (574 of them, 206 MB, came out of 123 kB of 360p)."""


SourceEvent = EpochStarted | PacketRead | Picture


@dataclass(slots=True)
class SourceCounters:
    """What was not passed on, and why."""

    decode_errors: int = 0
    packets_before_keyframe: int = 0
    packets_untimed: int = 0
    units_without_picture: int = 0
    """Packets that are no frame: what they hold is passed on with the next one."""


@dataclass(slots=True)
class _Streak:
    """Bad packets in a row."""

    failures: int = 0
    untimed: int = 0
    without_keyframe: int = 0


class AvSource:
    """An open source. Use as a context manager; read `events` once.

    Args:
        container: FFmpeg's, open.
        allowed: containers and codecs.
        live: whether it is FLV of a live source, read through a `FlvPipe`.
        pipe: that one; it is closed with the source.
        now_s: monotonic seconds, by which sound is put in its place.

    Raises:
        SourceError: no usable video track, or a limit exceeded.
    """

    def __init__(
        self,
        container: Any,
        allowed: Allowed,
        *,
        live: bool,
        pipe: FlvPipe | None = None,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self.counters = SourceCounters()
        self.waits = False
        """The source is asked for its next packet. Another thread may read this."""
        self._container = container
        self._pipe = pipe
        self._live = live
        self._video = video_track(container, live=live)
        self._audio = audio_track(container)
        require(self._video, allowed)
        if self._audio is not None and not live:
            require(self._audio, allowed)
        self._sound: SourceSound = LiveSound(self._audio, allowed, now_s) if live else FileSound(self._audio, allowed)
        if header_missing(self._video.stream, self._video.codec):
            raise header_missed(self._video.codec)
        self._units = PictureUnits(self._video.codec)
        self._shape = Shape()
        self._rotation: Rotation = 0
        """That of the newest picture."""
        self._started = False
        self._anew = False
        self._pictures = 0
        self._newest_pts: int | None = None
        self._streak = _Streak()

    def __enter__(self) -> "AvSource":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._container.close()
        if self._pipe is not None:
            self._pipe.close()

    @property
    def note(self) -> str:
        """A sentence for the user about the sound; empty when all is well."""
        return self._sound.note

    def begin_anew(self) -> None:
        """Begin a new epoch at the next keyframe: somebody has lost a part of this one."""
        self._anew = True

    def events(self) -> Iterator[SourceEvent]:
        """Yield what is read, until the source ends.

        Every epoch begins with `EpochStarted`, followed by its first keyframe. The pictures of a packet follow it,
        in presentation order, and carry the `pts` of the packet that they come from.

        Raises:
            SourceError: a deadline passed, the connection broke, or the content can't be used.
        """
        for packet in self._packets():
            if packet.stream_index == self._video.index:
                yield from self._on_video(packet)
            elif self._audio is not None:
                yield from self._on_audio(packet)
        yield from self._drain()
        if self._pictures == 0:
            raise refuse("undecodable", video.NO_PICTURE.says())

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux([track.stream for track in (self._video, self._audio) if track is not None])
        while True:
            self.waits = True
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, ValueError, MemoryError) as exc:
                raise read_error(exc, live=self._live) from exc
            finally:
                self.waits = False
            if packet is None:
                return
            if packet.size > 0:  # an empty one only asks a decoder to drain
                yield packet

    def _on_audio(self, packet: Any) -> Iterator[SourceEvent]:
        piece = self._sound.read(packet)
        if piece is None:
            self.counters.packets_untimed += 1
        elif piece.data and not self._started:
            self.counters.packets_before_keyframe += 1
        elif piece.data:
            yield from self._sound.take(piece)

    def _on_video(self, packet: Any) -> Iterator[SourceEvent]:
        if self._video.adopt_codec_of(packet):
            yield from self._end_epoch()
        packet = self._with_picture(packet)
        times = None if packet is None else self._repaired(packet)
        if times is None:
            return
        if self._anew or self._video.clock.jumps(times):
            self._anew = False
            yield from self._end_epoch()
        if not self._started and not packet.is_keyframe:
            self._skip_before_keyframe()
            return
        self._video.clock.accept(times)
        self._sound.on_picture(self._video.time_base.seconds(times.dts))
        packet.pts, packet.dts = times.pts, times.dts
        read = PacketRead("video", times, self._video.time_base, bool(packet.is_keyframe), bytes(packet))
        if read.keyframe:
            yield from self._on_keyframe(packet, read)
        else:
            yield read
            yield from self._while_alike(self._decoded(packet))

    def _with_picture(self, packet: Any) -> Any | None:
        """Return a packet with all that belongs to its picture; None: it has none, and is no frame."""
        whole = self._units.take(packet, self._video.extradata)
        if whole is None:
            self.counters.units_without_picture += 1
            if not self._started:
                self._wait_for_keyframe()
        return whole

    def _while_alike(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Yield pictures until one does not belong to the epoch; then wait for the next keyframe."""
        for picture in pictures:
            # VP9 and damaged streams change size between keyframes; wrong time stamps show pictures out of order.
            if not self._is_alike(picture) or self._goes_back(picture):
                self._started = False
                return
            yield picture

    def _is_alike(self, picture: Picture) -> bool:
        return (picture.size_wh, picture.rotation) == (self._shape.size_wh, self._shape.rotation)

    def _goes_back(self, picture: Picture) -> bool:
        """Whether a picture would be shown before one that was decoded earlier; order is by pts after decoding."""
        back = self._newest_pts is not None and picture.pts < self._newest_pts
        self._newest_pts = picture.pts
        return back

    def _on_keyframe(self, packet: Any, read: PacketRead) -> Iterator[SourceEvent]:
        # Decoded before it is passed on: only the decoder knows that a new shape begins, and with it a new epoch.
        pictures = list(self._decoded(packet))
        if self._started and self._decoder_shape() != self._shape:
            rest = [*pictures, *self._decoded(None)]
            yield from self._while_alike(picture for picture in rest if picture.pts < read.times.pts)
            self._started = False
            pictures = self._decoded_anew(packet)
        if not self._started:
            pictures = self._first_pictures(packet, pictures)
            shape = self._decoder_shape()
            if min(shape.size_wh) <= 0:
                self._skip_before_keyframe()
                return
            self._shape, self._started, self._streak.without_keyframe = shape, True, 0
            self._newest_pts = None
            yield EpochStarted(self._codecs())
        yield read
        yield from self._while_alike(pictures)

    def _first_pictures(self, packet: Any, pictures: list[Picture]) -> list[Picture]:
        """Return what a first keyframe gives, of all that the decoder gave with it."""
        mine = [picture for picture in pictures if picture.pts >= packet.pts]
        if mine or not self._video.stream.codec_context.has_b_frames:
            return mine
        list(self._decoded(None))  # it holds the picture back, and only that tells how it is turned
        return self._decoded_anew(packet)

    def _decoded_anew(self, packet: Any) -> list[Picture]:
        self._video.stream.codec_context.flush_buffers()
        return list(self._decoded(packet))

    def _repaired(self, packet: Any) -> Times | None:
        context = self._video.stream.codec_context
        reorders = bool(context.has_b_frames)
        times = self._video.clock.repair(packet.pts, packet.dts, packet.duration, reorders=reorders)
        if times is not None and self._video.clock.shown_late_s(times) > LONGEST_REORDER:
            raise refuse("reordered", video.REORDERED.says())
        self._streak.untimed = 0 if times else self._streak.untimed + 1
        self.counters.packets_untimed += times is None
        if self._streak.untimed >= MOST_UNTIMED_IN_A_ROW:
            raise refuse("no_times", video.NO_TIMES.says())
        return times

    def _skip_before_keyframe(self) -> None:
        self.counters.packets_before_keyframe += 1
        self._wait_for_keyframe()

    def _wait_for_keyframe(self) -> None:
        self._streak.without_keyframe += 1
        if self._streak.without_keyframe >= MOST_WITHOUT_KEYFRAME:
            situation = video.NO_KEYFRAMES if self._live else files.NO_KEYFRAMES
            raise SourceError("no_keyframe", situation.says(), fault="content", retry=self._live)

    def _decoded(self, packet: Any | None) -> Iterator[Picture]:
        """Yield the pictures that `packet` completes; None drains the decoder. A damaged packet gives none."""
        try:
            frames = self._video.stream.codec_context.decode(packet)
        except (av.FFmpegError, ValueError) as exc:
            self._count_failure(exc)
            return
        for frame in frames:
            if frame.pts is not None:
                yield self._picture(frame)

    def _picture(self, frame: Any) -> Picture:
        rotation = rotation_of(frame, self._rotation)
        try:
            if rotation is None:
                raise PictureError("no quarter of a turn")
            picture = Picture(frame, self._video.stream.time_base, rotation)
        except PictureError as exc:
            # Faces would lie sideways before the detector.
            raise refuse("rotated", video.TURNED.says()) from exc
        self._rotation = rotation
        self._streak.failures = 0
        self._pictures += 1
        return picture

    def _count_failure(self, exc: Exception) -> None:
        self.counters.decode_errors += 1
        self._streak.failures += 1
        if self._streak.failures >= MOST_FAILURES_IN_A_ROW:
            situation = video.DAMAGED_VIDEO if self._live else files.UNDECODABLE
            raise SourceError("undecodable", situation.says(), fault="content", retry=self._live) from exc

    def _decoder_shape(self) -> Shape:
        shape = shape_of(self._video.stream, self._rotation)
        if max(shape.size_wh) > LONGEST_SIDE:
            width, height = shape.size_wh
            raise refuse("too_large", video.TOO_LARGE.says(width=width, height=height, limit=LONGEST_SIDE))
        return shape

    def _codecs(self) -> tuple[CodecParameters, ...]:
        pictures = self._video.parameters(self._shape)
        return (pictures,) if self._sound.parameters is None else (pictures, self._sound.parameters)

    def _end_epoch(self) -> Iterator[Picture]:
        """Give out what the decoder still holds, and wait for the next keyframe."""
        yield from self._drain()
        self._video.stream.codec_context.flush_buffers()
        self._started = False
        for track in (self._video, self._audio):
            if track is not None:
                track.clock.reset()

    def _drain(self) -> Iterator[Picture]:
        if self._started:
            yield from self._while_alike(self._decoded(None))
