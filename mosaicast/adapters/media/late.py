"""Reading a live stream from its middle on: what was said at its beginning comes from who was there.

nginx-rtmp keeps the headers of H.264 and AAC for later readers. Of other codecs (enhanced RTMP) the publisher sends
them once. Without it FFmpeg reads no packet of HEVC; an AV1 stream repeats it at each keyframe.
"""

from collections.abc import Sequence
from typing import Any

from mosaicast.adapters.media.source_errors import SourceError
from mosaicast.contracts.messages import CodecParameters
from mosaicast.contracts.situations import video
from mosaicast.core.allowed import SAYS_ITS_HEADER_ONCE

_FOURCC = {"hevc": b"hvc1"}
"""Of enhanced RTMP 1, "Defining additional video codecs"."""
_SEQUENCE_START = 0x90
"""An extended header of a keyframe, of the packet type 0."""
_VIDEO = 9


def header_missing(stream: Any, codec: str) -> bool:
    """Return whether nothing of a track can be decoded because its beginning was missed."""
    return codec in SAYS_ITS_HEADER_ONCE and not stream.codec_context.extradata


def header_missed(codec: str) -> SourceError:
    """Return the error for a stream whose header is gone. Some encoders repeat it, so asking again may help."""
    return SourceError(
        "header_missed",
        video.BEGINNING_MISSED.says(codec=codec),
        fault="content",
        retry=True,
    )


def lost_header(headers: Sequence[CodecParameters]) -> bytes:
    """Return the tag of FLV that an edge does not tell a later reader, empty if there is none to be missed.

    Args:
        headers: what an earlier reading of the same publication knew of its tracks.
    """
    known = next((one for one in headers if one.codec in SAYS_ITS_HEADER_ONCE and one.extradata), None)
    if known is None:
        return b""
    body = bytes([_SEQUENCE_START]) + _FOURCC[known.codec] + known.extradata
    tag = bytes([_VIDEO]) + len(body).to_bytes(3, "big") + bytes(7) + body
    return tag + len(tag).to_bytes(4, "big")
