"""What a viewer got: pictures and sound with their times, and how the stream described itself."""

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av
import av.error
import numpy as np

from tests.e2e.background import Background

BRIGHT = 150
"""Mean luma of a picture that flashes; the test picture's own stays below it, under a mosaic too."""
LOUD = 0.1
"""Root mean square of a beep, of 1; encoders leave less than a hundredth of it elsewhere."""
BLOCK_S = 0.01
APART_S = 0.45
"""A flash and a beep further apart than this belong to different seconds."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a player reads before the first picture."""

    tracks: frozenset[str]
    size_wh: tuple[int, int]
    sample_aspect_ratio: str


@dataclass(frozen=True, slots=True)
class Shot:
    """One decoded picture. Mean luma 0 to 255; colours as the decoder names them; degrees as players turn it."""

    pts_s: float
    arrival_s: float
    luma: float
    size_wh: tuple[int, int]
    colour_range: int
    colour_space: int
    primaries: int
    transfer: int
    rotation: int


@dataclass(slots=True)
class Recording:
    """Grows while somebody watches."""

    pictures: list[Shot] = field(default_factory=list)
    sound: list[tuple[float, float]] = field(default_factory=list)
    """Blocks of `BLOCK_S`: presentation time in seconds, root mean square of 1."""
    described: list[Description] = field(default_factory=list)
    """Each time it was opened."""

    @property
    def tracks(self) -> frozenset[str]:
        """What was really got."""
        return frozenset({name for name, got in (("video", self.pictures), ("audio", self.sound)) if got})

    @property
    def flashes_s(self) -> list[float]:
        """When the picture became white."""
        return onsets([(shot.pts_s, shot.luma / BRIGHT) for shot in self.pictures])

    @property
    def beeps_s(self) -> list[float]:
        """When it began to beep."""
        return onsets([(pts_s, level / LOUD) for pts_s, level in self.sound])

    @property
    def offsets_s(self) -> list[float]:
        """How much later than its flash each beep begins, where there are both."""
        pairs = [(beep_s - flash_s) for beep_s in self.beeps_s for flash_s in self.flashes_s]
        return [offset_s for offset_s in pairs if abs(offset_s) < APART_S]

    @property
    def longest_gap_s(self) -> float:
        """Between two pictures, in the stream's own time."""
        return max((b.pts_s - a.pts_s for a, b in pairwise(self.pictures)), default=0.0)

    @property
    def longest_stall_s(self) -> float:
        """Between the arrival of two pictures."""
        return max((b.arrival_s - a.arrival_s for a, b in pairwise(self.pictures)), default=0.0)

    def in_order(self) -> bool:
        """Whether no picture came after a later one."""
        return all(a.pts_s < b.pts_s for a, b in pairwise(self.pictures))

    def take(self, container: Any) -> Iterable[None]:
        """Decode what an open container gives; yields after each packet."""
        resampler = av.AudioResampler(format="flt", layout="mono", rate=44100)
        self.described.append(describe(container))
        for packet in container.demux():
            for frame in decoded(packet):
                if isinstance(frame, av.VideoFrame):
                    self.pictures.append(shot(frame))
                else:
                    self.sound.extend(block for part in resampler.resample(frame) for block in blocks(part))
            yield


def decoded(packet: Any) -> Sequence[Any]:
    """A packet that can't be decoded shows nothing: the numbers tell."""
    try:
        return list(packet.decode()) if packet.stream.type in {"video", "audio"} else ()
    except av.error.InvalidDataError:
        return ()


def shot(frame: av.VideoFrame) -> Shot:
    luma = frame.reformat(format="gray").to_ndarray().mean()
    return Shot(
        float(frame.time or 0.0), time.monotonic(), float(luma), (frame.width, frame.height), int(frame.color_range),
        int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), int(frame.rotation),
    )  # fmt: skip


def blocks(frame: Any) -> list[tuple[float, float]]:
    samples = frame.to_ndarray().reshape(-1)
    size = int(BLOCK_S * 44100)
    return [
        (float(frame.time or 0.0) + start / 44100, float(np.sqrt(np.mean(samples[start : start + size] ** 2))))
        for start in range(0, len(samples) - size + 1, size)
    ]


def onsets(levels: Sequence[tuple[float, float]]) -> list[float]:
    """Return the times at which a level (1 is the threshold) rises above it."""
    return [at_s for (_, before), (at_s, level) in pairwise(levels) if before < 1 <= level]


def describe(container: Any) -> Description:
    video = container.streams.video[0] if container.streams.video else None
    return Description(
        frozenset(stream.type for stream in container.streams),
        (video.width, video.height) if video else (0, 0),
        str(video.sample_aspect_ratio or "1") if video else "",
    )


class Watching(Background):
    """Plays an address in the background, reconnecting as players do. A context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        super().__init__("watching")
        self.recording = Recording()

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                with av.open(self._url, timeout=(5.0, 5.0)) as container:
                    for _ in self.recording.take(container):
                        if self._stop.is_set():
                            return
            except (av.error.FFmpegError, OSError):
                pass
            self._stop.wait(0.3)


def recorded(stretches: Iterable[bytes]) -> Recording:
    """Decode HLS: segments that follow each other without a discontinuity are one stretch, as players hear them."""
    recording = Recording()
    for data in stretches:
        with av.open(io.BytesIO(data), "r", format="mpegts") as container:
            for _ in recording.take(container):
                pass
    return recording
