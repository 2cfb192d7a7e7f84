from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synthetic import framecode
from synthetic.clip import BEEP_HZ, BEEP_LEVEL, SAMPLE_RATE, Truth
from synthetic.oracle import Kind, Oracle, SourceClip
from synthetic.playback import BeepFinder, PlaybackReport, Watcher, measure_av_sync

from .conftest import mosaic

SIZE_WH = (320, 180)


def empty_clip(first_number: int, count: int) -> SourceClip:
    truth = Truth(SIZE_WH, 30, first_number, (), ((),) * count)
    return SourceClip(truth, [np.zeros((180, 320), np.uint8)] * count)


def frame(number: int, *, flash: bool = False) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3)).astype(np.uint8)
    framecode.draw(image, number, flash=flash)
    return framecode.luma_of_bgr(image)


def watched(numbers: list[int], *clips: SourceClip) -> PlaybackReport:
    watcher = Watcher(Oracle(clips or (empty_clip(0, 100),)))
    for index, number in enumerate(numbers):
        watcher.see(frame(number), index / 30, index / 30)
    return watcher.report()


@pytest.mark.parametrize(
    ("numbers", "back", "skipped"),
    [
        ([], (), 0),
        ([5], (), 0),
        ([5, 6, 7], (), 0),
        ([5, 5, 6], (), 0),
        ([5, 9], (), 3),
        ([98, 99, 0, 1], (), 0),
        ([97, 2], (), 4),
        ([5, 6, 4, 7], ((6, 4),), 2),
        ([1, 99, 2], ((1, 99),), 2),
    ],
)
def test_numbers_go_forward_and_a_loop_is_forward(numbers: list[int], back: tuple[Any, ...], skipped: int) -> None:
    report = watched(numbers)
    assert (report.order_violations, report.skipped) == (back, skipped)


@pytest.mark.parametrize(("pause_s", "back"), [(1.0, ((20, 10),)), (1.8, ())])
def test_after_a_pause_of_half_a_loop_nobody_can_tell(pause_s: float, back: tuple[Any, ...]) -> None:
    watcher = Watcher(Oracle((empty_clip(0, 100),)))
    watcher.see(frame(20), 0.0, 0.0)
    watcher.see(frame(10), pause_s, pause_s)
    assert watcher.report().order_violations == back


def test_a_later_clip_may_follow_and_an_earlier_one_may_not_come_back() -> None:
    report = watched([5, 6, 200, 201, 7, 8], empty_clip(0, 100), empty_clip(200, 50))
    assert report.order_violations == ((201, 7),)


def test_kinds_are_counted_and_what_is_not_known_is_not_played() -> None:
    watcher = Watcher(Oracle([empty_clip(0, 100)]))
    for number in range(30):
        watcher.see(frame(number), number / 30, 0.0)
    assert watcher.report().played
    watcher.see(np.full((180, 320), 90, np.uint8), 1.0, 0.0)
    assert watcher.report().played
    watcher.see(frame(500), 1.1, 0.0)
    report = watcher.report()
    assert report.by_kind == {Kind.CLEAN: 30, Kind.FULL_MOSAIC: 1, Kind.FOREIGN: 1}
    assert not report.played
    assert report.frames == 32


def test_a_stream_of_full_mosaic_did_not_play() -> None:
    watcher = Watcher(Oracle([empty_clip(0, 100)]))
    for index in range(100):
        watcher.see(np.full((180, 320), 90, np.uint8), index / 30, 0.0)
    assert not watcher.report().played


def test_numbers_that_go_back_are_not_played() -> None:
    assert watched(list(range(50))).played
    assert not watched([*range(50), 3]).played


def test_pauses_are_told_apart_by_clock() -> None:
    watcher = Watcher(Oracle([empty_clip(0, 100)]))
    for number, (pts_s, arrival_s) in enumerate([(0, 0), (0.1, 5), (1.6, 5.1), (1.7, 5.1)]):
        watcher.see(frame(number), pts_s, arrival_s)
    report = watcher.report()
    assert (report.freezes, report.stalls) == (1, 1)
    assert report.longest_pause_s == pytest.approx(1.5)
    assert watcher.arrivals == [(0, 0), (1, 5), (2, 5.1), (3, 5.1)]


def test_leaks_and_enrolled_are_reported(sample: Any) -> None:
    watcher = Watcher(Oracle([sample.source], ["astronaut"]))
    masked = sample.masked(mosaic)
    plain = sample.masked(mosaic, lambda person, box: None if person == "astronaut" else box)
    for index in range(40):
        lumas = sample.lumas if index == 7 else masked if index % 4 == 0 else plain
        watcher.see(lumas[index], index / 30, index / 30 + 100)
    report = watcher.report()
    assert [(leak.face.number, leak.face.person) for leak in report.leaks] == [(507, "admiral")]
    assert report.leaks[0].arrival_s == pytest.approx(100 + 7 / 30)
    assert report.by_kind == {Kind.CLEAN: 39, Kind.LEAK: 1}
    assert report.enrolled_visible == pytest.approx(0.75)
    assert "admiral" in report.text()
    assert report.as_dict()["leaks"][0]["face"]["person"] == "admiral"


def pieces(samples: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, float]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size].astype(np.float32), start / SAMPLE_RATE


@pytest.mark.parametrize("size", [1024, 1000, 4096])
@pytest.mark.parametrize("shift_s", [0.0, 0.04])
def test_beeps_are_found_where_they_begin(size: int, shift_s: float) -> None:
    time_s = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE - shift_s
    tone = np.sin(2 * np.pi * BEEP_HZ * time_s) * BEEP_LEVEL
    samples = tone * ((time_s % 1 < 0.1) & (time_s > 0.5)) + 0.01
    finder = BeepFinder()
    for part, pts_s in pieces(samples, size):
        finder.hear(part, pts_s)
    assert finder.onsets_s == pytest.approx([1 + shift_s, 2 + shift_s], abs=0.0025)


def test_silence_and_a_tone_without_end_are_no_beeps() -> None:
    finder = BeepFinder()
    for part, pts_s in pieces(np.zeros(SAMPLE_RATE), 1024):
        finder.hear(part, pts_s)
    assert finder.onsets_s == []
    for part, pts_s in pieces(np.full(2 * SAMPLE_RATE, BEEP_LEVEL), 1024):
        finder.hear(part, pts_s)
    assert len(finder.onsets_s) == 1


@pytest.mark.parametrize(
    ("flashes_s", "beeps_s", "offset_ms"),
    [
        ([], [], None),
        ([1.0], [], None),
        ([], [1.0], None),
        ([1.0], [1.5], None),
        ([1.0, 2.0], [1.03, 2.03], 30),
        ([1.0, 2.0, 3.0], [0.95, 1.95, 2.95, 3.95], -50),
        ([1.0, 2.0, 3.0], [1.01, 2.4, 3.01], 10),
    ],
)
def test_sound_is_measured_against_the_flash(
    flashes_s: list[float], beeps_s: list[float], offset_ms: float | None
) -> None:
    found = measure_av_sync(flashes_s, beeps_s)
    assert found is None if offset_ms is None else found == pytest.approx(offset_ms)


def test_a_flash_counts_only_with_the_dark_frame_before_it() -> None:
    watcher = Watcher(Oracle([empty_clip(0, 100)]))
    for number, flash in [(0, True), (28, False), (30, True), (58, False), (59, False), (60, True), (61, True)]:
        watcher.see(frame(number, flash=flash), number / 30, 0.0)
    assert watcher.report(beeps_s=[0.01, 1.2, 2.02]).av_offset_ms == pytest.approx(20)


def test_the_report_says_what_broke() -> None:
    report = replace(watched([1, 2, 3]), problem="it went away")
    assert "it went away" in report.text()
    assert report.as_dict()["problem"] == "it went away"
    assert report.enrolled_visible is None
