from fractions import Fraction

import pytest

from mosaicast.adapters.media.times import Times, TrackClock

MS = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("pts", "dts", "duration", "reorders", "expected"),
    [
        (10, 5, 33, True, Times(10, 5, 33)),
        (0, -80, 33, True, Times(0, -80, 33)),  # B-frames begin below zero
        (None, 5, 33, False, Times(5, 5, 33)),
        (None, 5, 33, True, None),  # only the encoder knew when to show it
        (None, None, 33, False, None),  # nothing to count from yet
        (10, None, 33, False, Times(10, 10, 33)),
        (10, None, None, True, Times(10, 10, 0)),
        (10, 40, 33, True, Times(10, 10, 33)),  # shown before decoded: impossible
        (10, 5, -1, False, Times(10, 5, 0)),
    ],
)
def test_the_first_packet_is_repaired_or_refused(
    pts: int | None, dts: int | None, duration: int | None, reorders: bool, expected: Times | None
) -> None:
    assert TrackClock(MS).repair(pts, dts, duration, reorders=reorders) == expected


@pytest.mark.parametrize(
    ("pts", "dts", "reorders", "expected"),
    [
        (None, None, False, Times(133, 133, 33)),
        (None, None, True, None),
        (200, None, True, Times(200, 133, 33)),
        (90, None, True, Times(90, 90, 33)),
    ],
)
def test_later_packets_are_counted_on_from_the_last(
    pts: int | None, dts: None, reorders: bool, expected: Times | None
) -> None:
    clock = TrackClock(MS)
    clock.accept(Times(100, 100, 33))
    assert clock.repair(pts, dts, 33, reorders=reorders) == expected


@pytest.mark.parametrize(
    ("dts", "jumps"),
    [
        (1033, False),
        (1000, False),
        (999, True),
        (600, True),
        (499, True),
        (-5000, True),
        (30_999, False),
        (31_001, True),
    ],
)
def test_a_clock_that_leaps_or_goes_back_is_noticed(dts: int, jumps: bool) -> None:
    clock = TrackClock(MS)
    assert not clock.jumps(Times(dts, dts, 0))
    clock.accept(Times(1000, 1000, 33))
    assert clock.jumps(Times(dts, dts, 0)) is jumps
    clock.reset()
    assert not clock.jumps(Times(dts, dts, 0))
