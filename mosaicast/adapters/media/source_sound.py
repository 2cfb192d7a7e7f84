"""The sound of an open source: of a file as FFmpeg demuxes it, of a live one as its tags say. Both become AAC."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mosaicast.adapters.media.sound import SoundTrack
from mosaicast.adapters.media.times import Times
from mosaicast.adapters.media.tracks import Track
from mosaicast.adapters.media.transcoder import SoundFormat
from mosaicast.contracts.messages import CodecParameters, TimeBase
from mosaicast.contracts.situations import sound
from mosaicast.core.allowed import Allowed
from mosaicast.core.flv_sound import parse_tag
from mosaicast.core.sound_clock import SoundClock
from mosaicast.pipeline.source import PacketRead


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet of sound as it came; without data it only told the format."""

    data: bytes
    times: Times


class SourceSound:
    """What live sources and files have in common.

    Args:
        track: where sound comes; None: there is none.
        allowed: codecs that may be decoded.
    """

    def __init__(self, track: Track | None, allowed: Allowed) -> None:
        self._track = track
        self._sound = SoundTrack(allowed)

    @property
    def parameters(self) -> CodecParameters | None:
        """Of what is passed on; None: nothing was, yet."""
        return self._sound.parameters

    @property
    def note(self) -> str:
        """A sentence for the user; empty when all is well."""
        return self._sound.note

    def on_picture(self, decode_time_s: Fraction) -> None:
        """Take note of a picture: sound belongs near it."""

    def read(self, packet: Any) -> Piece | None:
        """Return what a packet of FFmpeg's holds, its format noted; None: its time can't be known."""
        assert self._track is not None
        data = self._data_of(packet)
        times = self._track.clock.repair(packet.pts, packet.dts, packet.duration, reorders=False)
        return None if times is None else Piece(data, times)

    def take(self, piece: Piece) -> list[PacketRead]:
        """Return the AAC that a piece of sound gives."""
        assert self._track is not None
        self._track.clock.accept(piece.times)
        times = self._placed(piece.times, self._track.time_base)
        return [] if times is None else self._sound.take(piece.data, times, self._track.time_base)

    def _data_of(self, packet: Any) -> bytes:
        """Return the sound in a packet, its format noted; nothing where it only tells the format."""
        raise NotImplementedError

    def _placed(self, times: Times, _time_base: TimeBase) -> Times | None:
        """Return the times by the picture's clock; None: they can't be told yet."""
        return times


class FileSound(SourceSound):
    """Sound of a file: its times are true, and its format is known from the start."""

    def __init__(self, track: Track | None, allowed: Allowed) -> None:
        super().__init__(track, allowed)
        if track is not None:
            self._sound.begin(_format_of(track), track.time_base)

    def _data_of(self, packet: Any) -> bytes:
        if self._track is not None and self._track.adopt_codec_of(packet):
            self._sound.adopt(_format_of(self._track))
        return bytes(packet)


class LiveSound(SourceSound):
    """Sound of a live source: each packet holds the tag that came (see `flv_pipe`), and its clock may be another one.

    Args:
        now_s: monotonic seconds.
    """

    def __init__(self, track: Track | None, allowed: Allowed, now_s: Callable[[], float]) -> None:
        super().__init__(track, allowed)
        self._clock, self._now_s = SoundClock(), now_s

    @property
    def note(self) -> str:
        """A sentence for the user; empty when all is well."""
        ahead_s = self._clock.ahead_s
        if self._sound.note or abs(ahead_s) < 1:
            return self._sound.note
        side = "ahead of" if ahead_s > 0 else "behind"
        return sound.OTHER_CLOCK.says(seconds=round(abs(ahead_s)), side=side)

    def on_picture(self, decode_time_s: Fraction) -> None:
        """Take note of a picture: sound belongs near it."""
        self._clock.on_picture(decode_time_s, self._now_s())

    def _data_of(self, packet: Any) -> bytes:
        tag = parse_tag(bytes(packet))
        if tag is None:
            return b""
        self._sound.adopt_tag(tag)
        return tag.data

    def _placed(self, times: Times, time_base: TimeBase) -> Times | None:
        time_s = time_base.seconds(times.pts)
        placed_s = self._clock.place(time_s, self._now_s())
        if placed_s is None:
            return None
        shift = round((placed_s - time_s) * time_base.den / time_base.num)
        return Times(times.pts + shift, times.dts + shift, times.duration)


def _format_of(track: Track) -> SoundFormat:
    context = track.stream.codec_context
    rate, channels = max(0, context.sample_rate or 0), max(0, context.channels or 0)
    return SoundFormat(track.codec, track.codec, track.extradata, rate, channels)
