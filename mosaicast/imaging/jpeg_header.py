"""What a JPEG says of itself before anything of it is decoded, and the size in which frames are analysed. Pure."""

import struct
from dataclasses import dataclass
from fractions import Fraction

LARGEST_ANALYSED_WH = (1280, 2560)
"""Faces are found at 640 pixels across; 1280 leaves enough of each for recognition. The height bounds memory only."""
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE = 0xC0


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A frame header."""

    width: int
    height: int
    baseline: bool
    """Huffman, sequential, 8 bits, one or three colours: what our encoder makes. The rest is little used code."""


def read_header(data: bytes) -> JpegHeader | None:
    """Return the first frame header, or None when there is none: this is no JPEG (ITU-T T.81, B.2.2)."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_MARKERS:
            bits, height, width, colours = struct.unpack_from(">BHHB", data, at + 4)
            return JpegHeader(width, height, marker == _BASELINE and bits == 8 and colours in (1, 3))
        at += 2 + max(2, length) if marker != 0xFF else 1
    return None


def shown_wh(size_wh: tuple[int, int], pixel_wh: tuple[int, int] = (1, 1)) -> tuple[Fraction, Fraction]:
    """Return the size in which players show a picture whose pixels are not square: one side is stretched.

    Args:
        size_wh: of the picture, in its own pixels.
        pixel_wh: width to height of one.
    """
    ratio = Fraction(*pixel_wh)
    return size_wh[0] * max(Fraction(1), ratio), size_wh[1] * max(Fraction(1), 1 / ratio)


def fitted(size_wh: tuple[int, int], pixel_wh: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """Return the largest size in which a picture has the shape that viewers see, not larger than it is or than
    `LARGEST_ANALYSED_WH`: of 28 faces, pressed together as they are stored, the detector missed 3 at 1:2 and 6 at 8:3.

    Args:
        size_wh: of the picture, in its own pixels.
        pixel_wh: width to height of one.
    """
    width, height = shown_wh(size_wh, pixel_wh)
    scale = min(Fraction(1), LARGEST_ANALYSED_WH[0] / width, LARGEST_ANALYSED_WH[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
