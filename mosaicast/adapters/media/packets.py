"""Decoding the packets of the `media` topic."""

from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from msgspec import UnsetType

from mosaicast.adapters.media.allowed import decoder_of
from mosaicast.adapters.media.turning import Rotation, turned
from mosaicast.contracts.messages import CodecParameters, MediaPacket
from mosaicast.pipeline.errors import DecodeError

__all__ = ["DecodeError", "Decoded", "PacketDecoder"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded picture and the pts of the packet that it came from."""

    pts: int
    frame: av.VideoFrame


class PacketDecoder:
    """Decodes the video packets of one epoch, one thread, no reordering beyond what the codec asks for. Its pictures
    are upright.

    Raises:
        DecodeError: FFmpeg has no such decoder, or refuses its parameters.
    """

    def __init__(self, parameters: CodecParameters) -> None:
        try:
            context = av.CodecContext.create(decoder_of(parameters.codec), "r")
        except (av.FFmpegError, ValueError) as exc:
            raise DecodeError(f"no decoder for {parameters.codec}") from exc
        if not isinstance(context, VideoCodecContext):
            raise DecodeError(f"{parameters.codec} is not a video codec")
        context.extradata = parameters.extradata or None
        # Frame threads would hold back as many frames as there are threads.
        context.thread_type = "SLICE"
        context.thread_count = 1
        self._context = context
        self._rotation: Rotation = 0 if isinstance(parameters.rotation, UnsetType) else parameters.rotation
        self._time_base = Fraction(parameters.time_base.num, parameters.time_base.den)

    def decode(self, packet: MediaPacket) -> list[Decoded]:
        """Return the pictures that this packet completes.

        Raises:
            DecodeError: this packet can't be decoded; the next ones may be tried.
        """
        raw = av.Packet(packet.data)
        raw.pts, raw.dts, raw.time_base = packet.pts, packet.dts, self._time_base
        raw.is_keyframe = packet.keyframe
        return self._run(raw)

    def flush(self) -> list[Decoded]:
        """Return the pictures that were held back for reordering; nothing can be decoded after."""
        return self._run(None)

    def _run(self, packet: av.Packet | None) -> list[Decoded]:
        try:
            frames = self._context.decode(packet)
            return [Decoded(frame.pts, turned(frame, self._rotation)) for frame in frames if frame.pts is not None]
        except (av.FFmpegError, ValueError, MemoryError) as exc:
            raise DecodeError("the packet does not decode") from exc
