"""Reading one photo in this process, which is a child with limits: its format, its pixels, upright, all or a part."""

import io
import math
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from mosaicast.adapters.media.photo_names import BROKEN, RAW, instead, what_it_is
from mosaicast.core.types import Box

LONGEST_SIDE = 1600
"""Enough to find every face that is good to enroll with, and for what is kept of one; more only costs time."""
LARGEST_PIXELS = {
    "JPEG": 60_000_000, "MPO": 60_000_000, "PNG": 24_000_000, "BMP": 24_000_000, "TIFF": 24_000_000,
    "HEIF": 26_000_000, "AVIF": 16_000_000, "WEBP": 12_000_000,
}  # fmt: skip
"""By format; MPO is a phone's JPEG with more pictures behind it. 60 megapixels hold every phone's default. A JPEG is
shrunk while it is decoded; the others are unpacked whole: a PNG to 4 bytes a pixel and 4 more for a copy, a WebP to 16
bytes, a HEIC to 7, an AVIF to 10."""
WHOLE_JPEG_PIXELS = 50_000_000
"""A JPEG of more is unpacked at half its size at most: 4 bytes a pixel, and a child may take 250 MB."""

PhotoFault = Literal["unreadable", "too_large"]
Pixels = NDArray[np.uint8]

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread takes memory, and a machine may have many cores
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    AvifImagePlugin.AvifImageFile,
    TiffImagePlugin.TiffImageFile,
    BmpImagePlugin.BmpImageFile,
)
_FORMATS = (*(plugin.format for plugin in _PLUGINS), "HEIF")
"""Pillow's plugins of these formats, which have to be imported: without them it knows some formats only later."""
_SHADES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_SEEN_THROUGH = ("LA", "PA", "RGBA", "RGBa")
_DNG_VERSION = 50706
"""A tag of DNG, Adobe's raw format, which is a TIFF with a small picture in front (DNG 1.7, chapter 4)."""
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
_ROUNDING = 1e-6
"""Pixels: shares of a picture, times its width, are this near to the whole pixels that they came from."""
_Place = tuple[float, float]
_Cut = tuple[int, int, int, int]
_BACK: dict[Image.Transpose | None, Callable[[float, float], _Place]] = {
    None: lambda x, y: (x, y),
    Image.Transpose.FLIP_LEFT_RIGHT: lambda x, y: (1 - x, y),
    Image.Transpose.ROTATE_180: lambda x, y: (1 - x, 1 - y),
    Image.Transpose.FLIP_TOP_BOTTOM: lambda x, y: (x, 1 - y),
    Image.Transpose.TRANSPOSE: lambda x, y: (y, x),
    Image.Transpose.ROTATE_270: lambda x, y: (y, 1 - x),
    Image.Transpose.TRANSVERSE: lambda x, y: (1 - y, 1 - x),
    Image.Transpose.ROTATE_90: lambda x, y: (1 - y, x),
}
"""Where a place of the upright picture lies in the stored one; both as shares of width and height."""
_LYING = frozenset(
    {Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90}
)


class PhotoError(Exception):
    """The file is no photo that we can use: the sender's fault; the text says why."""

    def __init__(self, fault: PhotoFault, detail: str) -> None:
        super().__init__(detail)
        self.fault, self.detail = fault, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a photo, or of a part of it."""

    picture: Pixels
    """BGR [H, W, 3], upright, at most `LONGEST_SIDE` long."""
    turned: bool
    """It lay on its side or head, or was mirrored, and its EXIF said so."""
    part: Box
    """What of the file it shows, in pixels of the upright file."""

    @property
    def scale(self) -> float:
        """Pixels of `picture` per pixel of the file, at most 1."""
        return float(self.picture.shape[1]) / self.part.width


def read(data: bytes, part: Box | None = None) -> Decoded:
    """Decode a photo in this process (the child's).

    Args:
        data: the file.
        part: show this part only, as large as the file has it, but not over `LONGEST_SIDE`; in pixels of the upright
            file. What lies outside the picture is not shown.

    Raises:
        PhotoError: it is none of the formats that we read, broken, animated, or too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check(image)
                return _decoded(image, part)
        except UnidentifiedImageError as exc:
            raise PhotoError("unreadable", what_it_is(data)) from exc
        except Image.DecompressionBombError as exc:
            raise PhotoError("too_large", "the picture has too many pixels") from exc
        except MemoryError as exc:
            raise PhotoError("too_large", "the picture takes too much memory to read") from exc
        except (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, RuntimeError,
                struct.error) as exc:  # fmt: skip
            raise PhotoError("unreadable", BROKEN) from exc


def _check(image: Image.Image) -> None:
    largest = LARGEST_PIXELS[image.format or "WEBP"]
    if image.width * image.height > largest:
        size = f"{image.width}x{image.height} pixels"
        raise PhotoError(
            "too_large", f"it has {size}; of a {image.format} at most {largest // 10**6} megapixels are read"
        )
    # A JPEG with several frames is a phone's MPO: the photo, and a depth map behind it. A HEIC has a first photo, and a
    # TIFF a first page.
    if image.format in ("PNG", "WEBP", "AVIF") and getattr(image, "n_frames", 1) > 1:
        raise PhotoError("unreadable", "it is animated; send a still picture")
    if isinstance(image, TiffImagePlugin.TiffImageFile) and _DNG_VERSION in image.tag_v2:
        raise PhotoError("unreadable", instead(RAW))
    if not (image.mode.startswith("I;16") or image.mode in _SHADES + _SEEN_THROUGH):
        raise PhotoError("unreadable", instead(f"its colours ({image.mode}) can't be read"))


def _decoded(image: Image.Image, part: Box | None) -> Decoded:
    how = _UPRIGHT.get(_orientation(image))
    # Pillow turns a TIFF itself, its size included.
    to_turn = None if image.format == "TIFF" else how
    file_wh = image.size[::-1] if to_turn in _LYING else image.size
    wanted = _clipped(part, file_wh)
    _draft(image, LONGEST_SIDE / max(wanted.width, wanted.height))
    image.load()
    cut = _outwards(_stored(wanted, file_wh, to_turn), image.size)
    shown = _shown(cut, image.size, file_wh, to_turn)
    small = _small(image if part is None else image.crop(cut))
    upright = small if to_turn is None else small.transpose(to_turn)
    picture = np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])
    return Decoded(picture, how is not None, shown)


def _clipped(part: Box | None, file_wh: tuple[int, int]) -> Box:
    whole = Box(0, 0, *file_wh)
    if part is None:
        return whole
    inside = Box(max(part.x1, 0), max(part.y1, 0), min(part.x2, whole.x2), min(part.y2, whole.y2))
    if not (inside.width > 0 and inside.height > 0):
        raise PhotoError("unreadable", "the file is broken")
    return inside


def _draft(image: Image.Image, scale: float) -> None:
    """Have a JPEG shrunk while it is decoded: no smaller than needed, and no larger than fits into memory."""
    width, height = image.size
    if width * height > WHOLE_JPEG_PIXELS:
        scale = min(scale, 0.5)
    if scale < 1:
        image.draft("RGB", (max(1, int(width * scale)), max(1, int(height * scale))))


def _stored(part: Box, file_wh: tuple[int, int], to_turn: Image.Transpose | None) -> Box:
    """Return where a part of the upright file lies in the stored picture, as shares of its width and height."""
    x1, y1 = _BACK[to_turn](part.x1 / file_wh[0], part.y1 / file_wh[1])
    x2, y2 = _BACK[to_turn](part.x2 / file_wh[0], part.y2 / file_wh[1])
    return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _outwards(shares: Box, size_wh: tuple[int, int]) -> _Cut:
    """Return whole pixels around a box that is given as shares of a picture."""
    width, height = size_wh
    left, top = (math.floor(edge + _ROUNDING) for edge in (shares.x1 * width, shares.y1 * height))
    right, bottom = (math.ceil(edge - _ROUNDING) for edge in (shares.x2 * width, shares.y2 * height))
    return left, top, max(left + 1, min(width, right)), max(top + 1, min(height, bottom))


def _shown(cut: _Cut, decoded_wh: tuple[int, int], file_wh: tuple[int, int], to_turn: Image.Transpose | None) -> Box:
    """Return what was cut out of the decoded picture in pixels of the upright file."""
    forth = _BACK[_INVERSE.get(to_turn, to_turn)]
    width, height = decoded_wh
    x1, y1 = forth(cut[0] / width, cut[1] / height)
    x2, y2 = forth(cut[2] / width, cut[3] / height)
    across, down = file_wh
    edges = (min(x1, x2) * across, min(y1, y2) * down, max(x1, x2) * across, max(y1, y2) * down)
    return Box(*(round(edge, 3) for edge in edges))


_INVERSE: dict[Image.Transpose | None, Image.Transpose] = {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}
"""The others are their own."""


def _small(image: Image.Image) -> Image.Image:
    """Return RGB of at most `LONGEST_SIDE`: shrunk first, for each further step makes a copy."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("PA", "LA"):
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if image.mode in ("RGBA", "RGBa"):
        # What is seen through has any colour in the file, often black: on white, as it is looked at.
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return image.convert("RGB")


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, OverflowError, struct.error):
        return None  # broken EXIF is no reason to refuse the picture
