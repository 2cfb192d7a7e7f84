"""Stretches of one face, thinning, and looks that are far apart."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mosaicast.core.looks import Stretches, Thinned, distances, farthest
from mosaicast.core.tracking import Tracked, Tracker
from mosaicast.core.types import Box, TrackId

BOX = Box(0, 0, 50, 50)


def seen(track: int, **flags: bool) -> Tracked:
    return Tracked(TrackId(track), BOX, 0, **flags)


def test_a_face_that_goes_on_is_one_stretch() -> None:
    stretches = Stretches()
    assert stretches.update([]) == []
    assert stretches.update([seen(3, is_new=True), seen(4, is_new=True)]) == [0, 1]
    assert stretches.update([seen(4), seen(3)]) == [1, 0]


@pytest.mark.parametrize("doubt", ["ambiguous", "overlaps", "jumped"])
def test_doubt_ends_a_stretch(doubt: str) -> None:
    stretches = Stretches()
    stretches.update([seen(3, is_new=True)])
    assert stretches.update([seen(3, **{doubt: True})]) == [None]
    assert stretches.update([seen(3)]) == [1], "what comes after is another one"


def test_a_face_that_was_away_for_one_sample_is_another_stretch() -> None:
    stretches = Stretches()
    stretches.update([seen(3, is_new=True), seen(4, is_new=True)])
    stretches.update([seen(4)])
    assert stretches.update([seen(3), seen(4)]) == [2, 1]


def test_a_cut_ends_all_of_them() -> None:
    stretches = Stretches()
    stretches.update([seen(3, is_new=True)])
    assert stretches.update([seen(3)], broken=True) == [1]


def test_a_tracks_number_that_comes_anew_is_another_stretch() -> None:
    stretches = Stretches()
    stretches.update([seen(3, is_new=True)])
    assert stretches.update([seen(3, is_new=True)]) == [1]


@given(st.lists(st.lists(st.tuples(st.floats(0, 900), st.floats(20, 200)), max_size=4), max_size=12))
def test_no_stretch_holds_two_faces_of_one_sample_nor_goes_over_a_hole(film: list[list[tuple[float, float]]]) -> None:
    tracker, stretches, newest = Tracker(), Stretches(), dict[int, int]()
    for place, faces in enumerate(film):
        tracked = tracker.update(Fraction(place, 10), [Box(x, 0, x + side, side) for x, side in faces])
        numbers = [one for one in stretches.update(tracked) if one is not None]
        assert len(set(numbers)) == len(numbers)
        for number in numbers:
            assert newest.get(number, place - 1) == place - 1
            newest[number] = place


@given(st.integers(2, 9), st.integers(0, 500))
def test_thinned_items_are_few_even_and_in_order(most: int, count: int) -> None:
    thinned = Thinned[int](most)
    made = 0
    for number in range(count):
        made += thinned.wants_next
        thinned.add(number if thinned.wants_next else None)
    kept = thinned.items
    assert len(kept) <= most
    assert len(kept) >= min(count, most // 2)
    assert kept[:1] == [0][:count]
    assert len({later - earlier for earlier, later in itertools.pairwise(kept)}) <= 1
    assert made <= most * (2 + count.bit_length())


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


LOOKS = st.integers(0, 12).flatmap(
    lambda count: st.tuples(st.just(count), st.integers(0, 2**32 - 1), st.integers(0, 14))
)


@given(LOOKS)
def test_the_farthest_are_looks_each_once_and_no_further_apart_than_those_before(case: tuple[int, int, int]) -> None:
    count, seed, most = case
    rng = np.random.default_rng(seed)
    apart = distances([unit(rng.normal(size=(count, 6)) + 1), unit(rng.normal(size=(count, 9)))])
    assert apart.shape == (count, count)
    chosen = farthest(apart, most)
    assert len(set(chosen)) == len(chosen) == min(count, most)
    nearest = [min(apart[one][other] for other in chosen[:place]) for place, one in enumerate(chosen) if place]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(nearest))
    if chosen:
        assert apart[chosen[0]].sum() == pytest.approx(apart.sum(axis=1).min())


def test_both_networks_count_alike_whatever_their_cosines_are() -> None:
    wide = unit(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    narrow = unit(np.array([[1.0, 0.01, 0], [1.0, 0, 0.01], [1.0, 0.03, 0]]))
    both = distances([wide, narrow])
    assert [both[0, 1], both[0, 2], both[1, 2]] == pytest.approx([(1 + 0.5) / 2, (1 + 1) / 2, (1 + 2.5) / 2], rel=0.01)


def test_looks_that_are_equal_count_once() -> None:
    same = unit(np.ones((5, 4)))
    assert len(farthest(distances([same]), 10)) == 1
    assert farthest(distances([np.zeros((0, 4), np.float32)]), 10) == []
    assert farthest(distances([same[:1]]), 10) == [0]


def test_it_begins_with_the_usual_one_not_with_an_odd_one() -> None:
    vectors = unit(np.array([[0.0, 0, 1], [1, 0.1, 0], [1, 0, 0], [1, -0.1, 0]]))
    chosen = farthest(distances([vectors]), 2)
    assert chosen == [2, 0]
