"""A publisher whose clock goes back: FFmpeg mends the times of what it muxes, so this one hands it whole FLV tags."""

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

from mosaicast.runtime.children import die_with_parent

_HEADER_BYTES = 13
_TAG_BYTES = 11


class Tag(NamedTuple):
    """One FLV tag."""

    at_ms: int
    data: bytes
    """All of it, its length behind it included."""

    @property
    def is_media(self) -> bool:
        """Sound or picture; the first ones only say how to decode what follows."""
        return self.data[0] in (8, 9)

    def at(self, ms: int) -> bytes:
        """Return it with another time: three bytes of milliseconds and one above them."""
        return self.data[:4] + (ms & 0xFFFFFF).to_bytes(3, "big") + bytes([ms >> 24]) + self.data[8:]


def tags(path: Path) -> Iterator[Tag]:
    """Yield the tags of an FLV file."""
    data, at = path.read_bytes(), _HEADER_BYTES
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big") + _TAG_BYTES + 4
        time_ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(time_ms, data[at : at + size])
        at += size


class SteppingPublisher:
    """Publishes a clip in a loop, in real time; its clock goes back again and again.

    Args:
        clip: an FLV file.
        url: where to.
        every_s: how long the clock goes on between two steps.
        back_ms: how far it goes back, one after the other, for ever.
    """

    def __init__(self, clip: Path, url: str, *, every_s: float, back_ms: Sequence[int]) -> None:
        self._tags = list(tags(clip))
        self._every_ms, self._back_ms = round(every_s * 1000), cycle(back_ms)
        self.steps = 0
        self._stop = threading.Event()
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-probesize", "32"]
        command += ["-analyzeduration", "0", "-fflags", "nobuffer", "-f", "data", "-i", "pipe:0"]
        command += ["-map", "0", "-c", "copy", "-f", "data", url]
        self._process = subprocess.Popen(die_with_parent(command), stdin=subprocess.PIPE, start_new_session=True)
        self._thread = threading.Thread(target=self._send, name="stepping-publisher", daemon=True)

    def __enter__(self) -> "SteppingPublisher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()

    def _send(self) -> None:
        assert self._process.stdin is not None
        begin_s = time.monotonic()
        try:
            self._process.stdin.write(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
            for due_ms, raw in self._timed():
                if self._stop.wait(max(0.0, begin_s + due_ms / 1000 - time.monotonic())):
                    return
                self._process.stdin.write(raw)
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the server refused it, or the test is over

    def _timed(self) -> Iterator[tuple[int, bytes]]:
        """Yield when each tag is due, and its bytes with the time that the clock shows then."""
        length_ms = max(tag.at_ms for tag in self._tags) + 33
        next_step_ms, lag_ms, loop_ms = self._every_ms, 0, 0
        while True:
            for tag in self._tags:
                due_ms = loop_ms + tag.at_ms
                if loop_ms and not tag.at_ms and not tag.is_media:
                    continue
                if due_ms >= next_step_ms:
                    lag_ms += next(self._back_ms)
                    next_step_ms += self._every_ms
                    self.steps += 1
                yield due_ms, tag.at(max(0, due_ms - lag_ms))
            loop_ms += length_ms
