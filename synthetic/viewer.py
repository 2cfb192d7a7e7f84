"""A viewer that checks what it sees: plays a masked stream, reads the frame numbers, asks the oracle, times the sound.

`python -m synthetic.viewer URL --clip clip.mp4 --enrolled astronaut --seconds 20 [--json]` exits with 0 if the
stream played and leaked nothing.
"""

import argparse
import json
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from synthetic.clip import SAMPLE_RATE, luma_of_frame
from synthetic.oracle import Oracle, SourceClip
from synthetic.playback import BeepFinder, PlaybackReport, Watcher

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 10.0
_QUEUE_SIZE = 120  # 4 s of frames: when the judge is that far behind, the reader waits and the server sends no more


class ViewerError(Exception):
    """The stream could not be opened, ended early or fell silent. Whether to retry is for the caller to know."""


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A decoded picture: luma uint8 [H, W], presentation time, and when it arrived (monotonic); seconds."""

    luma: NDArray[np.uint8]
    pts_s: float
    arrival_s: float
    frame: Any

    def bgr(self) -> NDArray[np.uint8]:
        """Return the picture in colour, uint8 [H, W, 3] BGR."""
        return np.asarray(self.frame.to_ndarray(format="bgr24"), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class SeenSound:
    """Decoded mono samples (float32), the presentation time of the first, and when they arrived; seconds."""

    samples: NDArray[np.float32]
    pts_s: float
    arrival_s: float


class Viewer:
    """Plays an address (RTMP, HLS or a file) in a thread of its own. A context manager: leaving it hangs up.

    Args:
        url: what to play.
        open_timeout_s, read_timeout_s: deadlines for the first answer and for every further read.
    """

    def __init__(self, url: str, *, open_timeout_s: float = OPEN_TIMEOUT_S, read_timeout_s: float = READ_TIMEOUT_S):
        self._url = url
        self._timeouts = (open_timeout_s, read_timeout_s)
        self._seen: queue.Queue[SeenFrame | SeenSound | ViewerError | None] = queue.Queue(_QUEUE_SIZE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)

    def __enter__(self) -> "Viewer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(sum(self._timeouts))

    def watch(self, seconds: float | None = None) -> Iterator[SeenFrame | SeenSound]:
        """Yield pictures and sound as they are decoded, for so long, or to the end of the stream.

        Raises:
            ViewerError: it could not be opened, or broke off, or nothing came within the deadline.
        """
        end_s = None if seconds is None else time.monotonic() + seconds
        while end_s is None or time.monotonic() < end_s:
            left_s = sum(self._timeouts) if end_s is None else max(0.0, end_s - time.monotonic())
            try:
                seen = self._seen.get(timeout=left_s)
            except queue.Empty:
                if end_s is None:
                    raise ViewerError("nothing came within the deadline") from None
                return
            if seen is None:
                return
            if isinstance(seen, ViewerError):
                raise seen
            yield seen

    def _run(self) -> None:
        try:
            with av.open(self._url, timeout=self._timeouts) as container:
                for seen in _decoded(container):
                    if not self._put(seen):
                        return
        except (av.error.FFmpegError, OSError) as exc:
            error = ViewerError(f"{type(exc).__name__}: {exc.strerror}")
            error.__cause__ = exc
            self._put(error)
        else:
            self._put(None)

    def _put(self, seen: SeenFrame | SeenSound | ViewerError | None) -> bool:
        while not self._stop.is_set():
            try:
                self._seen.put(seen, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


def _decoded(container: Any) -> Iterator[SeenFrame | SeenSound]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    streams = [*container.streams.video[:1], *container.streams.audio[:1]]
    for packet in container.demux(streams):
        for frame in packet.decode():
            arrival_s = time.monotonic()
            if isinstance(frame, av.VideoFrame):
                yield SeenFrame(luma_of_frame(frame), float(frame.time or 0.0), arrival_s, frame)
            else:
                yield from (_sound(part, arrival_s) for part in resampler.resample(frame))


def _sound(frame: Any, arrival_s: float) -> SeenSound:
    return SeenSound(frame.to_ndarray().reshape(-1).astype(np.float32), float(frame.time or 0.0), arrival_s)


def play(url: str, oracle: Oracle, seconds: float | None) -> PlaybackReport:
    """Watch an address for so long (None: to its end), and report. Never raises for what the stream does."""
    watcher, beeps = Watcher(oracle), BeepFinder()
    problem = None
    with Viewer(url) as viewer:
        try:
            for seen in viewer.watch(seconds):
                if isinstance(seen, SeenFrame):
                    watcher.see(seen.luma, seen.pts_s, seen.arrival_s)
                else:
                    beeps.hear(seen.samples, seen.pts_s)
        except ViewerError as exc:
            problem = str(exc)
    return watcher.report(beeps.onsets_s, problem)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m synthetic.viewer", description=__doc__)
    parser.add_argument("url", help="RTMP or HLS address, or a file")
    parser.add_argument("--clip", type=Path, required=True, action="append", help="what is published, in order")
    parser.add_argument("--enrolled", default=[], action="append", metavar="NAME", help="a person who may be seen")
    parser.add_argument("--seconds", type=float, help="by default to the end of the stream")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Watch, report, and return 0 if the stream played without a leak."""
    arguments = _arguments(argv)
    oracle = Oracle([SourceClip.load(path) for path in arguments.clip], arguments.enrolled)
    report = play(arguments.url, oracle, arguments.seconds)
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else report.text())
    return 0 if report.played and not report.leaks else 1


if __name__ == "__main__":
    sys.exit(main())
