"""Decoding photos of strangers: in a child with limits, never in the process that asks."""

import resource
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mosaicast.adapters.media.photo_file import LONGEST_SIDE, Decoded, PhotoError, PhotoFault, read
from mosaicast.core.types import Box
from mosaicast.runtime.children import ForkServer, Limits
from mosaicast.runtime.sandbox import Access

LARGEST_PHOTO_BYTES = 20 * 1024 * 1024
LIMITS = Limits(open_files=32, cpu_seconds=10)
GROWTH_BYTES = 250 * 1024 * 1024
"""What a child may map beyond what it has at its start, where 29 MB are resident: so it stays below 300 MB.

Relative, because what libraries map for themselves grows with the machine's cores. Measured: a PNG with alpha of 24
megapixels takes 227 MB, a WebP of 12 187 MB, a JPEG of 60 38 MB.
"""
_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class PhotoDecoder:
    """Decodes one photo per child."""

    fork_server: ForkServer

    def decode(self, data: bytes, part: Box | None = None) -> Decoded:
        """Return the photo, or a part of it at full size.

        Args:
            data: the file.
            part: see `photo_file.read`.

        Raises:
            PhotoError: it is none of the formats that we read, broken, animated, or too large.
        """
        check_size(len(data))
        if not data:
            raise PhotoError("unreadable", "the file is empty")
        child = self.fork_server.spawn(_work, name="photo", limits=LIMITS, access=Access())
        # A child that was taken over may begin an answer and never end it. Then it is killed and its pipe closed.
        patience = threading.Timer(2 * _TIMEOUT_S, child.kill)
        try:
            patience.start()
            child.connection.send_bytes(np.array(part or _WHOLE, np.float64).tobytes())
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


_WHOLE = (0.0, 0.0, 0.0, 0.0)
"""Sent in place of a part: all of the photo."""
_HEADER = np.dtype([(name, "<u4") for name in ("fault", "height", "width", "turned")] + [("part", "<f8", 4)])
"""What a child answers begins with this: plain numbers, because unpickling would run what a taken-over child sends."""
_FAULTS: tuple[PhotoFault, ...] = ("unreadable", "too_large")
"""The header names a fault by its place in here, from 1, and a sentence follows. 0 is no fault, and pixels follow."""
_LONGEST_ANSWER = _HEADER.itemsize + LONGEST_SIDE * LONGEST_SIDE * 3
_LARGEST_PLACE = 1e6
"""Pixels; no photo is that wide."""


def _checked(answer: bytes) -> Decoded:
    """Believe nothing that came from the child but what fits."""
    if len(answer) < _HEADER.itemsize:
        raise PhotoError("unreadable", "the file is broken")
    head = np.frombuffer(answer, _HEADER, 1)[0]
    fault, height, width, turned = (int(head[name]) for name in ("fault", "height", "width", "turned"))
    content = answer[_HEADER.itemsize :]
    if 0 < fault <= len(_FAULTS):
        raise PhotoError(_FAULTS[fault - 1], content[:200].decode("utf-8", "replace"))
    part = Box(*(float(edge) for edge in head["part"]))
    fits = all(0 <= edge < _LARGEST_PLACE for edge in part) and part.height > 0  # false for NaN too
    fits = fits and 0 < height <= LONGEST_SIDE and 0 < width <= min(LONGEST_SIDE, round(part.width))
    if fault or not fits or len(content) != height * width * 3:
        raise PhotoError("unreadable", "the file is broken")
    return Decoded(np.frombuffer(content, np.uint8).reshape(height, width, 3), bool(turned), part)


def _work(connection: "Connection[Any, Any]") -> None:
    _limit_growth()
    try:
        part = Box(*np.frombuffer(connection.recv_bytes(32), np.float64).tolist())
        photo = read(connection.recv_bytes(LARGEST_PHOTO_BYTES), None if part == _WHOLE else part)
    except PhotoError as exc:
        header = np.array([(_FAULTS.index(exc.fault) + 1, 0, 0, 0, _WHOLE)], _HEADER)
        connection.send_bytes(header.tobytes() + exc.detail.encode())
        return
    header = np.array([(0, *photo.picture.shape[:2], photo.turned, photo.part)], _HEADER)
    connection.send_bytes(header.tobytes() + photo.picture.tobytes())


def _limit_growth() -> None:
    mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = mapped_pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
