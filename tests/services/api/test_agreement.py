"""Whether photos show one person, and what is said when they don't."""

from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.models.registry import Agreement
from services.api.people.agreement import Likeness, agreeing, largest, likeness
from services.api.people.enrollment import asked
from services.api.people.face_models import Network
from services.api.people.naming import disagreeing, listed, too_many


@pytest.mark.parametrize(
    ("alike", "groups"),
    [
        (np.zeros((0, 0)), []),
        ([[9.0]], [[0]]),
        ([[9, 0.5], [0.5, 9]], [[0, 1]]),
        ([[9, 0.4], [0.4, 9]], [[0], [1]]),
        ([[9, np.nan], [np.nan, 9]], [[0], [1]]),
        ([[9, 2, 0], [2, 9, 0], [0, 0, 9]], [[0, 1], [2]]),
        ([[9, 0, 2], [0, 9, 0], [2, 0, 9]], [[0, 2], [1]]),
        ([[9, 0, 0], [0, 9, 0], [0, 0, 9]], [[0], [1], [2]]),
        ([[9, 2, 0, 0], [2, 9, 0, 0], [0, 0, 9, 2], [0, 0, 2, 9]], [[0, 1], [2, 3]]),
    ],
)
def test_groups_that_agree(alike: Any, groups: list[list[int]]) -> None:
    assert agreeing(by_likeness(alike)) == groups


def by_likeness(alike: Any, above_crowd: float = 0.0) -> Likeness:
    """In deviations above strangers, and above the crowd, of which 0.5 and -0.5 are asked."""
    square = np.asarray(alike, np.float64)
    return Likeness(square - 0.5, np.full_like(square, above_crowd + 0.5))


def test_who_are_no_more_alike_than_the_crowd_are_two_people() -> None:
    alike = np.full((2, 2), 2.0)
    assert agreeing(by_likeness(alike, -0.5)) == [[0, 1]]
    assert agreeing(by_likeness(alike, -0.6)) == [[0], [1]]


def test_one_pair_that_is_alike_does_not_join_two_people() -> None:
    alike = np.full((6, 6), 0.2)
    alike[:3, :3] = alike[3:, 3:] = 3.0
    alike[2, 3] = alike[3, 2] = 2.5
    assert agreeing(by_likeness(alike)) == [[0, 1, 2], [3, 4, 5]]


def test_a_face_that_is_unlike_one_of_the_others_stays_with_them() -> None:
    alike = np.array([[9, 2.0, 2.0, 0.2], [2.0, 9, 2.0, 1.4], [2.0, 2.0, 9, 1.6], [0.2, 1.4, 1.6, 9]])
    assert agreeing(by_likeness(alike)) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ([], None),
        ([[0]], [0]),
        ([[0], [1]], None),
        ([[0, 2], [1]], [0, 2]),
        ([[0, 2], [1, 3], [4]], None),
        ([[0, 2, 4], [1, 3], [5, 6]], [0, 2, 4]),
    ],
)
def test_the_largest_group_counts_and_no_tie(groups: list[list[int]], kept: list[int] | None) -> None:
    assert largest(groups) == kept


DLIB = asked(Network("dlib_resnet", "1", 4))


def test_the_packaged_networks_were_measured_and_others_have_no_say() -> None:
    assert Agreement(0.907, 0.037) == DLIB
    assert asked(Network("facenet_casia", "1", 4)) == Agreement(0.414, 0.162)
    assert asked(Network("arcface", "1", 4)) is None
    assert asked(Network("never heard of", "1", 4)) is None


def test_likeness_knows_only_measured_networks() -> None:
    same = (np.full(4, 0.5, np.float32),)
    assert likeness([same, same], [(0.9,), (0.9,)], [None]) is None
    assert likeness([], [], [DLIB]) is None
    found = likeness([same, same], [(0.9,), (0.95,)], [DLIB])
    assert found is not None
    assert found.alike[0, 1] == pytest.approx((1 - 0.907) / 0.037 - 0.5, rel=1e-4)
    assert found.above_crowd[0, 1] == pytest.approx((1 - 0.95) / 0.037 + 0.5, rel=1e-4)
    assert found.above_crowd[0, 0] == pytest.approx((1 - 0.9) / 0.037 + 0.5, rel=1e-4)


def test_each_network_asks_what_its_profile_says() -> None:
    one, other = (np.array([[1.0, 0], [0.6, 0.8]], np.float32) for _ in range(2))
    faces = [(one[0], other[0]), (one[1], other[1])]
    crowd = [(-1.0, -1.0)] * 2
    lenient, strict = Agreement(0.5, 0.1, least=0.5), Agreement(0.5, 0.1, least=2.0)
    for asking, excess in (([lenient, lenient], 0.5), ([strict, strict], -1.0), ([lenient, strict], -0.25)):
        found = likeness(faces, crowd, asking)
        assert found is not None
        assert found.excess([0], [1]) == pytest.approx(excess, abs=1e-5)
    near_crowd = likeness(faces, [(0.6, -1.0)] * 2, [Agreement(0.0, 0.1, above_crowd=0.5), None])
    assert near_crowd is not None
    assert near_crowd.excess([0], [1]) == pytest.approx(-0.5, abs=1e-5)


def test_names_are_listed_as_people_do() -> None:
    assert listed(["a.jpg"]) == "a.jpg"
    assert listed(["a.jpg", "b.jpg"]) == "a.jpg and b.jpg"
    assert listed(["a.jpg", "b.jpg", "c.jpg"]) == "a.jpg, b.jpg and c.jpg"
    assert listed([str(i) for i in range(13)]).endswith("8, 9 and 3 more")
    assert len(listed(["x" * 5000] * 90)) < 1200


NAMES = [f"{i}.jpg" for i in range(1, 24)]


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ([], "leave out 21.jpg, 22.jpg and 23.jpg, the last"),
        ([("4.jpg", "blurred")], "leave out 4.jpg (blurred), 22.jpg and 23.jpg, the useless and the last"),
        (
            [("4.jpg", "blurred"), ("5.jpg", "too_dark"), ("6.jpg", "no_face"), ("7.jpg", "no_face")],
            "leave out 4.jpg (blurred), 5.jpg (too_dark) and 6.jpg (no_face), which can't be used",
        ),
    ],
)
def test_of_too_many_photos_it_is_said_which_to_leave_out(faults: list[tuple[str, str]], says: str) -> None:
    assert too_many(20, faults, NAMES) == f"at most 20 photos, and these are 23; {says}"


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ([["a"], ["b"]], "the two photos do not show the same person"),
        ([["a"], ["b"], ["c"]], "no two of them are alike"),
        ([["a", "b"], ["c", "d"], ["e"]], "one person: a and b show one person, c and d another; send"),
    ],
)
def test_a_tie_is_told(groups: list[list[str]], says: str) -> None:
    assert says in disagreeing(groups)
