"""A broadcast whose truth is known through the whole pipeline: no process, no clock, no queue; the oracle judges."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.replay_parts import MemoryGallery
from bench.transitions import ENROLLED, enrolled_gallery
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.opening import open_source
from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.adapters.media.pictures import thumbnail_of
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.contracts.messages import MediaPacket
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Disposition, MediaTime
from mosaicast.pipeline.frames import JobFrames, Wanted
from mosaicast.pipeline.ports import Detector, Frame, RawFace
from mosaicast.pipeline.source import EpochStarted, SourceEpoch, feed
from mosaicast.pipeline.whole import Pipeline
from services.ingest.wire import Command
from synthetic.cast import load_cast
from synthetic.clip import Truth, luma_of_frame, write_clip
from synthetic.oracle import Kind, Oracle, SourceClip, is_clear
from synthetic.presets import small

STRANGERS = ("coach", "admiral")


class Frames:
    """A sink that keeps what the oracle needs."""

    def __init__(self) -> None:
        self.lumas: list[NDArray[np.uint8]] = []
        self.times: list[MediaTime] = []
        self.plans: list[FramePlan] = []
        self.sounds = 0
        self.losses: list[tuple[int, str]] = []

    def frame(self, frame: Frame, time: MediaTime, plan: FramePlan) -> None:
        self.lumas.append(luma_of_frame(frame))
        self.times.append(time)
        self.plans.append(plan)

    def sound(self, packet: MediaPacket) -> None:
        assert packet.track == "audio"
        self.sounds += 1

    def lost(self, index: int, reason: str) -> None:
        self.losses.append((index, reason))


class Blind:
    """A detector that never has an answer."""

    name = "blind"

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        raise InferenceError("as told")


@pytest.fixture(scope="module")
def gallery() -> MemoryGallery:
    return enrolled_gallery(load_cast())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    path = tmp_path_factory.mktemp("clips") / "small.mp4"
    script = small([ENROLLED, STRANGERS[0]], [STRANGERS[1]], seconds=8.0, cut_every_s=4.0)
    return path, write_clip(path, script, load_cast())


def play(path: Path, gallery: MemoryGallery, wanted: Wanted | None, detector: Detector | None = None) -> Frames:
    """Send a file through."""
    frames, sink = JobFrames(1, PacketDecoder, thumbnail_of), Frames()
    if wanted is not None:
        frames.apply(wanted)
    pipeline = Pipeline(detector or gallery.detector, jpeg, gallery.decider(), frames, sink)

    def begin(start: EpochStarted) -> SourceEpoch:
        return SourceEpoch("clip", 1, start, Command(10.0, 0.2), pipeline)

    with open_source(str(path), live=False) as source:
        feed(source.events(), begin)
    assert frames.empty
    return sink


def test_nobody_leaks_the_enrolled_one_is_seen_and_every_frame_comes_out(
    clip: tuple[Path, Truth], gallery: MemoryGallery
) -> None:
    path, truth = clip
    out = play(path, gallery, Wanted(panic=False))
    assert len(out.lumas) == len(truth.frames)
    assert out.losses == []
    assert out.times == sorted(set(out.times))
    assert out.sounds > 300, "8 s of AAC at 48 kHz are 375 packets"
    oracle = Oracle([SourceClip.load(path)], {ENROLLED})
    judged = [oracle.judge(luma) for luma in out.lumas]
    assert Counter(one.kind for one in judged) == {Kind.CLEAN: len(truth.frames)}
    assert [one.number for one in judged] == list(range(len(truth.frames)))
    shown = [is_clear(face.masked) for one in judged for face in one.enrolled]
    assert len(shown) > 100
    # She earns it anew after the cut: 0.6 s of each 4 s at most, and her frames of before it are shown, if they wait.
    assert sum(shown) > 0.7 * len(shown)


def test_a_detector_without_answers_has_everything_mosaicked_and_loses_nothing(
    clip: tuple[Path, Truth], gallery: MemoryGallery
) -> None:
    path, truth = clip
    out = play(path, gallery, Wanted(panic=False), Blind())
    assert [plan.disposition for plan in out.plans] == [Disposition.FULL_MOSAIC] * len(truth.frames)
    assert {plan.full_reason for plan in out.plans} == {"no_verdict"}
    assert out.losses == []


def test_until_it_is_known_what_is_wanted_everything_is_mosaicked(
    clip: tuple[Path, Truth], gallery: MemoryGallery
) -> None:
    out = play(clip[0], gallery, None)
    assert {plan.full_reason for plan in out.plans} == {"panic"}


def test_who_may_not_be_seen_any_more_is_masked_whatever_verdicts_say(
    clip: tuple[Path, Truth], gallery: MemoryGallery
) -> None:
    path, _ = clip
    out = play(path, gallery, Wanted(panic=False, visible=frozenset()))
    oracle = Oracle([SourceClip.load(path)])
    assert {oracle.judge(luma).kind for luma in out.lumas} == {Kind.CLEAN}
