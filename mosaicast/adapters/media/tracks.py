"""Which tracks of a container are used, and what a decoder needs to know about them."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from msgspec import UNSET

from mosaicast.adapters.media.shape import Shape
from mosaicast.adapters.media.source_errors import SourceError, refuse
from mosaicast.adapters.media.times import TrackClock
from mosaicast.contracts.messages import CodecParameters, TimeBase
from mosaicast.contracts.situations import files, video

LARGEST_EXTRADATA_BYTES = 65536
"""As the contract allows; H.264 needs 50, HEVC 2,500."""
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC: the cover of an album is no video


@dataclass(slots=True)
class Track:
    """One chosen track of an open container."""

    stream: Any  # PyAV's stream, untyped here
    kind: Literal["video", "audio"]
    clock: TrackClock
    time_base: TimeBase
    extradata: bytes
    """That of the newest packet; FFmpeg's context keeps the one from the opening."""

    @property
    def index(self) -> int:
        """Number of the stream in its container."""
        return int(self.stream.index)

    @property
    def codec(self) -> str:
        """Name of the codec, not of one of FFmpeg's decoders for it: `mp3`, not `mp3float`."""
        return str(self.stream.codec_context.codec.canonical_name)

    def adopt_codec_of(self, packet: Any) -> bool:
        """Take over the decoder configuration that comes with `packet`; return whether it is another one."""
        if not packet.has_sidedata("new_extradata"):
            return False
        extradata = bytes(packet.get_sidedata("new_extradata"))
        changed, self.extradata = extradata != self.extradata, extradata
        _check_extradata(extradata)
        return changed

    def parameters(self, shape: Shape | None = None) -> CodecParameters:
        """Return the wire form; `shape` is that of the decoded pictures of a video track."""
        context = self.stream.codec_context
        if self.kind == "audio":
            return CodecParameters(
                track="audio", codec=self.codec, time_base=self.time_base, extradata=self.extradata,
                sample_rate=max(0, context.sample_rate or 0), channels=max(0, context.channels or 0),
            )  # fmt: skip
        shape = shape or Shape()
        return CodecParameters(
            track="video", codec=self.codec, time_base=self.time_base, extradata=self.extradata,
            width=shape.size_wh[0], height=shape.size_wh[1],
            frame_rate=_rate(self.stream.average_rate),
            sample_aspect=shape.sample_aspect or UNSET, rotation=shape.rotation or UNSET,
        )  # fmt: skip


def video_track(container: Any, *, live: bool) -> Track:
    """Return the video track of an open container, its decoder limited to one thread.

    Raises:
        SourceError: there is none, its codec is unknown, or its clock is absurd.
    """
    streams = [stream for stream in container.streams.video if not int(stream.disposition) & _ATTACHED_PICTURE]
    best = container.streams.best("video")
    stream = best if best in streams else next(iter(streams), None)
    if stream is None:
        # A live publisher may switch its camera on later.
        situation = video.NO_VIDEO if live else files.NO_VIDEO
        raise SourceError("no_video", situation.says(), fault="content", retry=live)
    if stream.codec_context is None:
        raise refuse("unsupported_codec", video.UNKNOWN_CODEC.says())
    stream.codec_context.thread_count = 1  # more threads hold frames back, and streams share the cores anyhow
    return _track(stream, "video")


def audio_track(container: Any) -> Track | None:
    """Return the audio track of an open container, None without a usable one."""
    stream = container.streams.best("audio")
    if stream is None or stream.codec_context is None:
        return None
    return _track(stream, "audio")


def _track(stream: Any, kind: Literal["video", "audio"]) -> Track:
    ticks: Fraction = stream.time_base or Fraction(0)
    if not (0 < ticks.numerator <= 1_000_000 and ticks.denominator <= 1_000_000_000):
        raise refuse("absurd_clock", video.ABSURD_CLOCK.says())
    extradata = bytes(stream.codec_context.extradata or b"")
    _check_extradata(extradata)
    return Track(stream, kind, TrackClock(ticks), TimeBase(ticks.numerator, ticks.denominator), extradata)


def _check_extradata(extradata: bytes) -> None:
    if len(extradata) > LARGEST_EXTRADATA_BYTES:
        raise refuse("absurd_codec_data", video.ABSURD_CODEC_DATA.says())


def _rate(rate: Fraction | None) -> float:
    value = float(rate) if rate else 0.0
    return value if math.isfinite(value) and 0.0 <= value <= 1000.0 else 0.0
