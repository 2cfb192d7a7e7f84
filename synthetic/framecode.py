"""A frame number burnt into the picture as a bar code, readable after any encoder that leaves blocks of 20 px alone.

The strip lies along the lower edge, over the full width: 32 equal cells. From the left: white, black, 16 bits of the
number (most significant first), 8 bits of its CRC, black, white, and 4 cells of flash, white while the clip beeps.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_NUMBER = 0xFFFF
_CELLS = 32
_BITS = 24
_FLASH_CELLS = 4
_HEIGHT_SHARE = 18  # the strip is 1/18 of the picture: 40 px at 720p, 20 px at 360p
_DARK_BELOW = 80  # luma; black is 16 and white 235, and x264 at crf 35 moves a cell's centre by less than 10
_BRIGHT_ABOVE = 170
_CRC_POLYNOMIAL = 0x07  # CRC-8/SMBUS


@dataclass(frozen=True, slots=True)
class Code:
    """What a strip says."""

    number: int
    flash: bool


def strip_height(frame_height: int) -> int:
    """Return the height in pixels of the strip in a frame of this height; even, for the chroma grid."""
    return max(8, frame_height // _HEIGHT_SHARE // 2 * 2)


def draw(image: NDArray[np.uint8], number: int, *, flash: bool) -> None:
    """Paint the strip into a BGR (or grey) image in place.

    Raises:
        ValueError: the number does not fit into 16 bits.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"frame number {number} is not within 0..{MAX_NUMBER}")
    top = image.shape[0] - strip_height(image.shape[0])
    for (left, right), bright in zip(_cell_edges(image.shape[1]), _cells(number, flash), strict=True):
        image[top:, left:right] = 255 if bright else 0


def read(luma: NDArray[np.uint8]) -> Code | None:
    """Read the strip of a luma plane (uint8 [H, W], any size); None unless every cell and the CRC are right."""
    height, width = luma.shape
    if width < 4 * _CELLS or height < 4 * _HEIGHT_SHARE:
        return None
    strip = strip_height(height)
    rows = luma[height - strip + strip // 4 : height - strip // 4]
    levels = np.array([_centre_mean(rows, left, right) for left, right in _cell_edges(width)])
    if np.any((levels > _DARK_BELOW) & (levels < _BRIGHT_ABOVE)):
        return None
    bright = levels > _BRIGHT_ABOVE
    number = int("".join("1" if bit else "0" for bit in bright[2:18]), 2)
    flash = bool(bright[-1])
    return Code(number, flash) if list(bright) == _cells(number, flash) else None


def luma_of_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of a BGR image in the range of broadcast video (16 to 235), as its decoder would have had it."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)[: image.shape[0]], dtype=np.uint8)


def _cells(number: int, flash: bool) -> list[bool]:
    word = number << 8 | _crc8(number)
    bits = [bool(word >> (_BITS - 1 - index) & 1) for index in range(_BITS)]
    return [True, False, *bits, False, True, *([flash] * _FLASH_CELLS)]


def _crc8(number: int) -> int:
    crc = 0
    for byte in number.to_bytes(2, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x80 else crc << 1) & 0xFF
    return crc


def _cell_edges(width: int) -> list[tuple[int, int]]:
    edges = [round(index * width / _CELLS) for index in range(_CELLS + 1)]
    return list(pairwise(edges))


def _centre_mean(rows: NDArray[np.uint8], left: int, right: int) -> float:
    quarter = (right - left) // 4
    return float(rows[:, left + quarter : right - quarter].mean())
