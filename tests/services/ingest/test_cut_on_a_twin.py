"""The first frame of a new scene bears the time of the frame before it (RTMP counts milliseconds, encoders that stall
send two frames with one time stamp). The sampler looks at neither of the two pictures anew, and the scene cut that the
picture told is forgotten with it: whoever stands where an enrolled person stood inherits her track, unmasked."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from mosaicast.adapters.media.source import EpochStarted
from mosaicast.contracts.messages import SampledFrame
from mosaicast.core.types import MediaTime
from services.ingest import wire
from services.ingest.epoch import EpochWriter
from tests.services.chaos.simulation import simulate
from tests.services.chaos.world import _FLAT_JPEG, PARAMETERS, SIZE_WH, TICK

RNG = np.random.default_rng(5)
SCENES = [np.repeat(np.repeat(RNG.integers(30, 225, (9, 16), np.uint8), 4, 0), 4, 1) for _ in range(2)]


@dataclass
class Pictured:
    pts: int
    scene: int
    size_wh: tuple[int, int] = SIZE_WH

    @property
    def time(self) -> MediaTime:
        return self.pts * TICK

    def thumbnail(self) -> np.ndarray:
        return SCENES[self.scene]

    def jpeg(self, size_wh: tuple[int, int]) -> bytes:
        return _FLAT_JPEG


class Pipe:
    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.samples: list[SampledFrame] = []

    def offer(self, raw: bytes) -> bool:
        sample = wire.unpack(raw)
        assert isinstance(sample, SampledFrame)
        self.samples.append(sample)
        return True


@pytest.mark.parametrize("first_ms", [1033, 1000], ids=["a time of its own", "the time of the frame before"])
def test_a_cut_is_told_whatever_time_its_first_frame_bears(first_ms: int) -> None:
    pipe = Pipe()
    writer = EpochWriter("s", 1, EpochStarted((PARAMETERS,)), wire.Command(10.0, 0.2), pipe)  # type: ignore[arg-type]
    for ms in range(0, 1001, 40):
        writer.add_picture(Pictured(ms, 0))  # type: ignore[arg-type]
    for ms in (first_ms, *range(1066, 2000, 33)):
        writer.add_picture(Pictured(ms, 1))  # type: ignore[arg-type]
    assert next(sample.scene_cut for sample in pipe.samples if sample.pts > 1000), "the first look at the new scene"


def test_nobody_inherits_a_track_over_such_a_cut() -> None:
    """Seed 5371: 19 frames of a stranger left clear; a frame in 50 has a twin there."""
    with pytest.MonkeyPatch.context() as patch:
        assert simulate(5371, patch).leaks == []
