"""Reads a live stream or a file with PyAV: encoded packets, decoded pictures, and where a new epoch begins.

FFmpeg crashes on some hostile files, so this runs in a child process; nothing here may run in a service's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any

import av
import av.logging
import cv2

from mosaicast.adapters.media.allowed import require, whitelists
from mosaicast.adapters.media.flv_pipe import STAND_IN_CODEC, FlvPipe, open_pipe
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source_errors import SourceError, open_error, read_error, refuse
from mosaicast.adapters.media.source_sound import FileSound, LiveSound, SourceSound
from mosaicast.adapters.media.times import Times
from mosaicast.adapters.media.tracks import audio_track, video_track
from mosaicast.contracts.messages import CodecParameters
from mosaicast.contracts.situations import files, video
from mosaicast.core.allowed import LONGEST_SIDE, Allowed
from mosaicast.pipeline.source import EpochStarted, PacketRead
from mosaicast.runtime.clocks import monotonic_s

__all__ = [
    "AvSource",
    "EpochStarted",
    "PacketRead",
    "SourceCounters",
    "SourceEvent",
    "SourceLimits",
    "limit_libraries",
    "open_source",
]

MOST_FAILURES_IN_A_ROW = 300
"""Packets in a row, about 10 s, without a picture: after so many we give up."""
MOST_WITHOUT_KEYFRAME = 600
"""Video packets without a keyframe, about 20 s: encoders meant for broadcasts send keyframes more often."""
MOST_UNTIMED_IN_A_ROW = 50
LONGEST_REORDER = Fraction(2)
"""Seconds from a picture's decoding to its showing. Encoders reorder over a few frames; a source that says more makes
every reader hold its decoded pictures for so long (574 of them, 206 MB, came out of 123 kB of 360p)."""


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Deadlines of one source, seconds."""

    open_s: float = 5.0
    read_s: float = 40.0
    """Longer than the edge keeps a publisher who sends nothing: a source may stand still, and another reader would only
    come to the same silence, in a new epoch."""
    probe_s: float = 1.0
    """Media time that FFmpeg may read to learn how the picture is coded. Sound is not waited for."""


SourceEvent = EpochStarted | PacketRead | Picture


@dataclass(slots=True)
class SourceCounters:
    """What was not passed on, and why."""

    decode_errors: int = 0
    packets_before_keyframe: int = 0
    packets_untimed: int = 0


@dataclass(slots=True)
class _Streak:
    """Bad packets in a row."""

    failures: int = 0
    untimed: int = 0
    without_keyframe: int = 0


def limit_libraries() -> None:
    """Make FFmpeg silent (hostile media would flood the log) and OpenCV single-threaded. For a child process."""
    av.logging.set_level(av.logging.PANIC)
    cv2.setNumThreads(1)


def open_source(
    url: str, *, live: bool, limits: SourceLimits | None = None, allowed: Allowed | None = None
) -> "AvSource":
    """Open an RTMP address (`live`) or the absolute path of a file.

    Args:
        url: where.
        live: whether it is an address.
        limits: deadlines.
        allowed: containers and codecs; None: the default list of its kind.

    Raises:
        SourceError: it can't be opened, has no usable video, or exceeds a limit.
    """
    bounds = limits or SourceLimits()
    lists = allowed or (Allowed.live() if live else Allowed.file())
    pipe: FlvPipe | None = None
    try:
        pipe = open_pipe(url, (bounds.open_s, bounds.read_s)) if live else None
        container = av.open(
            pipe or f"file:{url}",
            mode="r",
            format="flv" if live else None,
            options=_options(bounds, lists, live=live),
            timeout=(bounds.open_s, bounds.read_s),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError, MemoryError) as exc:
        if pipe is not None:
            pipe.close()
        raise open_error(exc, live=live) from exc
    try:
        return AvSource(container, lists, live=live, pipe=pipe)
    except BaseException:
        container.close()
        if pipe is not None:
            pipe.close()
        raise


def _options(limits: SourceLimits, allowed: Allowed, *, live: bool) -> dict[str, str]:
    options = {"max_pixels": str(LONGEST_SIDE * LONGEST_SIDE)} | whitelists(allowed)
    if live:
        options["codec_whitelist"] += f",{STAND_IN_CODEC}"
        return options | {"analyzeduration": str(int(limits.probe_s * 1_000_000))}
    # An edit list may tell the player to hide decoded frames. The compositor decodes bare packets and would show
    # them, so both sides must see all.
    return options | {"protocol_whitelist": "file", "advanced_editlist": "0"}


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
        self._size_wh = (0, 0)
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
        times = self._repaired(packet)
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
            yield from self._pictures_of_epoch(packet)

    def _pictures_of_epoch(self, packet: Any) -> Iterator[Picture]:
        for picture in self._decoded(packet):
            # VP9 and damaged streams change size between keyframes; wrong time stamps show pictures out of order.
            if picture.size_wh != self._size_wh or self._goes_back(picture):
                self._started = False
                return
            yield picture

    def _goes_back(self, picture: Picture) -> bool:
        """Whether a picture would be shown before one that was decoded earlier; order is by pts after decoding."""
        back = self._newest_pts is not None and picture.pts < self._newest_pts
        self._newest_pts = picture.pts
        return back

    def _on_keyframe(self, packet: Any, read: PacketRead) -> Iterator[SourceEvent]:
        # Decoded before it is passed on: only the decoder knows that a new size begins, and with it a new epoch.
        pictures = list(self._decoded(packet))
        size_wh = self._decoder_size()
        if self._started and size_wh != self._size_wh:
            yield from (picture for picture in pictures if picture.size_wh == self._size_wh)
            pictures = [picture for picture in pictures if picture.size_wh != self._size_wh]
            self._started = False
        if not self._started:
            if min(size_wh) <= 0:
                self._skip_before_keyframe()
                return
            self._size_wh, self._started, self._streak.without_keyframe = size_wh, True, 0
            self._newest_pts = None
            yield EpochStarted(self._codecs())
        yield read
        for picture in pictures:
            if self._goes_back(picture):
                self._started = False
                return
            yield picture

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
        picture = Picture(frame, self._video.stream.time_base)
        if picture.rotation % 360:
            # Decoders give the stored picture and players turn it: faces would lie sideways before the detector.
            raise refuse("rotated", video.TURNED.says())
        self._streak.failures = 0
        self._pictures += 1
        return picture

    def _count_failure(self, exc: Exception) -> None:
        self.counters.decode_errors += 1
        self._streak.failures += 1
        if self._streak.failures >= MOST_FAILURES_IN_A_ROW:
            situation = video.DAMAGED_VIDEO if self._live else files.UNDECODABLE
            raise SourceError("undecodable", situation.says(), fault="content", retry=self._live) from exc

    def _decoder_size(self) -> tuple[int, int]:
        context = self._video.stream.codec_context
        size_wh = int(context.width or 0), int(context.height or 0)
        if max(size_wh) > LONGEST_SIDE:
            width, height = size_wh
            raise refuse("too_large", video.TOO_LARGE.says(width=width, height=height, limit=LONGEST_SIDE))
        return size_wh

    def _codecs(self) -> tuple[CodecParameters, ...]:
        pictures = self._video.parameters(self._size_wh)
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
            yield from self._decoded(None)
