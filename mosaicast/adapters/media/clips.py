"""Decoding videos of strangers to enroll with: in a child with limits, never in the process that asks."""

import resource
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mosaicast.adapters.media.clip_file import (
    BROKEN,
    LONGEST_CPU_S,
    LOOKED_AT_S,
    SHOWN_SIDE,
    ClipError,
    ClipFault,
    ClipSample,
    read,
)
from mosaicast.adapters.media.opening import limit_libraries
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.sandbox import Access

LARGEST_CLIP_BYTES = 100 * 1024 * 1024
"""Half a minute of a phone's 1080p has 65 MB. It lies in the memory of this process and of the child."""
LIMITS = Limits(open_files=32, cpu_seconds=round(2 * LONGEST_CPU_S))
GROWTH_BYTES = 1280 * 1024 * 1024
"""What a child may map beyond what it has at its start: the file, the pictures that a decoder of 3840x2160 with 10 bits
holds back (16 of 25 MB), the samples that wait (16 of 6 MB)."""
_SAMPLE_S = 30.0
"""To the next sample: a child that is silent for so long hangs."""
MOST_SAMPLES = LOOKED_AT_S * 40
"""Ten a second, and those at cuts."""


@dataclass(frozen=True, slots=True)
class ClipDecoder:
    """Decodes one video per child."""

    fork_server: ForkServer

    def samples(self, data: bytes) -> Iterator[ClipSample]:
        """Yield the samples of a video. The child ends with the iteration, whichever way that ends.

        Raises:
            ClipError: it is none that is read, broken, or too large.
        """
        check_size(len(data))
        child = self.fork_server.spawn(_work, name="clip", limits=LIMITS, access=Access())
        try:
            _send(child, data)
            for _ in range(MOST_SAMPLES):
                sample = _checked(_answer(child))
                if sample is None:
                    return
                yield sample
        except (EOFError, OSError) as exc:
            raise ClipError("unreadable", BROKEN) from exc
        finally:
            child.stop(grace_s=0.1)


def check_size(size_bytes: int) -> None:
    """Refuse what is longer than a short video, and what is empty.

    Raises:
        ClipError: too_large, unreadable.
    """
    if size_bytes > LARGEST_CLIP_BYTES:
        raise ClipError("too_large", f"the file has more than {LARGEST_CLIP_BYTES // 1024**2} MB; {LOOKED_AT_S} s do")
    if not size_bytes:
        raise ClipError("unreadable", "the file is empty")


def _send(child: ChildProcess, data: bytes) -> None:
    with _killing_late(child):
        child.connection.send_bytes(data)


def _answer(child: ChildProcess) -> bytes:
    """Return the child's next message. One that was taken over may begin a message and never end it."""
    with _killing_late(child):
        if not child.connection.poll(_SAMPLE_S):
            raise ClipError("unreadable", "it takes too long to read")
        return child.connection.recv_bytes(_LONGEST_ANSWER)


class _killing_late:  # noqa: N801 - used like a function
    """Kills a child that keeps us waiting in the middle of a message."""

    def __init__(self, child: ChildProcess) -> None:
        self._timer = threading.Timer(2 * _SAMPLE_S, child.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


_HEADER = np.dtype([*((name, "<u4") for name in ("kind", "height", "width", "flags")), ("time_us", "<i8")])
"""Each message of a child begins with this: plain numbers, for unpickling would run what a taken-over child sends."""
_SAMPLE, _END = 0, 1
_FAULTS: tuple[ClipFault, ...] = ("unreadable", "too_large")
"""A kind from 2 on names a fault by its place in here, and a sentence follows. After a sample come its pixels."""
_CUT, _MIXED = 1, 2
_LONGEST_ANSWER = _HEADER.itemsize + SHOWN_SIDE * SHOWN_SIDE * 3


def _checked(answer: bytes) -> ClipSample | None:
    """Believe nothing that came from the child but what fits; None: there is no more."""
    if len(answer) < _HEADER.itemsize:
        raise ClipError("unreadable", BROKEN)
    head = np.frombuffer(answer, _HEADER, 1)[0]
    kind, height, width, flags = (int(head[name]) for name in ("kind", "height", "width", "flags"))
    content = answer[_HEADER.itemsize :]
    if kind == _END:
        return None
    if 2 <= kind < 2 + len(_FAULTS):
        raise ClipError(_FAULTS[kind - 2], content[:200].decode("utf-8", "replace"))
    time = Fraction(int(head["time_us"]), 1_000_000)
    fits = 0 < height <= SHOWN_SIDE and 0 < width <= SHOWN_SIDE and 0 <= time <= LOOKED_AT_S
    if kind != _SAMPLE or not fits or len(content) != height * width * 3:
        raise ClipError("unreadable", BROKEN)
    picture = np.frombuffer(content, np.uint8).reshape(height, width, 3)
    return ClipSample(time, picture, bool(flags & _CUT), bool(flags & _MIXED))


def _work(connection: "Connection[Any, Any]") -> None:
    limit_libraries()
    _limit_growth()
    try:
        for sample in read(connection.recv_bytes(LARGEST_CLIP_BYTES)):
            flags = _CUT * sample.cut + _MIXED * sample.mixed
            head = (_SAMPLE, *sample.picture.shape[:2], flags, round(sample.time * 1_000_000))
            connection.send_bytes(np.array([head], _HEADER).tobytes() + sample.picture.tobytes())
    except ClipError as exc:
        fault = np.array([(2 + _FAULTS.index(exc.fault), 0, 0, 0, 0)], _HEADER)
        connection.send_bytes(fault.tobytes() + exc.detail.encode())
        return
    connection.send_bytes(np.array([(_END, 0, 0, 0, 0)], _HEADER).tobytes())


def _limit_growth() -> None:
    mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = mapped_pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
