"""JPEG in and out, by OpenCV (libjpeg-turbo). Pictures are reduced in the DCT: exact, and cheaper than shrinking."""

import cv2
import numpy as np

from mosaicast.imaging.jpeg_header import read_header
from mosaicast.imaging.types import Picture
from mosaicast.pipeline.errors import JpegError
from mosaicast.pipeline.ports import Reduction

__all__ = ["JpegError", "Reduction", "decode", "encode", "size_wh"]

_FLAGS: dict[Reduction, int] = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_LARGEST_PIXELS = 16384 * 2160
"""Refused beyond, before any memory is taken: a header of 20 bytes can ask for gigabytes."""


def size_wh(data: bytes) -> tuple[int, int]:
    """Return width and height from the header, without decoding.

    Raises:
        JpegError: no JPEG header with a sane size in it.
    """
    header = read_header(data)
    if header is None:
        raise JpegError("no frame header")
    return _checked(header.width, header.height)


def decode(data: bytes, reduction: Reduction = 1) -> Picture:
    """Return the picture as BGR [H, W, 3], its sides divided by `reduction` (rounded up).

    Raises:
        JpegError: it cannot be decoded, or is too large.
    """
    size_wh(data)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as exc:
        raise JpegError("cannot be decoded") from exc
    if picture is None:
        raise JpegError("cannot be decoded")
    return np.asarray(picture, np.uint8)


def encode(picture: Picture, quality: int) -> bytes:
    """Return BGR [H, W, 3] as JPEG.

    Raises:
        JpegError: it has no pixels, or too many for the format.
    """
    try:
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as exc:
        raise JpegError("cannot be encoded") from exc
    if not done:
        raise JpegError("cannot be encoded")
    return bytes(data)


def _checked(width: int, height: int) -> tuple[int, int]:
    if not 0 < width * height <= _LARGEST_PIXELS:
        raise JpegError(f"a picture of {width}x{height}")
    return width, height
