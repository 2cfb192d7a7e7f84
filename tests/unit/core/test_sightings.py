"""How one look at a track follows another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.sightings import Sighting, outermost, step
from mosaicast.core.types import Box, Reason, TrackId, TrackVerdict

boxes = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height), *[st.integers(0, 9)] * 2, *[st.integers(1, 9)] * 2
)


def look(at_s: float, x: float, *, width: float = 40) -> Sighting:
    return Sighting(at_s, TrackVerdict(TrackId(1), Box(x, 100, x + width, 150), False, Reason.UNKNOWN))


def test_a_steady_walk_does_not_swerve_whatever_the_times_between_looks() -> None:
    before, one, other, after = look(0.0, 0), look(0.1, 20), look(0.3, 60), look(0.4, 80)
    made = step(before, one, other, after)
    assert made.displacement == pytest.approx(1)
    assert (made.resized, made.swerve) == pytest.approx((1, 0))


@pytest.mark.parametrize("early", [True, False])
def test_a_step_swerves_by_its_distance_from_where_either_neighbour_leads(early: bool) -> None:
    still, moved = [look(0.0, 0), look(0.1, 0)], [look(0.2, 16), look(0.3, 16)]
    made = step(still[0], still[1], moved[0], None) if early else step(None, still[1], moved[0], moved[1])
    assert made.swerve == pytest.approx(0.4)
    assert step(None, still[1], moved[0], None).swerve == 0, "two looks alone are a walk"


@pytest.mark.parametrize(("one", "other"), [(50, 40), (40, 50)])
def test_a_step_tells_how_much_larger_the_larger_box_is(one: int, other: int) -> None:
    assert step(None, look(0, 0, width=one), look(1, 0, width=other), None).resized == pytest.approx(1.25)


def _pixels(found: list[Box]) -> set[tuple[int, int]]:
    return {(x, y) for box in found for x in range(int(box.x1), int(box.x2)) for y in range(int(box.y1), int(box.y2))}


@given(st.lists(boxes, max_size=8))
def test_the_outermost_boxes_cover_what_all_do_and_none_lies_in_another(found: list[Box]) -> None:
    kept = list(outermost(found))
    assert _pixels(kept) == _pixels(found)
    assert all(_pixels([one]) - _pixels([other]) for one in kept for other in kept if one is not other)


def test_a_box_that_is_not_finite_lies_in_no_other() -> None:
    wild = Box(float("nan"), 0, 5, 5)
    assert wild in list(outermost([Box(-9, -9, 9, 9), wild]))
