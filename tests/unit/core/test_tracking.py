"""Faces are followed where there is no doubt; where there is, it is said."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.tracking import Tracked, Tracker, TrackingPolicy, overlap_of_smaller
from mosaicast.core.types import Box

SIDE = 100.0


def face(x: float, y: float = 0.0, side: float = SIDE) -> Box:
    """A face centred at x, y."""
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def at(number: int) -> Fraction:
    """Ten looks a second."""
    return Fraction(number, 10)


def follow(tracker: Tracker, *looks: list[Box], start: int = 0) -> list[list[Tracked]]:
    return [tracker.update(at(start + number), boxes) for number, boxes in enumerate(looks)]


def ids(looks: list[list[Tracked]]) -> list[list[int]]:
    return [[one.track_id for one in look] for look in looks]


def doubted(one: Tracked) -> bool:
    return one.ambiguous or one.overlaps or one.jumped or one.is_new


def test_every_detection_is_a_track_at_once_in_the_order_given() -> None:
    found = Tracker(first_id=7).update(at(0), [face(500), face(0)], [0.2, 0.9])
    assert [(one.track_id, one.index, one.is_new) for one in found] == [(7, 0, True), (8, 1, True)]


def test_nobody_is_no_track() -> None:
    tracker = Tracker()
    assert tracker.update(at(0), []) == []
    tracker.update(at(1), [face(0)])
    assert tracker.update(at(2), []) == []


def test_a_walk_across_the_picture_is_one_track_without_doubt() -> None:
    looks = follow(Tracker(), *[[face(x)] for x in (0, 15, 40, 80, 130, 180)])
    assert ids(looks) == [[0]] * 6
    assert not any(doubted(one) for look in looks[1:] for one in look)


def test_a_fast_face_is_found_where_it_is_expected() -> None:
    """Up to thirteen widths a second: the later steps are out of reach from the last place."""
    looks = follow(Tracker(TrackingPolicy(reach=0.8)), [face(0)], [face(70)], [face(170)], [face(300)])
    assert ids(looks) == [[0]] * 4


def test_ids_belong_to_the_instance() -> None:
    one, other = Tracker(), Tracker()
    follow(one, [face(0), face(300), face(600)])
    assert ids(follow(other, [face(0)])) == [[0]]


def test_a_scene_cut_ends_every_track() -> None:
    tracker = Tracker()
    follow(tracker, [face(0), face(300)])
    found = tracker.update(at(1), [face(0), face(300)], scene_cut=True)
    assert [(one.track_id, one.is_new) for one in found] == [(2, True), (3, True)]


@pytest.mark.parametrize("time", [0, -1])
def test_a_look_out_of_order_begins_new_tracks(time: int) -> None:
    tracker = Tracker()
    follow(tracker, [face(0)])
    assert tracker.update(at(time), [face(0)])[0].is_new


def test_a_short_absence_keeps_the_track_and_a_long_one_ends_it() -> None:
    tracker = Tracker()
    assert ids(follow(tracker, [face(0)], [], [face(0)])) == [[0], [], [0]]
    assert ids(follow(tracker, [face(0)], start=6)) == [[1]]


@pytest.mark.parametrize(("side", "followed"), [(150, True), (65, True), (170, False), (58, False)])
def test_a_face_of_another_size_is_another_face(side: int, followed: bool) -> None:
    looks = follow(Tracker(), [face(0)], [face(0, side=side)])
    assert (looks[1][0].track_id == 0) is followed


def test_a_face_out_of_reach_is_another_face() -> None:
    assert ids(follow(Tracker(), [face(0)], [face(0)], [face(85)])) == [[0], [0], [1]]


def test_who_moves_where_nobody_expected_has_jumped() -> None:
    looks = follow(Tracker(), [face(0)], [face(0)], [face(60)], [face(60)])
    assert [one.jumped for look in looks for one in look] == [False, False, True, False]
    assert ids(looks) == [[0]] * 4


def test_who_changes_size_at_once_has_jumped() -> None:
    looks = follow(Tracker(), [face(0)], [face(0, side=140)])
    assert looks[1][0].jumped


def test_two_who_keep_apart_are_never_in_doubt() -> None:
    looks = follow(Tracker(), *[[face(0), face(110 + number)] for number in range(5)])
    assert ids(looks) == [[0, 1]] * 5
    assert not any(doubted(one) for look in looks[1:] for one in look)


def test_two_who_cross_are_in_doubt_before_they_could_be_exchanged() -> None:
    """Each at 4 widths a second, the one behind hidden for a look while they pass."""
    tracker = Tracker()
    path = [[face(0 + 40 * n), face(400 - 40 * n, 10)] for n in range(4)]
    looks = follow(tracker, *path, [face(160), face(240, 10)])
    assert not any(doubted(one) for one in looks[3])
    assert all(one.overlaps for one in looks[4])
    hidden = tracker.update(at(5), [face(200)])
    assert hidden[0].ambiguous
    apart = tracker.update(at(6), [face(240), face(160, 10)])
    assert all(doubted(one) for one in apart)


@pytest.mark.parametrize("x", range(0, 100, 10))
def test_a_stranger_who_hides_the_face_is_in_doubt_wherever_he_is_seen(x: int) -> None:
    """Somebody comes from the right; at the next look there is one face only: whose?"""
    looks = follow(Tracker(), [face(0), face(240)], [face(0), face(170)], [face(0), face(110)], [face(x)])
    last = looks[-1][0]
    assert last.track_id != 0 or doubted(last)


def test_the_doubt_lasts_while_the_hidden_one_may_be_there() -> None:
    tracker = Tracker()
    follow(tracker, [face(0), face(150)], [face(0), face(110)])
    looks = follow(tracker, [face(5)], [face(5)], start=2)
    assert all(look[0].ambiguous for look in looks)
    assert not follow(tracker, [face(5)], start=6)[0][0].ambiguous


def test_a_new_face_where_the_known_one_may_have_gone_is_doubt() -> None:
    looks = follow(Tracker(), [face(0)], [face(0)], [face(0), face(70)])
    assert looks[2][0].ambiguous
    assert looks[2][1].is_new


def test_both_sides_of_a_confusion_are_in_doubt() -> None:
    """A fast exchange: each is seen nearer to where the other was."""
    looks = follow(Tracker(), [face(0), face(60, 60)], [face(28, 28), face(32, 32)])
    assert all(one.ambiguous for one in looks[1])


def test_boxes_that_share_much_are_in_doubt_and_those_that_touch_are_not() -> None:
    looks = follow(Tracker(), [face(0), face(80), face(300), face(390)])
    assert [one.overlaps for one in looks[0]] == [True, True, False, False]


def test_a_small_box_inside_a_large_one_overlaps() -> None:
    assert [one.overlaps for one in Tracker().update(at(0), [face(0), face(0, side=20)])] == [True, True]


def test_a_sure_detection_takes_its_track_before_a_weak_one_that_lies_better() -> None:
    tracker = Tracker()
    follow(tracker, [face(0)])
    found = tracker.update(at(1), [face(2, side=100), face(25)], [0.25, 0.9])
    assert [one.track_id for one in found] == [1, 0]
    assert found[1].ambiguous


def test_a_weak_detection_continues_a_track_that_no_sure_one_wants() -> None:
    tracker = Tracker()
    tracker.update(at(0), [face(0)], [0.9])
    assert tracker.update(at(1), [face(5)], [0.21])[0].track_id == 0


@pytest.mark.parametrize("bad", [Box(5, 5, 5, 5), Box(9, 9, 1, 1), Box(float("nan"), 0, 1, 1), Box(0, 0, 1e308, 1e308)])
def test_odd_boxes_are_tracks_of_their_own(bad: Box) -> None:
    tracker = Tracker()
    follow(tracker, [face(0), bad])
    found = tracker.update(at(1), [face(0), bad])
    assert found[0].track_id == 0
    assert len({one.track_id for one in found}) == 2


def test_overlap_of_smaller() -> None:
    assert overlap_of_smaller([]).shape == (0, 0)
    shares = overlap_of_smaller([Box(0, 0, 10, 10), Box(5, 0, 15, 10), Box(2, 2, 4, 4), Box(50, 0, 60, 10)])
    expected: list[list[float]] = [[0, 0.5, 1, 0], [0.5, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(shares, expected)


@given(st.lists(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 300)), max_size=6), max_size=8))
def test_each_face_has_one_track_and_no_id_is_used_twice(looks: list[list[tuple[int, int]]]) -> None:
    tracker = Tracker()
    known: set[int] = set()
    for number, centres in enumerate(looks):
        found = tracker.update(at(number), [face(x, y) for x, y in centres])
        now = [one.track_id for one in found]
        assert [one.index for one in found] == list(range(len(centres)))
        assert len(set(now)) == len(now)
        assert all((one.track_id in known) is not one.is_new for one in found)
        known |= set(now)
