"""Packets without a picture: SEI, delimiters, parameter sets or empty units alone. They are no frames."""

from collections.abc import Callable
from typing import Any

import av

LARGEST_HELD_BYTES = 65_536
"""Of what waits for its picture; more than parameter sets and messages ever need."""

_H264_PICTURES = frozenset({1, 2, 3, 4, 5, 20, 21})
"""Slices, their partitions, and those of other views and of depth (ITU-T H.264, table 7-1)."""
_FIRST_OF_NO_PICTURE_HEVC = 32
"""Types below are slices (ITU-T H.265, table 7-1)."""
_AV1_PICTURES = frozenset({3, 6, 7})
"""Frame headers and frames (AV1 specification, 6.2.2); a tile group needs one before it."""
_START_CODE = b"\x00\x00\x01"

Spans = list[tuple[int, int]]
"""From where to where a unit reaches, its length prefix included."""


class PictureUnits:
    """Holds back what has no picture and puts it in front of the next packet: it may be what that one needs.

    H.264, HEVC and AV1; packets of other codecs pass as they are, and so does what can't be understood: the decoder
    judges it.

    Args:
        codec: FFmpeg's name of it.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._held = b""
        self._configuration: Any = None
        """Of the decoder; it came with a packet without a picture."""

    def take(self, packet: Any, extradata: bytes) -> Any | None:
        """Return a packet with all that belongs to its picture; None: it has none, and is no frame.

        Args:
            packet: PyAV's.
            extradata: the decoder's configuration; it tells how units are delimited.
        """
        data = bytes(packet)
        whole = self.joined(data, extradata)
        if packet.has_sidedata("new_extradata"):
            self._configuration = packet.get_sidedata("new_extradata")
        if whole is None:
            return None
        configuration, self._configuration = self._configuration, None
        if whole is data and (configuration is None or packet.has_sidedata("new_extradata")):
            return packet
        return _rewritten(packet, whole, configuration)

    def joined(self, data: bytes, extradata: bytes) -> bytes | None:
        """Return the data of a packet with all that belongs to it, `data` itself if nothing is to be added or left out;
        None: it has no picture."""
        kept, pictured = self._look(data, extradata)
        if pictured:
            whole, self._held = (self._held + kept if self._held else kept), b""
            return whole
        held = self._held + kept
        self._held = held if len(held) <= LARGEST_HELD_BYTES else b""
        return None

    def _look(self, data: bytes, extradata: bytes) -> tuple[bytes, bool]:
        """Return the data without empty units, and whether there is a picture in it."""
        if self._codec == "av1":
            return data, _av1_has_picture(data)
        if self._codec not in ("h264", "hevc"):
            return data, True
        prefix = _prefix_bytes(self._codec, extradata)
        if not prefix:
            return data, _after_start_codes(data, self._is_picture)
        spans = _prefixed(data, prefix)
        if spans is None:
            return data, True
        full = [(begin, end) for begin, end in spans if end - begin > prefix]
        kept = data if len(full) == len(spans) else b"".join(data[begin:end] for begin, end in full)
        return kept, any(self._is_picture(data[begin + prefix]) for begin, _ in full)

    def _is_picture(self, header: int) -> bool:
        """Whether a unit whose first byte this is belongs to a picture."""
        if self._codec == "h264":
            return header & 0x1F in _H264_PICTURES
        return header >> 1 & 0x3F < _FIRST_OF_NO_PICTURE_HEVC


def _prefix_bytes(codec: str, extradata: bytes) -> int:
    """Return how many bytes of length stand before each unit; 0: start codes do (Annex B)."""
    at = 4 if codec == "h264" else 21  # ISO/IEC 14496-15: lengthSizeMinusOne of avcC and hvcC
    if len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1


def _prefixed(data: bytes, prefix: int) -> Spans | None:
    """Return the units behind length prefixes; None: the lengths do not add up."""
    spans: Spans = []
    at = 0
    while at + prefix <= len(data):
        end = at + prefix + int.from_bytes(data[at : at + prefix], "big")
        spans.append((at, end))
        at = end
    return spans if at == len(data) else None


def _after_start_codes(data: bytes, is_picture: Callable[[int], bool]) -> bool:
    at = data.find(_START_CODE)
    if at < 0:
        return True  # not what it claims to be
    while at >= 0 and at + 3 < len(data):
        if is_picture(data[at + 3]):
            return True
        at = data.find(_START_CODE, at + 3)
    return False


def _av1_has_picture(data: bytes) -> bool:
    at = 0
    while at < len(data):
        header = data[at]
        if header >> 3 & 0xF in _AV1_PICTURES or header & 0x80:  # the highest bit must not be set: it is no AV1
            return True
        at += 2 if header & 4 else 1
        if not header & 2:  # it says no size: it reaches to the end
            return False
        size, at = _leb128(data, at)
        at += size
    return at > len(data)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and where it ends (AV1 specification, 4.10.5)."""
    value = 0
    for count in range(8):
        if at + count >= len(data):
            break
        value |= (data[at + count] & 0x7F) << 7 * count
        if not data[at + count] & 0x80:
            return value, at + count + 1
    return len(data), at


def _rewritten(packet: Any, data: bytes, configuration: Any | None) -> Any:
    """Return a packet with other data and, if there is one, a new configuration of the decoder."""
    copy = av.Packet(data)
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    if configuration is not None:
        copy.set_sidedata(configuration)
    return copy
