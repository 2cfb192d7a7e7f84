"""Ways that get worse, get better, stall and jitter: what the delay line makes of them, in virtual time."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicast.core.pacing import Pacer, PacingPolicy
from tests.unit.core.way_stage import FPS, POLICY, Arrival, Played, Stage, arrivals

SETTLED_S = 2.0
"""The first second of a stream has nothing before it."""
STEP_AT_S = 6.0


def longer_by(step_s: float, since_s: float = STEP_AT_S, until_s: float = 1e9) -> list[Arrival]:
    return arrivals(14, lambda media_s: step_s if since_s <= media_s < until_s else 0.0)


def whole(played: Played, coming: list[Arrival]) -> None:
    """Every frame left once, in order, none before it was due."""
    times = [each.time for each in played.left]
    assert times == sorted(set(times))
    assert sorted([*times, *played.dropped]) == [packet.time for packet in coming]
    assert played.early == []


def in_between(played: Played, since_s: float = SETTLED_S, end_s: float = 13.0) -> float:
    """Return the seconds of full mosaic, the first and the last frames aside: nothing is known beyond them."""
    return played.mosaic_s(since_s, end_s)


@pytest.mark.parametrize("step_s", [0.2, 0.5, 0.9, 1.2, 2.0, 3.0, 5.0])
def test_a_way_that_is_longer_for_good_costs_a_standstill_as_long_and_little_mosaic(step_s: float) -> None:
    """1.2 s cost 5.9 s of mosaic, 3 s cost 189 frames and stood still for 6 s: the tie waited for a window of 5 s."""
    coming = longer_by(step_s)
    played = Stage().play(coming)
    whole(played, coming)
    assert in_between(played) <= (0.0 if step_s <= 2.0 else 0.7)
    assert played.dropped == []
    assert sum(extra for extra in played.standstills_s(SETTLED_S, 13.0) if extra > 0.02) <= step_s + 0.1


@given(st.floats(0.2, 5.0), st.floats(2.0, 8.0), st.floats(0.05, 0.3))
@settings(max_examples=12, deadline=None)
def test_a_lasting_step_never_costs_two_seconds(step_s: float, since_s: float, answer_s: float) -> None:
    coming = longer_by(step_s, since_s)
    played = Stage(answer_s=answer_s).play(coming)
    whole(played, coming)
    assert in_between(played) <= 2.0
    assert played.dropped == []


@given(st.lists(st.floats(0.0, 0.95), min_size=28, max_size=28))
@settings(max_examples=12, deadline=None)
def test_jitter_below_the_delay_masks_nothing(jitter_s: list[float]) -> None:
    coming = arrivals(14, lambda media_s: jitter_s[int(media_s * 2)])
    played = Stage().play(coming)
    whole(played, coming)
    assert in_between(played) == 0.0
    assert [time for time in played.dropped if time >= SETTLED_S] == []


@pytest.mark.parametrize("late_s", [0.4, 0.9, 1.5, 2.0])
def test_a_stall_that_is_caught_up_loses_and_masks_nothing(late_s: float) -> None:
    """What was held up comes at once; frames leave a while later than set, and slowly come back."""
    coming = arrivals(14, lambda media_s: max(0.0, STEP_AT_S + late_s - media_s) if media_s >= STEP_AT_S else 0.0)
    played = Stage().play(coming)
    whole(played, coming)
    assert played.dropped == []
    assert in_between(played) == 0.0


def test_the_tie_follows_within_a_second_of_a_lasting_change() -> None:
    stage = Stage()
    first_late = next(packet for packet in longer_by(0.6) if packet.time >= STEP_AT_S)
    for packet in longer_by(0.6):
        stage.pacer.observe(packet.time, packet.at_s)
        if packet.at_s >= first_late.at_s + 1.0:
            assert stage.pacer.due(packet.time) == pytest.approx(packet.at_s + 1.0)


def test_a_better_way_comes_back_slowly_and_loses_nothing() -> None:
    """The lag is gone at 8 s: for ten seconds nobody believes it, then twenty frames take the time of nineteen."""
    coming = arrivals(60, lambda media_s: 1.2 if 3.0 <= media_s < 8.0 else 0.0)
    stage = Stage()
    played = stage.play(coming)
    whole(played, coming)
    assert played.dropped == []
    assert in_between(played, end_s=59.0) == 0.0
    steps = [b.at_s - a.at_s for a, b in itertools.pairwise(played.left) if a.time > 10]
    assert min(steps) >= 1 / FPS - 0.02
    spans = [b.at_s - a.at_s for a, b in zip(played.left, played.left[FPS:], strict=False) if a.time > 10]
    assert min(spans) >= 1 / (1 + 2 * POLICY.return_share), "no second of it takes much less than a second"
    assert stage.pacer.due(coming[-1].time) == pytest.approx(coming[-1].at_s + 1.0, abs=0.15)


def test_it_says_how_far_behind_it_is() -> None:
    coming = arrivals(60, lambda media_s: 1.2 if 3.0 <= media_s < 8.0 else 0.0)
    said = dict(Stage().play(coming).behind_s)
    at = {round(when - 100, 2): behind for when, behind in said.items()}
    assert at[2.0] == pytest.approx(1.0, abs=0.05)
    assert at[7.0] == pytest.approx(2.2, abs=0.05)
    assert 1.3 < at[30.0] < 2.1
    assert at[58.0] == pytest.approx(1.0, abs=0.1)


def test_what_nothing_follows_leaves_mosaicked_and_not_never() -> None:
    """The source is gone, and nobody says so."""
    coming = arrivals(5, lambda _: 0.0)
    played = Stage().play(coming)
    whole(played, coming)
    assert played.dropped == []
    last = played.left[-1]
    assert last.reason in {"verdicts_late", "no_verdict"}
    assert last.at_s - coming[-1].at_s == pytest.approx(1.0 + POLICY.patience_s, abs=0.05)
    assert 0.3 < played.mosaic_s(SETTLED_S) < 0.7


def test_a_reading_that_was_stopped_for_long_does_not_leave_later_for_minutes() -> None:
    """The broker stood still for 10 s: what it held back is old, and the stream goes on at its set delay."""
    coming = arrivals(30, lambda media_s: max(0.0, 20 - media_s) if media_s >= 10 else 0.0)
    stage = Stage()
    played = stage.play(coming)
    whole(played, coming)
    assert stage.pacer.due(coming[-1].time) == pytest.approx(coming[-1].at_s + 1.0, abs=0.05)
    assert played.mosaic_s(22, 29) == 0.0


@pytest.mark.parametrize("fps", [1, 2, 3])
def test_slow_sources_are_not_waited_for(fps: int) -> None:
    pacer = Pacer(POLICY)
    waiting = arrivals(20, lambda _: 0.0, fps=fps)
    for packet in waiting:
        pacer.observe(packet.time, packet.at_s)
        for older in (older for older in waiting if 2 <= older.time <= packet.time - 1):
            assert pacer.deadline(older.time) == pacer.due(older.time) == pytest.approx(older.at_s + 1.0)


def test_a_clock_that_jumps_forward_neither_stops_nor_hurries_the_stream() -> None:
    coming = arrivals(12, lambda _: 0.0)
    jumped = [Arrival(p.time + (10 if p.time >= 6 else 0), p.at_s) for p in coming]
    stage = Stage()
    played = stage.play(jumped)
    whole(played, jumped)
    assert played.dropped == []
    assert max((b.at_s - a.at_s) for a, b in itertools.pairwise(played.left) if a.time < 15) < 0.1
    assert stage.pacer.behind_s == pytest.approx(1.0, abs=0.05)


def test_a_still_source_whose_clock_goes_on_continues_at_its_set_delay() -> None:
    coming = [p for p in arrivals(30, lambda _: 0.0) if not 6 <= p.time < 16]
    stage = Stage()
    played = stage.play(coming)
    whole(played, coming)
    assert stage.pacer.due(coming[-1].time) == pytest.approx(coming[-1].at_s + 1.0, abs=0.15)
    assert played.mosaic_s(17, 29) == 0.0


def test_a_source_that_is_slow_for_hours_is_not_called_late() -> None:
    pacer = Pacer(POLICY)
    for packet in arrivals(3600, lambda media_s: media_s * 0.0005, fps=5):
        pacer.observe(packet.time, packet.at_s)
    assert pacer.behind_s < 1.25


def test_at_the_end_nothing_more_is_needed() -> None:
    stage = Stage()
    coming = arrivals(5, lambda _: 0.0)
    for packet in coming:
        stage.pacer.observe(packet.time, packet.at_s)
    last = coming[-1]
    assert not stage.pacer.reached(last.time)
    stage.pacer.end(last.at_s + 5.0)
    assert stage.pacer.reached(last.time)
    assert stage.pacer.due(last.time) > last.at_s + 5.0, "what waited leaves one after the other"


def test_the_policy_follows_a_new_delay() -> None:
    pacer = Pacer(PacingPolicy(need_s=0.75))
    assert pacer.policy.room_s == pytest.approx(0.25)
    pacer.set_delay(3.0)
    assert pacer.policy.room_s == pytest.approx(2.25)
    assert pacer.policy.need_s == 0.75
    pacer.set_delay(0.5)
    assert pacer.policy.room_s == pytest.approx(0.1)


def test_our_own_slowness_is_no_lateness_of_the_way() -> None:
    """A child that takes a second for each step would let frames out later and later, and drop none."""
    pacer = Pacer(POLICY)
    for packet in arrivals(20, lambda _: 0.0):
        second_s = float(int(packet.at_s)) + 1.0
        pacer.observe(packet.time, second_s if packet.time > 3 else packet.at_s, lain_s=1.0 if packet.time > 3 else 0.0)
    assert pacer.due(packet.time) == pytest.approx(packet.at_s + 1.0, abs=0.05)
