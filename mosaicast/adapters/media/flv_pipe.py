"""What FFmpeg's demuxer reads in place of a live source: the same FLV, with sound that it need not know.

FFmpeg learns the tracks of FLV from its first second, and what comes later does not exist for it: sound that begins
later, or goes on as another codec. So each tag of sound becomes one of a codec without any header (8-bit PCM) that
holds the whole tag; we read it ourselves (`mosaicast.core.flv_sound`). A first one stands before everything, so that
nothing waits for sound either. Pictures pass untouched.
"""

from typing import Any

import av

STAND_IN_CODEC = "pcm_u8"
"""FFmpeg's name of what each tag of sound becomes."""
_STAND_IN = b"\x30"  # PCM, 5.5 kHz, 8 bit, mono
_NOTHING = b"\x00"
_MAGIC, _HEADER_BYTES, _BOTH_TRACKS = b"FLV", 13, b"\x05"
_TAG_BYTES, _BACK_BYTES = 11, 4
_SOUND, _PICTURE, _KIND = 8, 9, 0x1F
LARGEST_SOUND_BYTES = 65536
"""A tag of sound holds some 20 ms, of PCM a tenth of a second (18 KB); what is larger is left out."""


_WIRE_OPTIONS = {
    "protocol_whitelist": "rtmp,rtmps,tcp,tls",
    "rtmp_live": "live",
    "format_whitelist": "data",
    "raw_packet_size": "32768",
}


def open_pipe(url: str, timeouts_s: tuple[float, float], lost: bytes = b"") -> "FlvPipe":
    """Connect to an RTMP address. Raises what FFmpeg raises.

    Args:
        url: where.
        timeouts_s: of connecting, and of each reading.
        lost: see `FlvPipe`.
    """
    return FlvPipe(av.open(url, mode="r", format="data", options=_WIRE_OPTIONS, timeout=timeouts_s), lost)


class FlvPipe:
    """A file for FFmpeg to read.

    Args:
        container: open, of FFmpeg's format `data`: it gives the bytes of the FLV. It is closed with the pipe.
        lost: a tag that the publisher sent before we came, which goes before all others; empty if there is none.
    """

    def __init__(self, container: Any, lost: bytes = b"") -> None:
        self._container, self._lost = container, lost
        self._chunks = container.demux(container.streams[0])
        self._raw, self._ready = bytearray(), bytearray()
        self._begun = self._stands_in = self._ended = False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, waiting for the first; none at the end. Raises what FFmpeg raises."""
        while not self._ready and not self._ended:
            self._fill()
        part = bytes(self._ready[:size])
        del self._ready[:size]
        return part

    def close(self) -> None:
        """Close the source."""
        self._ended = True
        self._container.close()

    def _fill(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._ended = True
            self._ready += self._raw
            return
        if chunk.size > 0:  # an empty one only says that it ends
            self._raw += bytes(chunk)
        if not self._begun and len(self._raw) >= _HEADER_BYTES:
            self._begin()
        while self._begun and (tag := self._next_tag()):
            self._ready += self._edited(tag)

    def _begin(self) -> None:
        """Say in the header that there are pictures and sound. What is no FLV is left to FFmpeg to refuse."""
        header = bytes(self._raw[:_HEADER_BYTES])
        del self._raw[:_HEADER_BYTES]
        self._begun = True
        self._ready += header[:4] + _BOTH_TRACKS + header[5:] if header.startswith(_MAGIC) else header

    def _next_tag(self) -> bytes:
        """Return the next whole tag with its length behind it; empty: it is not here yet."""
        if len(self._raw) < _TAG_BYTES:
            return b""
        length = _TAG_BYTES + int.from_bytes(self._raw[1:4], "big") + _BACK_BYTES
        if len(self._raw) < length:
            return b""
        tag = bytes(self._raw[:length])
        del self._raw[:length]
        return tag

    def _edited(self, tag: bytes) -> bytes:
        kind = tag[0] & _KIND
        if kind not in {_SOUND, _PICTURE}:
            return tag
        # With the time of the first tag: FFmpeg tells by it where the clock wraps.
        before = b"" if self._stands_in else _stand_in(tag, _NOTHING) + _at_the_time_of(tag, self._lost)
        self._stands_in = True
        if kind == _PICTURE:
            return before + tag
        body = tag[_TAG_BYTES:-_BACK_BYTES]
        return before + (_stand_in(tag, body) if 0 < len(body) <= LARGEST_SOUND_BYTES else b"")


def _stand_in(tag: bytes, body: bytes) -> bytes:
    """Return a tag of sound at the time of `tag`."""
    size = len(_STAND_IN) + len(body)
    head = bytes([_SOUND]) + size.to_bytes(3, "big") + tag[4:_TAG_BYTES]
    return head + _STAND_IN + body + (size + _TAG_BYTES).to_bytes(_BACK_BYTES, "big")


def _at_the_time_of(tag: bytes, other: bytes) -> bytes:
    """Return the other tag (or nothing) with the time of `tag`."""
    return other[:4] + tag[4:8] + other[8:] if other else b""
