"""Reading a live stream from its middle on: what was said at its beginning comes from who was there.

nginx-rtmp keeps the headers of H.264 and AAC for later readers. Of other codecs (enhanced RTMP) the publisher sends
them once. Without it FFmpeg reads no packet of HEVC; an AV1 stream repeats it at each keyframe.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import av

from mosaicast.adapters.media.source_errors import SourceError
from mosaicast.contracts.messages import CodecParameters
from mosaicast.contracts.situations import video
from mosaicast.core.allowed import SAYS_ITS_HEADER_ONCE

_FOURCC = {"hevc": b"hvc1"}
"""Of enhanced RTMP 1, "Defining additional video codecs"."""
_SEQUENCE_START = 0x90
"""An extended header of a keyframe, of the packet type 0."""
_VIDEO = 9
_HEADER_BYTES = 13
"""FLV's own header, and the size of the tag before the first one."""


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


class HeaderFirst:
    """An FLV stream as those hear it who were there from its beginning, for FFmpeg to read.

    Args:
        raw: a container that gives the stream's bytes as they come (format `data`).
        header: a tag that goes before all others.
    """

    def __init__(self, raw: Any, header: bytes) -> None:
        self._raw = raw
        self._parts = self._read(header)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end; raises FFmpeg's errors."""
        if not self._rest:
            self._rest = next(self._parts, b"")
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def _read(self, header: bytes) -> Iterator[bytes]:
        begun = b""
        packets: Iterator[av.Packet] = self._raw.demux()
        for packet in packets:
            begun += bytes(packet)
            if len(begun) >= _HEADER_BYTES:
                break
        yield begun[:_HEADER_BYTES] + header
        yield begun[_HEADER_BYTES:]
        for packet in packets:
            yield bytes(packet)
