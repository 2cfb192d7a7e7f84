"""When a frame is due: bursts, jitter, slow clocks, stalls."""

from fractions import Fraction

import pytest

from mosaicast.core.pacing import Pacer, PacingPolicy


def seconds(value: float) -> Fraction:
    return Fraction(value).limit_denominator(1000)


def test_nothing_is_due_before_anything_came() -> None:
    with pytest.raises(ValueError, match="no packet"):
        Pacer().due(seconds(0))


def test_a_frame_is_due_one_delay_after_its_arrival() -> None:
    pacer = Pacer(PacingPolicy(delay_s=1.0))
    pacer.observe(seconds(5), now=100.0)
    assert pacer.due(seconds(5)) == pytest.approx(101.0)
    assert pacer.due(seconds(5.5)) == pytest.approx(101.5)


def test_a_burst_of_old_packets_does_not_delay_the_stream() -> None:
    pacer = Pacer()
    for at in (3.0, 4.0, 5.0):
        pacer.observe(seconds(at), now=100.0)
    assert pacer.due(seconds(5)) == pytest.approx(101.0)


def test_jitter_moves_nothing() -> None:
    pacer = Pacer()
    for step in range(1000):
        pacer.observe(seconds(step * 0.04), now=100 + step * 0.04 + 0.05 * (step % 5))
    assert pacer.due(seconds(40)) == pytest.approx(141.0)


def test_a_stall_shifts_the_tie_only_when_it_lasts() -> None:
    pacer = Pacer()
    pacer.observe(seconds(0), now=100.0)
    for step in range(500):
        pacer.observe(seconds(step * 0.04), now=100.5 + step * 0.04)
    assert pacer.due(seconds(20)) == pytest.approx(121.5)


def test_a_slow_source_is_followed_and_no_frame_waits_longer_than_the_delay() -> None:
    pacer = Pacer()
    waits = []
    for step in range(5000):
        now = 100 + step * 0.044
        pacer.observe(seconds(step * 0.04), now=now)
        waits.append(pacer.due(seconds(step * 0.04)) - now)
    assert max(waits) <= 1.0 + 1e-6
    assert min(waits) > 0.0, "10 % slow for minutes: verdicts still come in time"


def test_one_packet_from_the_future_does_not_mask_the_stream_for_ever() -> None:
    pacer = Pacer()
    pacer.observe(seconds(29), now=100.0)
    for step in range(500):
        pacer.observe(seconds(step * 0.04), now=100 + step * 0.04)
    assert pacer.due(seconds(20)) == pytest.approx(121.0)


def test_a_new_delay_counts_at_once() -> None:
    pacer = Pacer()
    pacer.observe(seconds(0), now=10.0)
    pacer.set_delay(3.0)
    assert pacer.due(seconds(0)) == pytest.approx(13.0)
