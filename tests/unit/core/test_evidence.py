"""A frame is painted region by region only with whole evidence: pictures, verdicts and the look ahead."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.evidence import Evidence
from mosaicast.core.types import Verdict

OURS, OTHER = bytes([100]) * 144, bytes([100]) * 143 + bytes([103])
SLIGHTLY = bytes([100]) * 143 + bytes([102])


def ms(value: int) -> Fraction:
    return Fraction(value, 1000)


def verdict(
    seq: int, *, after: int | None = None, at_ms: int | None = None, print_: bytes = OURS, cut: bool = False
) -> Verdict:
    """A look every 100 ms."""
    at = ms(seq * 100 if at_ms is None else at_ms)
    return Verdict(at, (), cut, print_, seq, seq - 1 if after is None else after)


def evidence(
    verdicts: Sequence[Verdict], *, frames: Sequence[int] = range(0, 2000, 20), broken: Sequence[int] = ()
) -> Evidence:
    """Frames every 20 ms, all like our verdicts' pictures."""
    found = Evidence()
    for at in frames:
        found.add_frame(ms(at), OURS, intact=at not in broken)
    for one in verdicts:
        found.add_verdict(one)
    return found


def chain(count: int) -> list[Verdict]:
    return [verdict(seq) for seq in range(count)]


def test_nothing_is_missing_where_all_is_known() -> None:
    found = evidence(chain(10))
    assert [found.lack(ms(at)) for at in range(0, 501, 20)] == [None] * 26


@pytest.mark.parametrize("verdicts", [[], [verdict(1)], [verdict(1), verdict(2)]])
def test_without_verdicts_on_both_sides(verdicts: list[Verdict]) -> None:
    found = evidence(verdicts)
    assert found.lack(ms(20)) == "no_verdict"
    assert found.lack(ms(320)) == "no_verdict"


def test_a_verdict_on_another_picture_counts_neither_before_nor_after_it() -> None:
    verdicts = [*chain(10)]
    verdicts[2] = verdict(2, print_=OTHER)
    found = evidence(verdicts)
    lacks = {at: found.lack(ms(at)) for at in range(0, 501, 20)}
    assert {at for at, lack in lacks.items() if lack == "picture_differs"} == set(range(120, 300, 20))
    assert {lack for at, lack in lacks.items() if not 100 < at < 300} == {None}, "then they agree again"


def test_what_another_scaler_rounds_is_no_other_picture() -> None:
    verdicts = chain(10)
    verdicts[2] = verdict(2, print_=SLIGHTLY)
    assert evidence(verdicts).lack(ms(220)) is None


@pytest.mark.parametrize("print_", [b"", b"\0", bytes(143), bytes(145)])
def test_a_picture_that_could_not_be_read_is_like_none(print_: bytes) -> None:
    found = evidence(chain(10), frames=[at for at in range(0, 2000, 20) if at != 200])
    found.add_frame(ms(200), print_, intact=True)
    assert found.lack(ms(140)) == "picture_differs"
    assert found.lack(ms(200)) == "picture_differs"


def test_a_looked_at_picture_that_is_not_decoded_yet_counts_nothing() -> None:
    found = evidence(chain(10), frames=range(0, 300, 20))
    assert found.lack(ms(180)) is None
    assert found.lack(ms(280)) == "picture_missing"


def test_a_lost_verdict_may_have_told_a_cut() -> None:
    verdicts = chain(10)
    del verdicts[3]
    found = evidence(verdicts)
    assert found.lack(ms(200)) == "verdicts_late", "at the verdict itself"
    assert {found.lack(ms(at)) for at in range(220, 400, 20)} == {"verdict_lost"}
    assert found.lack(ms(400)) is None


def test_the_look_ahead_ends_at_a_lost_verdict() -> None:
    """Somebody may have been seen there alone, who was in the frame before it, turned away."""
    verdicts = chain(12)
    del verdicts[6]
    found = evidence(verdicts)
    assert found.lack(ms(100)) is None
    assert found.lack(ms(120)) == "verdicts_late"
    cut = evidence([*chain(4), verdict(5, cut=True), *(verdict(seq) for seq in range(6, 12))])
    assert cut.lack(ms(120)) == "verdicts_late", "the lost one is before the cut"


def test_looks_that_the_detector_left_out_are_no_loss() -> None:
    verdicts = [verdict(0), verdict(2, after=0), *(verdict(seq) for seq in range(3, 10))]
    assert evidence(verdicts).lack(ms(120)) is None


def test_before_a_scene_cut_no_look_may_be_left_out() -> None:
    """Whoever came in between was seen by nobody, and is not there any more at the next look."""
    verdicts = [*chain(3), verdict(4, after=2, at_ms=400, cut=True), *(verdict(seq) for seq in range(5, 12))]
    found = evidence(verdicts)
    assert found.lack(ms(220)) == "verdict_lost"
    assert found.lack(ms(100)) == "verdicts_late", "nor does the look ahead end there"
    assert found.lack(ms(420)) is None


def test_the_look_ahead_has_no_gaps() -> None:
    verdicts = [*chain(3), *(verdict(seq, after=2 if seq == 6 else None) for seq in range(6, 14))]
    found = evidence(verdicts)
    assert found.lack(ms(120)) == "verdicts_late", "who was turned away at 0.2 s may have shown the face until 0.6 s"
    assert found.lack(ms(620)) is None


def test_frames_since_a_lost_packet_and_verdicts_on_them_count_nothing() -> None:
    found = evidence(chain(12), broken=range(260, 500, 20))
    lacks = {at: found.lack(ms(at)) for at in range(0, 701, 20)}
    assert {at for at, lack in lacks.items() if lack == "packet_lost"} == set(range(220, 500, 20))
    assert {lack for at, lack in lacks.items() if not 200 < at < 500} == {None}


def test_verdicts_must_reach_beyond_the_frame() -> None:
    found = evidence(chain(6))
    assert found.lack(ms(100)) is None
    assert found.lack(ms(120)) == "verdicts_late"
    assert found.lack(ms(400)) == "verdicts_late"


def test_they_need_not_reach_beyond_the_end_of_the_epoch() -> None:
    found = evidence(chain(6))
    found.end(ms(500))
    assert [found.lack(ms(at)) for at in range(0, 501, 20)] == [None] * 26
    found.end(ms(540))
    assert found.lack(ms(120)) == "verdicts_late", "the last frames were not looked at yet"
    assert found.lack(ms(520)) == "no_verdict"


def test_they_need_not_reach_beyond_the_scene() -> None:
    found = evidence([*chain(3), verdict(3, cut=True)])
    assert found.lack(ms(120)) is None
    assert found.lack(ms(280)) is None
    assert found.lack(ms(300)) == "verdicts_late", "the new scene has its own"


def test_a_repeated_verdict_changes_nothing_and_a_contradicting_one_spoils_its_time() -> None:
    found = evidence([*chain(10), verdict(2)])
    assert found.lack(ms(220)) is None
    found.add_verdict(verdict(2, print_=SLIGHTLY))
    assert found.lack(ms(180)) == "verdict_lost"
    assert found.lack(ms(220)) == "verdict_lost"
    assert found.lack(ms(320)) is None


def test_of_two_frames_at_one_time_the_first_counts() -> None:
    found = evidence(chain(10))
    found.add_frame(ms(200), OTHER, intact=False)
    assert found.lack(ms(220)) is None


@given(st.permutations(range(8)), st.integers(0, 700))
def test_the_order_of_arrival_does_not_matter(order: list[int], at: int) -> None:
    in_order, shuffled = evidence(chain(8)), evidence([verdict(seq) for seq in order])
    time = ms(at // 20 * 20)
    assert shuffled.lack(time) == in_order.lack(time)


@given(st.sets(st.integers(0, 19), max_size=4), st.integers(0, 90))
def test_with_verdicts_lost_at_random_no_frame_beside_a_loss_passes(lost: set[int], frame: int) -> None:
    found = evidence([verdict(seq) for seq in range(20) if seq not in lost])
    at = frame * 20
    beside = {at // 100, -(-at // 100)}
    if beside & lost:
        assert found.lack(ms(at)) is not None
    elif not lost & set(range(at // 100, at // 100 + 6)) and at <= 1300:
        assert found.lack(ms(at)) is None


@given(st.integers(0, 1400))
def test_forgetting_the_past_changes_nothing_for_what_follows(at: int) -> None:
    time = ms(at // 20 * 20)
    kept, forgetting = evidence(chain(20)), evidence(chain(20))
    forgetting.forget_before(time)
    for later in range(at // 20 * 20, 1600, 20):
        assert forgetting.lack(ms(later)) == kept.lack(ms(later))
