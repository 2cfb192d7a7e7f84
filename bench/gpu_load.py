"""One detector service under a load of streams: a child of `bench.gpu`, which tells it on standard input what to do.

A line `STREAMS SECONDS` builds the service, which answers `ready` when its networks are loaded; the next line starts
the streams. Each brings a picture ten times a second, as a 1080p30 source does. The answer is one line of JSON.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from skimage import data

from mosaicast.adapters.detectors import Detector, make_detector
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.models.torch_device import Device
from mosaicast.contracts.messages import Detections, SampledFrame, TimeBase
from mosaicast.imaging.types import Picture
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from services.detector.analysis import threads
from services.detector.service import DetectorService, Shape

LOOKS_PER_S = 10
WARM_S = 1.5
"""Looks of the first seconds don't count: libraries choose their kernels then."""
SOURCE_WH = (1920, 1080)
SAMPLE_WH = (1280, 720)
"""What ingest sends of such a source."""
FACES_PX = (70, 90, 110, 130, 150, 170)
"""Heights of the six faces in a sample."""


def main() -> None:
    """Answer until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--jpeg-threads", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="number of its first stream: children have their own")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = [jpeg.encode(picture, 85) for picture in samples()]
    device: Device = arguments.device
    with threads(arguments.jpeg_threads) as over:
        shape = Shape("bench", arguments.workers, arguments.batch, over)
        detectors = [make_detector("centerface", device=device, over=over) for _ in range(arguments.workers)]
        for line in sys.stdin:
            streams, seconds = line.split()
            names = [f"stream{arguments.first + number}" for number in range(int(streams))]
            print(json.dumps(loaded(shape, detectors, Feed(names, float(seconds), pictures))), flush=True)


def loaded(shape: Shape, detectors: Sequence[Detector], feed: "Feed") -> dict[str, Any]:
    """Run the service over a feed, with a detector for each worker; return what became of its looks."""
    metrics, left = Metrics(), list(detectors)
    service = DetectorService(feed, left.pop, metrics, shape)
    feed.service = service
    service.on_assigned(frozenset({0}))
    service.run(feed, feed.stop)
    if service.failure:
        raise SystemExit(f"the detector failed: {service.failure}")
    runs = metrics.registry.get_sample_value("mosaicast_model_seconds_count", {"model": "centerface"}) or 0.0
    return {**feed.summary(), "runs": int(runs)}


class Feed:
    """The message log of one run: brings pictures when they are due, and notes when each was answered.

    Args:
        streams: their names.
        pictures: as JPEG; the streams show them in turn.
    """

    def __init__(self, streams: Sequence[str], seconds: float, pictures: Sequence[bytes]) -> None:
        self.stop = StopEvent()
        self._streams, self._seconds, self._pictures = streams, seconds, pictures
        self._due: Iterator[tuple[float, int, str]] = iter(())
        self._next: tuple[float, int, str] | None = None
        self._began_s = self._began_cpu_s = 0.0
        self._since_s: dict[tuple[str, int], float] = {}
        self._answered: dict[tuple[str, int], float] = {}
        self.service: Any = None

    def poll(self, timeout_s: float) -> list[Any]:
        """Return the pictures that are due, waiting for the first of them."""
        if not self._began_s and not self._begin(timeout_s):
            return []
        if self._next is None:
            self.stop.set()
            return []
        time.sleep(max(0.0, min(timeout_s, self._began_s + self._next[0] - time.monotonic())))
        found = []
        while self._next is not None and self._began_s + self._next[0] <= time.monotonic():
            due_s, seq, stream = self._next
            self._since_s[stream, seq] = self._began_s + due_s
            found.append(SimpleNamespace(partition=0, message=self._frame(stream, seq)))
            self._next = next(self._due, None)
        return found

    def send(self, topic: object, message: Any, *, key: str | None = None) -> bool:  # noqa: ARG002 - the bus's
        """Note an answer."""
        if isinstance(message, Detections):
            self._answered[message.stream_id, message.seq] = time.monotonic()
        return True

    def close(self) -> None:
        """Nothing is open."""

    def summary(self) -> dict[str, Any]:
        """Return how many looks were asked for and answered, and the milliseconds of each that counts."""
        counted = [key for key, since_s in self._since_s.items() if since_s >= self._began_s + WARM_S]
        # The last pictures may still be with the network when the feed ends.
        counted = [key for key in counted if self._since_s[key] <= self._began_s + self._seconds - 0.5]
        taken = [1000 * (self._answered[key] - self._since_s[key]) for key in counted if key in self._answered]
        return {"asked": len(counted), "answered": len(taken), "all_answered": len(self._answered),
                "cpu_s": round(_cpu_s() - self._began_cpu_s, 2),
                "ms": [round(one, 2) for one in taken]}  # fmt: skip

    def _begin(self, timeout_s: float) -> bool:
        """Wait until the networks are loaded and the parent says go."""
        if not self.service.ready:
            time.sleep(timeout_s / 10)
            return False
        print("ready", flush=True)
        sys.stdin.readline()
        self._due = self._schedule()
        self._next, self._began_s, self._began_cpu_s = next(self._due, None), time.monotonic(), _cpu_s()
        return True

    def _schedule(self) -> Iterator[tuple[float, int, str]]:
        """Yield when each picture comes, in order; streams begin apart, as they do live."""
        phases = np.random.default_rng(len(self._streams)).uniform(0, 1 / LOOKS_PER_S, len(self._streams))
        order = sorted(zip(phases.tolist(), self._streams, strict=True))
        for seq in range(int(self._seconds * LOOKS_PER_S)):
            for phase, stream in order:
                yield phase + seq / LOOKS_PER_S, seq, stream

    def _frame(self, stream: str, seq: int) -> SampledFrame:
        width, height = SOURCE_WH
        picture = self._pictures[seq % len(self._pictures)]
        return SampledFrame(
            stream_id=stream, epoch=1, seq=seq, pts=seq, time_base=TimeBase(1, LOOKS_PER_S), width=width, height=height,
            fingerprint=bytes(144), jpeg=picture, read_ms=1,
        )  # fmt: skip


def samples() -> list[Picture]:
    """Return four samples of a street scene's kind: six faces over a photograph, elsewhere in each."""
    ground = cv2.resize(np.ascontiguousarray(data.coffee()[:, :, ::-1]), SAMPLE_WH)
    person = np.ascontiguousarray(data.astronaut()[:280, 120:360, ::-1])
    return [_sample(ground, person, number) for number in range(4)]


def _sample(ground: Any, person: Any, number: int) -> Picture:
    picture = ground.copy()
    for place, face_px in enumerate(FACES_PX):
        scale = face_px / 117  # the height of the astronaut's face in her photograph
        shown = cv2.resize(person if (place + number) % 2 else person[:, ::-1], None, fx=scale, fy=scale)
        height, width = shown.shape[:2]
        x, y = 20 + place * 205 % (SAMPLE_WH[0] - width - 20), 10 + (place * 90 + number * 60) % (700 - height)
        picture[y : y + height, x : x + width] = shown
    return np.asarray(picture, np.uint8)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
