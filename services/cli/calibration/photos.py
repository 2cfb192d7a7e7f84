"""Reading pictures of strangers: in a child with limits, never in the command's own process."""

import io
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

from mosaicast.runtime.children import ForkServer, Limits

LARGEST_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = 60_000_000
"""Every phone's default; unpacked, that is 180 MB."""
LONGEST_SIDE = 1600
"""What the api shrinks photos to: a face is judged at the size at which it would be enrolled."""
LIMITS = Limits(address_space_bytes=1200 * 1024 * 1024, open_files=32, cpu_seconds=10)
_TIMEOUT_S = 15.0
_PLUGINS = (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile)
_FORMATS = tuple(plugin.format for plugin in _PLUGINS)
"""Named by their plugins, so that they are imported: Pillow fails on the name of one that is not."""


class PhotoError(Exception):
    """The file is no picture that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded picture."""

    picture: NDArray[np.uint8]
    """BGR [H, W, 3], upright, at most `LONGEST_SIDE` long."""
    scale: float
    """Pixels of `picture` per pixel of the file, turned upright."""


@dataclass(frozen=True, slots=True)
class PhotoReader:
    """Decodes each picture in a child of its own."""

    fork_server: ForkServer

    def read(self, path: Path) -> Photo:
        """Return the picture in a file.

        Raises:
            PhotoError: it is no JPEG, PNG or WebP, broken, animated, too large, or cannot be read.
        """
        data = _content(path)
        child = self.fork_server.spawn(_work, name="photo", limits=LIMITS)
        try:
            child.connection.send_bytes(data)
            if not child.connection.poll(_TIMEOUT_S):
                raise PhotoError("it takes too long to read")
            answer = child.connection.recv_bytes()
        except (EOFError, OSError) as exc:
            raise PhotoError("the file is broken") from exc
        finally:
            child.stop(grace_s=0.1)
        return _checked(answer)


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or device would be read for ever
            raise PhotoError("it is not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as exc:
        raise PhotoError(f"it can't be read: {exc.strerror}") from exc
    if not data:
        raise PhotoError("the file is empty")
    if len(data) > LARGEST_BYTES:
        raise PhotoError(f"the file has more than {LARGEST_BYTES // 1024**2} MB")
    return data


_HEADER = np.dtype([("fault", "<u4"), ("height", "<u4"), ("width", "<u4"), ("full_width", "<u4")])
"""What a child answers begins with this: plain numbers, because unpickling would run what a taken-over child sends."""


def _checked(answer: bytes) -> Photo:
    """Believe nothing that came from the child but what fits."""
    if len(answer) < _HEADER.itemsize:
        raise PhotoError("the file is broken")
    fault, height, width, full_width = (int(number) for number in np.frombuffer(answer, _HEADER, 1)[0])
    content = answer[_HEADER.itemsize :]
    if fault:
        raise PhotoError(content[:200].decode("utf-8", "replace"))
    if not (0 < height <= LONGEST_SIDE and 0 < width <= min(LONGEST_SIDE, full_width)):
        raise PhotoError("the file is broken")
    if len(content) != height * width * 3:
        raise PhotoError("the file is broken")
    return Photo(np.frombuffer(content, np.uint8).reshape(height, width, 3), width / full_width)


def _work(connection: "Connection[Any, Any]") -> None:
    try:
        picture, full_width = decode(connection.recv_bytes(LARGEST_BYTES))
    except PhotoError as exc:
        connection.send_bytes(np.array([(1, 0, 0, 0)], _HEADER).tobytes() + str(exc).encode())
        return
    header = np.array([(0, *picture.shape[:2], full_width)], _HEADER)
    connection.send_bytes(header.tobytes() + picture.tobytes())


def decode(data: bytes) -> tuple[NDArray[np.uint8], int]:
    """Return a picture as BGR, upright, at most `LONGEST_SIDE` long, and its width before it was shrunk.

    Raises:
        PhotoError: as `PhotoReader.read`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check(image)
                return _pixels(image)
        except UnidentifiedImageError as exc:
            raise PhotoError("this is no JPEG, PNG or WebP file") from exc
        except (Image.DecompressionBombError, MemoryError) as exc:
            raise PhotoError("the picture is too large") from exc
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as exc:
            raise PhotoError("the file is broken") from exc


def _check(image: Image.Image) -> None:
    if image.width * image.height > LARGEST_PIXELS:
        raise PhotoError(f"{image.width}x{image.height} are more pixels than {LARGEST_PIXELS}")
    if image.format in {"PNG", "WEBP"} and getattr(image, "n_frames", 1) > 1:
        raise PhotoError("it is animated")


def _pixels(image: Image.Image) -> tuple[NDArray[np.uint8], int]:
    full_width, full_height = image.size
    lying = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}  # EXIF 2.3, orientation: turned by a quarter
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # JPEG: decode no more than needed
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    pixels = np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])
    return pixels, full_height if lying else full_width
