"""Decoding photos of strangers: in a child with limits, never in the api's own process."""

import io
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mosaicast.runtime.children import ForkServer, Limits

LARGEST_PHOTO_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = 60_000_000
"""The largest phone pictures have 50 to 200 megapixels; 60 hold every camera's default."""
LONGEST_SIDE = 1600
"""Enough for a face of 200 px in a group picture; more only costs time."""
LIMITS = Limits(address_space_bytes=1200 * 1024 * 1024, open_files=32, cpu_seconds=10)
_TIMEOUT_S = 15.0
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP")

PhotoFault = Literal["unreadable", "too_large"]


class PhotoError(Exception):
    """The file is no photo that we can use: the sender's fault; the text says why."""

    def __init__(self, fault: PhotoFault, detail: str) -> None:
        super().__init__(detail)
        self.fault, self.detail = fault, detail


@dataclass(frozen=True, slots=True)
class PhotoDecoder:
    """Decodes one photo per child."""

    fork_server: ForkServer

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return the photo as BGR uint8 [H, W, 3], turned as its EXIF says, at most `LONGEST_SIDE` long.

        Raises:
            PhotoError: it is no JPEG, PNG or WebP, broken, animated, or too large.
        """
        if len(data) > LARGEST_PHOTO_BYTES:
            raise PhotoError("too_large", f"the file has more than {LARGEST_PHOTO_BYTES // 1024**2} MB")
        child = self.fork_server.spawn(_work, name="photo", limits=LIMITS)
        try:
            child.connection.send_bytes(data)
            if not child.connection.poll(_TIMEOUT_S):
                raise PhotoError("unreadable", "it takes too long to read")
            answer = child.connection.recv()
            pixels = child.connection.recv_bytes() if isinstance(answer, tuple) and answer[0] == "ok" else b""
        except (EOFError, OSError) as exc:
            raise PhotoError("unreadable", "the file is broken") from exc
        finally:
            child.stop(grace_s=0.1)
        return _checked(answer, pixels)


def _checked(answer: Any, pixels: bytes) -> NDArray[np.uint8]:
    """Believe nothing that came from the child but what fits."""
    if answer[0] != "ok":
        raise PhotoError("too_large" if answer[0] == "too_large" else "unreadable", str(answer[1])[:200])
    height, width = int(answer[1]), int(answer[2])
    if not (0 < height <= LONGEST_SIDE and 0 < width <= LONGEST_SIDE and len(pixels) == height * width * 3):
        raise PhotoError("unreadable", "the file is broken")
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()


def _work(connection: "Connection[Any, Any]") -> None:
    try:
        picture = read(connection.recv_bytes(LARGEST_PHOTO_BYTES))
    except PhotoError as exc:
        connection.send((exc.fault, exc.detail))
        return
    connection.send(("ok", *picture.shape[:2]))
    connection.send_bytes(picture.tobytes())


def read(data: bytes) -> NDArray[np.uint8]:
    """Decode a photo in this process (the child's).

    Raises:
        PhotoError: as `PhotoDecoder.decode`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check(image)
                return _pixels(image)
        except UnidentifiedImageError as exc:
            raise PhotoError("unreadable", "this is no JPEG, PNG or WebP file") from exc
        except Image.DecompressionBombError as exc:
            raise PhotoError("too_large", "the picture has too many pixels") from exc
        except (OSError, ValueError, SyntaxError, MemoryError, EOFError, IndexError, KeyError, OverflowError) as exc:
            raise PhotoError("unreadable", "the file is broken") from exc


def _check(image: Image.Image) -> None:
    if image.width * image.height > LARGEST_PIXELS:
        raise PhotoError("too_large", f"{image.width}x{image.height} are more pixels than {LARGEST_PIXELS}")
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PhotoError("unreadable", "it is animated; send a still picture")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # JPEG: decode no more than needed
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    turned = ImageOps.exif_transpose(image).convert("RGB")
    turned.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return np.ascontiguousarray(np.asarray(turned, np.uint8)[:, :, ::-1])
