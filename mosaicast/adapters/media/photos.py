"""Decoding photos of strangers: in a child with limits, never in the process that asks."""

import io
import resource
import threading
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

from mosaicast.runtime.children import ForkServer, Limits
from mosaicast.runtime.sandbox import Access

LARGEST_PHOTO_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = {"JPEG": 60_000_000, "MPO": 60_000_000, "PNG": 24_000_000, "WEBP": 12_000_000}
"""By format; MPO is a phone's JPEG with more pictures behind it. 60 megapixels hold every phone's default. A JPEG is
shrunk while it is decoded; the others are unpacked whole: a PNG to 4 bytes a pixel and 3 more for a copy, a WebP to 16
bytes."""
LONGEST_SIDE = 1600
"""Enough for a face of 200 px in a group picture; more only costs time."""
LIMITS = Limits(open_files=32, cpu_seconds=10)
GROWTH_BYTES = 250 * 1024 * 1024
"""What a child may map beyond what it has at its start, where 29 MB are resident: so it stays below 300 MB.

Relative, because what libraries map for themselves grows with the machine's cores. Measured: a PNG with alpha of 24
megapixels takes 227 MB, a WebP of 12 187 MB, a JPEG of 60 38 MB.
"""
_TIMEOUT_S = 15.0
_PLUGINS = (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile)
_FORMATS = tuple(plugin.format for plugin in _PLUGINS)
"""Pillow's plugins of these formats, which have to be imported: without them it knows some formats only later."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by EXIF's orientation (EXIF 2.3, 4.6.4 A)."""
_LYING = frozenset(
    {Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90}
)

PhotoFault = Literal["unreadable", "too_large"]


class PhotoError(Exception):
    """The file is no photo that we can use: the sender's fault; the text says why."""

    def __init__(self, fault: PhotoFault, detail: str) -> None:
        super().__init__(detail)
        self.fault, self.detail = fault, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo's pixels."""

    picture: NDArray[np.uint8]
    """BGR [H, W, 3], upright, at most `LONGEST_SIDE` long."""
    turned: bool
    """It lay on its side or head, or was mirrored, and its EXIF said so."""
    full_width: int
    """Before it was shrunk, upright."""

    @property
    def scale(self) -> float:
        """Pixels of `picture` per pixel of the file."""
        return float(self.picture.shape[1]) / self.full_width


@dataclass(frozen=True, slots=True)
class PhotoDecoder:
    """Decodes one photo per child."""

    fork_server: ForkServer

    def decode(self, data: bytes) -> Decoded:
        """Return the photo.

        Raises:
            PhotoError: it is no JPEG, PNG or WebP, broken, animated, or too large.
        """
        check_size(len(data))
        if not data:
            raise PhotoError("unreadable", "the file is empty")
        child = self.fork_server.spawn(_work, name="photo", limits=LIMITS, access=Access())
        # A child that was taken over may begin an answer and never end it. Then it is killed and its pipe closed.
        patience = threading.Timer(2 * _TIMEOUT_S, child.kill)
        try:
            patience.start()
            child.connection.send_bytes(data)
            if not child.connection.poll(_TIMEOUT_S):
                raise PhotoError("unreadable", "it takes too long to read")
            answer = child.connection.recv_bytes(_LONGEST_ANSWER)
        except (EOFError, OSError) as exc:
            raise PhotoError("unreadable", "the file is broken") from exc
        finally:
            patience.cancel()
            child.stop(grace_s=0.1)
        return _checked(answer)


def check_size(size_bytes: int) -> None:
    """Refuse what is longer than a photo.

    Raises:
        PhotoError: too_large.
    """
    if size_bytes > LARGEST_PHOTO_BYTES:
        raise PhotoError("too_large", f"the file has more than {LARGEST_PHOTO_BYTES // 1024**2} MB")


_HEADER = np.dtype([(name, "<u4") for name in ("fault", "height", "width", "turned", "full_width")])
"""What a child answers begins with this: plain numbers, because unpickling would run what a taken-over child sends."""
_FAULTS: tuple[PhotoFault, ...] = ("unreadable", "too_large")
"""The header names a fault by its place in here, from 1, and a sentence follows. 0 is no fault, and pixels follow."""
_LONGEST_ANSWER = _HEADER.itemsize + LONGEST_SIDE * LONGEST_SIDE * 3


def _checked(answer: bytes) -> Decoded:
    """Believe nothing that came from the child but what fits."""
    if len(answer) < _HEADER.itemsize:
        raise PhotoError("unreadable", "the file is broken")
    fault, height, width, turned, full_width = (int(number) for number in np.frombuffer(answer, _HEADER, 1)[0])
    content = answer[_HEADER.itemsize :]
    if 0 < fault <= len(_FAULTS):
        raise PhotoError(_FAULTS[fault - 1], content[:200].decode("utf-8", "replace"))
    fits = fault == 0 and 0 < height <= LONGEST_SIDE and 0 < width <= min(LONGEST_SIDE, full_width)
    if not fits or len(content) != height * width * 3:
        raise PhotoError("unreadable", "the file is broken")
    return Decoded(np.frombuffer(content, np.uint8).reshape(height, width, 3), bool(turned), full_width)


def _work(connection: "Connection[Any, Any]") -> None:
    _limit_growth()
    try:
        photo = read(connection.recv_bytes(LARGEST_PHOTO_BYTES))
    except PhotoError as exc:
        header = np.array([(_FAULTS.index(exc.fault) + 1, 0, 0, 0, 0)], _HEADER)
        connection.send_bytes(header.tobytes() + exc.detail.encode())
        return
    header = np.array([(0, *photo.picture.shape[:2], photo.turned, photo.full_width)], _HEADER)
    connection.send_bytes(header.tobytes() + photo.picture.tobytes())


def _limit_growth() -> None:
    mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = mapped_pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def read(data: bytes) -> Decoded:
    """Decode a photo in this process (the child's).

    Raises:
        PhotoError: as `PhotoDecoder.decode`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check(image)
                how, size = _UPRIGHT.get(_orientation(image)), image.size
                full_width = size[1] if how in _LYING else size[0]
                return Decoded(_pixels(image, how), how is not None, full_width)
        except UnidentifiedImageError as exc:
            raise PhotoError("unreadable", _what_it_is(data)) from exc
        except Image.DecompressionBombError as exc:
            raise PhotoError("too_large", "the picture has too many pixels") from exc
        except MemoryError as exc:
            raise PhotoError("too_large", "the picture takes too much memory to read") from exc
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as exc:
            raise PhotoError("unreadable", "the file is broken, or not all of it is there") from exc


def _what_it_is(data: bytes) -> str:
    """Say what was sent instead of a photo, where that helps."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "HEIC can't be read; send a JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!doctype svg")) and b"<svg" in start):
        return "an SVG is a drawing; send a photo as JPEG, PNG or WebP"
    if start.startswith(b"gif8"):
        return "GIF pictures can't be read; send a photo as JPEG, PNG or WebP"
    return "this is no JPEG, PNG or WebP file"


def _check(image: Image.Image) -> None:
    largest = LARGEST_PIXELS[image.format or "WEBP"]
    if image.width * image.height > largest:
        size = f"{image.width}x{image.height} pixels"
        raise PhotoError(
            "too_large", f"it has {size}; of a {image.format} at most {largest // 10**6} megapixels are read"
        )
    # A JPEG with several frames is a phone's MPO: the photo, and a depth map behind it.
    if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise PhotoError("unreadable", "it is animated; send a still picture")


def _pixels(image: Image.Image, how: Image.Transpose | None) -> NDArray[np.uint8]:
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # JPEG: decode no more than needed
    if image.mode.startswith("I"):  # 16 bit a sample
        shrunk = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    else:
        shrunk = image if image.mode in ("L", "RGB", "CMYK", "YCbCr") else image.convert("RGB")
    shrunk.thumbnail((LONGEST_SIDE, LONGEST_SIDE))  # before it is turned: that makes a copy
    upright = shrunk if how is None else shrunk.transpose(how)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"), np.uint8)[:, :, ::-1])


def _orientation(image: Image.Image) -> object:
    return image.getexif().get(ExifTags.Base.Orientation)
