"""Publishes FLV tags one by one: FFmpeg mends times and order of what it muxes, so this one hands it whole tags."""

import subprocess
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple, Self

import imageio_ffmpeg

from mosaicast.runtime.children import die_with_parent
from tests.flv_tags import FLV_HEADER, Tag


class Timed(NamedTuple):
    """A tag, and when it is sent: seconds since the publication began."""

    send_s: float
    tag: Tag


def in_real_time(tags: Iterable[Tag], times: int = 1) -> list[Timed]:
    """Send each tag at the time that it bears, and so many times all of them, in one go."""
    once = list(tags)
    length_ms = max((tag.at_ms for tag in once), default=0) + 33
    again = [tag for tag in once if tag.is_media and not tag.is_header]
    later = [tag.at(tag.at_ms + turn * length_ms) for turn in range(1, times) for tag in again]
    return [Timed(tag.at_ms / 1000, tag) for tag in [*once, *later]]


class TagPublisher:
    """Publishes tags when each is due, then keeps the connection until it is left. A context manager.

    Args:
        timed: in the order in which they are sent; may go on for ever.
        url: where to, the stream's key included.
    """

    def __init__(self, timed: Iterable[Timed], url: str) -> None:
        self._timed = timed
        self._stop = threading.Event()
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-probesize", "32"]
        command += ["-analyzeduration", "0", "-fflags", "nobuffer", "-f", "data", "-i", "pipe:0"]
        command += ["-map", "0", "-c", "copy", "-f", "data", url]
        self._process = subprocess.Popen(die_with_parent(command), stdin=subprocess.PIPE, start_new_session=True)
        self._thread = threading.Thread(target=self._send, name="tag-publisher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()

    @property
    def pid(self) -> int:
        """Process id of who sends."""
        return self._process.pid

    def _send(self) -> None:
        assert self._process.stdin is not None
        begin_s = time.monotonic()
        try:
            self._process.stdin.write(FLV_HEADER)
            for due_s, tag in self._timed:
                if self._stop.wait(max(0.0, begin_s + due_s - time.monotonic())):
                    return
                self._process.stdin.write(tag.encoded())
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the server refused it, or the test is over
