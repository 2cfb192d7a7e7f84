"""Where sound belongs among the pictures."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from mosaicast.core.sound_clock import LASTING, SoundClock

STEP = Fraction(23, 1000)


def feed(
    clock: SoundClock, seconds: float, ahead_s: float, *, frame_s: float = 1 / 30, start_s: float = 0.0
) -> Iterator[tuple[float, Fraction | None]]:
    """Play pictures and sound in real time; yield the true time of each piece of sound, and where it was put."""
    next_picture, at = start_s, Fraction(start_s)
    while at < start_s + seconds:
        while next_picture <= at:
            clock.on_picture(Fraction(next_picture), 1000 + next_picture)
            next_picture += frame_s
        yield float(at), clock.place(at + Fraction(ahead_s), 1000 + float(at))
        at += STEP


@pytest.mark.parametrize("ahead_s", [0.0, 0.3, -0.4, 0.9])
def test_times_are_kept_where_they_can_be_true(ahead_s: float) -> None:
    clock = SoundClock()
    for true_s, placed in feed(clock, 5.0, ahead_s):
        assert placed is not None
        assert float(placed) == pytest.approx(true_s + ahead_s)
    assert clock.ahead_s == 0


@pytest.mark.parametrize("frame_s", [1 / 30, 1.0])
@pytest.mark.parametrize("ahead_s", [60.0, 3600.0, -3.0, -60.0, 2**32 / 1000 - 60])
def test_another_clock_is_followed_within_half_a_second_to_within_the_step_of_lips(
    ahead_s: float, frame_s: float
) -> None:
    clock = SoundClock()
    placed = list(feed(clock, 5.0, ahead_s, frame_s=frame_s))
    late = [each for each in placed if each[1] is not None]
    assert len(placed) - len(late) == LASTING - 1
    assert max(abs(float(at) - true_s) for true_s, at in late if at is not None) < 0.04
    assert clock.ahead_s == pytest.approx(-60.0 if ahead_s > 4e6 else ahead_s, abs=0.04)


def test_sound_goes_on_where_a_source_stands_still() -> None:
    clock = SoundClock()
    clock.on_picture(Fraction(0), 1000.0)
    at = Fraction(0)
    while at < 20:
        assert clock.place(at, 1000 + float(at)) == at
        at += STEP


def test_a_stall_of_the_way_moves_nothing() -> None:
    clock = SoundClock()
    list(feed(clock, 2.0, 0.0))
    for number in range(150):  # three seconds at once, in their order
        at = Fraction(2) + number * STEP
        clock.on_picture(at, 1005.0)
        assert clock.place(at, 1005.0) == at


def test_one_time_that_lies_moves_nothing() -> None:
    clock = SoundClock()
    list(feed(clock, 1.0, 0.0))
    assert clock.place(Fraction(500), 1001.0) is None
    assert [placed for _, placed in feed(clock, 1.0, 0.0, start_s=1.0)][-1] is not None
    assert clock.ahead_s == 0


def test_a_clock_that_is_mended_is_followed_back() -> None:
    clock = SoundClock()
    list(feed(clock, 2.0, 60.0))
    true_s, placed = list(feed(clock, 2.0, 0.0, start_s=2.0))[-1]
    assert placed is not None
    assert abs(float(placed) - true_s) < 0.04
    assert abs(clock.ahead_s) < 0.04
