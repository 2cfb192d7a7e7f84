import itertools
from fractions import Fraction

import numpy as np
import pytest

from mosaicast.core.sampling import (
    LARGEST_GAP_S,
    Decision,
    Sampler,
    SamplingPolicy,
    SceneCutDetector,
    correlation,
)

BOTH = Decision(previous=True, current=True)
CURRENT = Decision(previous=False, current=True)
NEITHER = Decision(previous=False, current=False)


def sampled(times: list[Fraction], fps: float = 10.0, cuts: frozenset[int] = frozenset()) -> list[Fraction]:
    """The times that a sampler takes from `times`, in the order in which they are sent."""
    sampler, taken, previous = Sampler(SamplingPolicy(fps)), [], None
    for number, time in enumerate(times):
        decision = sampler.decide(time, scene_cut=number in cuts)
        if decision.previous:
            assert previous is not None
            taken.append(previous)
        if decision.current:
            taken.append(time)
        previous = time
    return taken


def clock(fps: Fraction | int, seconds: int = 4, tick: int | None = None) -> list[Fraction]:
    """Frame times at a rate, rounded to 1/tick of a second as containers do."""
    times = [Fraction(number) / fps for number in range(int(seconds * fps))]
    return times if tick is None else [Fraction(round(time * tick), tick) for time in times]


def test_the_first_frame_is_sampled_whatever_its_time() -> None:
    assert Sampler(SamplingPolicy()).decide(Fraction(-5)) == CURRENT


@pytest.mark.parametrize("fps", [11, 12, 15, 24, 25, 30, Fraction(30000, 1001), 50, 60, 120])
def test_a_grid_of_ten_a_second_holds_at_every_source_rate(fps: Fraction | int) -> None:
    taken = sampled(clock(fps, tick=1000))
    assert 39 <= len(taken) <= 41


@pytest.mark.parametrize("fps", [3, 5, 8, 10])
def test_a_slow_source_is_sampled_frame_by_frame(fps: int) -> None:
    times = clock(fps)
    assert sampled(times) == times


@pytest.mark.parametrize("rate", [4.0, 5.0, 7.0, 10.0, 30.0])
@pytest.mark.parametrize("fps", [6, 7, 9, 11, 13, 24, 25, 30, 60])
def test_no_gap_exceeds_a_fifth_of_a_second(rate: float, fps: int) -> None:
    taken = sampled(clock(fps), rate)
    assert max(b - a for a, b in itertools.pairwise(taken)) <= LARGEST_GAP_S


def test_an_uneven_source_leaves_only_its_own_gaps() -> None:
    rng = np.random.default_rng(7)
    steps = [Fraction(int(step), 1000) for step in rng.choice([8, 16, 33, 41, 90, 150, 400], size=600)]
    times = [sum(steps[:number], Fraction(0)) for number in range(len(steps))]
    taken = sampled(times)
    assert taken == sorted(set(taken))
    neighbours = set(itertools.pairwise(times))
    for a, b in itertools.pairwise(taken):
        assert b - a <= LARGEST_GAP_S or (a, b) in neighbours


def test_a_skipped_frame_before_a_pause_is_sent_after_all() -> None:
    sampler = Sampler(SamplingPolicy(10.0))
    assert sampler.decide(Fraction(0)) == CURRENT
    assert sampler.decide(Fraction(1, 30)) == NEITHER
    assert sampler.decide(Fraction(1)) == BOTH


def test_both_sides_of_a_cut_are_sent() -> None:
    times = clock(30, seconds=1)
    taken = sampled(times, cuts=frozenset({8}))
    assert times[7] in taken
    assert times[8] in taken
    assert len(taken) == len(set(taken))


def test_a_cut_right_after_a_sample_does_not_send_that_again() -> None:
    sampler = Sampler(SamplingPolicy(10.0))
    sampler.decide(Fraction(0))
    assert sampler.decide(Fraction(1, 30), scene_cut=True) == CURRENT


def test_the_grid_goes_on_from_a_cut() -> None:
    times = clock(30, seconds=1)
    after = [time for time in sampled(times, cuts=frozenset({8})) if time > times[8]]
    assert after[0] == times[11]


@pytest.mark.parametrize("time", [Fraction(1), Fraction(1, 2)])
def test_a_frame_that_is_not_later_is_not_looked_at(time: Fraction) -> None:
    sampler = Sampler(SamplingPolicy())
    sampler.decide(Fraction(1))
    assert sampler.decide(time, scene_cut=True) == NEITHER
    assert sampler.decide(Fraction(2)) == CURRENT


def test_another_policy_counts_from_the_next_frame() -> None:
    sampler = Sampler(SamplingPolicy(5.0))
    sampler.decide(Fraction(0))
    sampler.policy = SamplingPolicy(30.0)
    taken = [time for time in clock(30, seconds=1)[1:] if sampler.decide(time).current]
    assert len(taken) >= 24


@pytest.mark.parametrize(
    ("fps", "gap"), [(0.0, LARGEST_GAP_S), (-1.0, LARGEST_GAP_S), (float("nan"), LARGEST_GAP_S), (10.0, Fraction(0))]
)
def test_a_rate_that_means_nothing_is_refused(fps: float, gap: Fraction) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SamplingPolicy(fps, gap)


# --- scene cuts ---------------------------------------------------------------------------------------------


def scene(seed: int) -> np.ndarray:
    """A picture of blocks, uint8 [36, 64]."""
    blocks = np.random.default_rng(seed).integers(20, 220, (9, 16))
    return np.kron(blocks, np.ones((4, 4))).astype(np.uint8)


def cuts(pictures: list[np.ndarray]) -> list[int]:
    detector = SceneCutDetector()
    return [number for number, picture in enumerate(pictures) if detector.update(picture)]


def test_another_scene_is_a_cut_and_only_its_first_frame() -> None:
    assert cuts([scene(1)] * 5 + [scene(2)] * 5 + [scene(3)] * 5) == [5, 10]


def test_every_frame_another_scene_is_a_cut_each() -> None:
    assert cuts([scene(number) for number in range(12)]) == list(range(1, 12))


def test_a_still_and_a_slowly_moving_picture_have_none() -> None:
    still = [scene(1)] * 10
    x, y = np.meshgrid(np.arange(64), np.arange(36))
    smooth = (128 + 60 * np.sin(x / 5) + 50 * np.cos(y / 4 + x / 9)).astype(np.uint8)
    moving = [np.roll(smooth, number, axis=1) for number in range(60)]
    assert cuts(still) == cuts(moving) == []


def test_a_fade_and_noise_have_none() -> None:
    rng = np.random.default_rng(0)
    fade = [(scene(1) * (1 - number / 40)).astype(np.uint8) for number in range(40)]
    noise = [np.clip(scene(1) + rng.normal(0, 6, (36, 64)), 0, 255).astype(np.uint8) for _ in range(40)]
    assert cuts(fade) == cuts(noise) == []


def test_a_black_picture_with_noise_has_none() -> None:
    rng = np.random.default_rng(0)
    assert cuts([rng.integers(0, 4, (36, 64)).astype(np.uint8) for _ in range(40)]) == []


def test_a_dark_scene_after_another_dark_scene_is_a_cut() -> None:
    assert cuts([scene(1) // 8] * 4 + [scene(2) // 8] * 4) == [4]


def test_a_change_of_grading_is_a_cut() -> None:
    bright = np.clip(scene(1).astype(int) + 60, 0, 255).astype(np.uint8)
    assert cuts([scene(1)] * 10 + [bright] * 5) == [10]


def test_a_strobe_light_stops_being_news() -> None:
    bright = np.clip(scene(1).astype(int) + 60, 0, 255).astype(np.uint8)
    flashes = [scene(1) if number % 2 else bright for number in range(40)]
    assert len(cuts(flashes)) < 8


def test_another_size_is_a_cut_and_empty_pictures_do_no_harm() -> None:
    assert cuts([scene(1), scene(1)[:18], scene(1)[:18]]) == [1]
    assert cuts([np.zeros((36, 64), np.uint8), np.full((36, 64), 255, np.uint8)]) == [1]


def test_correlation_knows_same_inverted_and_unrelated() -> None:
    first = scene(1).astype(np.float32)
    assert correlation(first, first) > 0.99
    assert correlation(first, 255 - first) < -0.99
    assert abs(correlation(first, np.full_like(first, 90))) < 0.01
