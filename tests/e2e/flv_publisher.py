"""Publishes FLV tags one by one: FFmpeg mends times and order of what it muxes, so this one hands it whole tags."""

import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import imageio_ffmpeg

from mosaicast.runtime.children import die_with_parent

SOUND, PICTURE, DATA = 8, 9, 18
"""Types of tags (FLV 10.1, E.4.1)."""

_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
_TAG_BYTES = 11


class Tag(NamedTuple):
    """One FLV tag."""

    kind: int
    at_ms: int
    body: bytes

    @property
    def is_media(self) -> bool:
        """Sound or picture; the first ones only say how to decode what follows."""
        return self.kind in (SOUND, PICTURE)

    @property
    def is_header(self) -> bool:
        """AAC's or H.264's sequence header, which carries no sound and no picture."""
        codec = self.body[0] >> 4 if self.kind == SOUND else self.body[0] & 0x0F
        return self.is_media and (self.kind, codec) in {(SOUND, 10), (PICTURE, 7)} and self.body[1] == 0

    def at(self, ms: int) -> "Tag":
        """Return it with another time; below zero it wraps, as 32 bits do."""
        return self._replace(at_ms=ms & 0xFFFFFFFF)

    def encoded(self) -> bytes:
        """Return it as it stands in a file, its length behind it."""
        size, when = len(self.body).to_bytes(3, "big"), self.at_ms
        head = bytes([self.kind]) + size + (when & 0xFFFFFF).to_bytes(3, "big") + bytes([when >> 24]) + bytes(3)
        return head + self.body + (len(self.body) + _TAG_BYTES).to_bytes(4, "big")


class Timed(NamedTuple):
    """A tag, and when it is sent: seconds since the publication began."""

    send_s: float
    tag: Tag


def read_tags(path: Path) -> Iterator[Tag]:
    """Yield the tags of an FLV file."""
    data, at = path.read_bytes(), len(_HEADER)
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        time_ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(data[at], time_ms, data[at + _TAG_BYTES : at + _TAG_BYTES + size])
        at += size + _TAG_BYTES + 4


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
            self._process.stdin.write(_HEADER)
            for due_s, tag in self._timed:
                if self._stop.wait(max(0.0, begin_s + due_s - time.monotonic())):
                    return
                self._process.stdin.write(tag.encoded())
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the server refused it, or the test is over
