"""Decoding videos of strangers to enroll with: in a child with limits, never in the process that asks."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mosaicast.adapters.media.clip import (
    BROKEN,
    CUT,
    END,
    FAULTS,
    HEADER,
    LARGEST_CLIP_BYTES,
    LONGEST_CPU_S,
    LOOKED_AT_S,
    MIXED,
    SAMPLE,
    SHOWN_SIDE,
    ClipError,
    ClipSample,
)
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.sandbox import Access

LIMITS = Limits(open_files=32, cpu_seconds=round(2 * LONGEST_CPU_S))
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


_LONGEST_ANSWER = HEADER.itemsize + SHOWN_SIDE * SHOWN_SIDE * 3


def _checked(answer: bytes) -> ClipSample | None:
    """Believe nothing that came from the child but what fits; None: there is no more."""
    if len(answer) < HEADER.itemsize:
        raise ClipError("unreadable", BROKEN)
    head = np.frombuffer(answer, HEADER, 1)[0]
    kind, height, width, flags = (int(head[name]) for name in ("kind", "height", "width", "flags"))
    content = answer[HEADER.itemsize :]
    if kind == END:
        return None
    if 2 <= kind < 2 + len(FAULTS):
        raise ClipError(FAULTS[kind - 2], content[:200].decode("utf-8", "replace"))
    time = Fraction(int(head["time_us"]), 1_000_000)
    fits = 0 < height <= SHOWN_SIDE and 0 < width <= SHOWN_SIDE and 0 <= time <= LOOKED_AT_S
    if kind != SAMPLE or not fits or len(content) != height * width * 3:
        raise ClipError("unreadable", BROKEN)
    picture = np.frombuffer(content, np.uint8).reshape(height, width, 3)
    return ClipSample(time, picture, bool(flags & CUT), bool(flags & MIXED))


def _work(connection: "Connection[Any, Any]") -> None:
    # FFmpeg is loaded where it decodes, and nowhere else: the fork server has it.
    from mosaicast.adapters.media.clip_child import work

    work(connection)
