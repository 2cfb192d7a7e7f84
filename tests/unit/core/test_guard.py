"""What trips the output guard, and what it does then."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicast.core.guard import (
    MOST_KEPT,
    Explanation,
    FrameId,
    Guard,
    GuardPolicy,
    SeenFace,
    clear_boxes,
    hidden_share,
    unexplained,
)
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Box, PersonId, Reason, Style, TrackId, TrackVerdict, Verdict
from mosaicast.imaging.masking import mask_yuv420

SIZE_WH = (320, 180)
FACE = Box(100, 40, 160, 120)
OTHER = Box(220, 40, 280, 120)
FRAME = FrameId(1, 7)
ANN = PersonId("ann")


def picture(seed: int = 1) -> np.ndarray:
    """Luma with detail everywhere, coarse and fine."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(40, 200, (18, 32)), np.ones((10, 10)))
    luma: np.ndarray = np.clip(coarse + rng.integers(-30, 31, (180, 320)), 0, 255).astype(np.uint8)
    return luma


def painted(luma: np.ndarray, *boxes: Box, style: Style = Style.MOSAIC) -> np.ndarray:
    after = luma.copy()
    chroma = np.full((90, 160), 128, np.uint8)
    mask_yuv420(after, chroma, chroma.copy(), boxes, style)
    return after


@cache
def explained(*boxes: Box, clear: tuple[Box, ...] = (), style: Style = Style.MOSAIC) -> Explanation:
    before = picture()
    return Explanation(before, painted(before, *boxes, style=style), clear, SIZE_WH)


def seen(box: Box = FACE, score: float = 0.9) -> SeenFace:
    return SeenFace(box, score)


def grown(box: Box, by: float) -> Box:
    return Box(box.x1 - by, box.y1 - by, box.x2 + by, box.y2 + by)


@pytest.mark.parametrize(
    ("faces", "by", "found"),
    [
        ([], explained(), 0),
        ([seen()], explained(), 1),
        ([seen(), seen(OTHER)], explained(), 2),
        ([seen()], explained(grown(FACE, 16)), 0),
        ([seen()], explained(grown(FACE, 16), style=Style.BLUR), 0),
        ([seen()], explained(grown(FACE, 16), style=Style.SOLID), 0),
        ([seen()], explained(OTHER), 1),
        ([seen()], explained(Box(100, 40, 160, 70)), 1),
        ([seen()], explained(clear=(FACE,)), 0),
        ([seen()], explained(clear=(grown(FACE, 10),)), 0),
        ([seen()], explained(clear=(OTHER,)), 1),
        ([seen(score=0.1)], explained(), 0),
        ([seen(Box(100, 40, 112, 52))], explained(), 0),
        ([seen(Box(-40, -40, 30, 40))], explained(), 1),
        ([seen(Box(-400, -400, -300, -300))], explained(), 0),
        ([seen(Box(300, 100, 900, 900))], explained(), 1),
    ],
)
def test_what_trips(faces: list[SeenFace], by: Explanation, found: int) -> None:
    assert len(unexplained(faces, by, GuardPolicy())) == found


def test_a_plan_that_was_not_painted_explains_nothing() -> None:
    """The pixels count, not what somebody wanted to do with them."""
    luma = picture()
    assert hidden_share(Explanation(luma, luma, (), SIZE_WH), FACE) == 0.0


def test_a_mosaic_too_fine_to_hide_a_face_explains_nothing() -> None:
    luma = picture()
    fine = luma.copy()
    for y in range(40, 120, 2):
        for x in range(100, 160, 2):
            fine[y : y + 2, x : x + 2] = luma[y : y + 2, x : x + 2].mean()
    by = Explanation(luma, fine, (), SIZE_WH)
    assert hidden_share(by, FACE) < hidden_share(explained(grown(FACE, 16)), FACE)


def test_one_person_who_may_be_seen_explains_one_face() -> None:
    """A stranger whose face is beside hers, in the same place, is not she."""
    behind = Box(110, 50, 170, 130)
    (left,) = unexplained([seen(behind, 0.6), seen(FACE)], explained(clear=(FACE,)), GuardPolicy())
    assert left.box == behind


def test_the_largest_comes_first() -> None:
    faces = [seen(OTHER), seen(Box(10, 10, 110, 160))]
    assert unexplained(faces, explained(), GuardPolicy())[0].box.width == 100


def test_luma_may_be_smaller_than_the_frame() -> None:
    by = explained(grown(FACE, 16))
    large = Explanation(by.before, by.after, (), (640, 360))
    assert hidden_share(large, Box(200, 80, 320, 240)) == pytest.approx(hidden_share(by, FACE), abs=0.05)
    assert hidden_share(large, Box(440, 80, 560, 240)) == 0.0


def test_a_box_without_detail_trips_nothing() -> None:
    grey = np.full((180, 320), 90, np.uint8)
    by = Explanation(grey, painted(grey, FACE), (), SIZE_WH)
    assert 0.0 <= hidden_share(by, FACE) <= 1.0


coordinate = st.floats(-1e4, 1e4)


@settings(deadline=None)
@given(coordinate, coordinate, st.floats(0.1, 1e4), st.floats(0.1, 1e4))
def test_any_box_has_a_share(x: float, y: float, width: float, height: float) -> None:
    by = explained(FACE)
    assert 0.0 <= hidden_share(by, Box(x, y, x + width, y + height)) <= 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([FACE, OTHER, Box(10, 10, 60, 60)]), st.floats(0, 1)), max_size=5))
def test_more_masks_and_more_clear_people_never_trip_more(faces: list[tuple[Box, float]]) -> None:
    sightings = [SeenFace(*face) for face in faces]
    bare = unexplained(sightings, explained(), GuardPolicy())
    assert set(unexplained(sightings, explained(grown(FACE, 16)), GuardPolicy())) <= set(bare)
    assert set(unexplained(sightings, explained(clear=(FACE,)), GuardPolicy())) <= set(bare)
    assert unexplained(sightings, explained(Box(0, 0, 320, 180)), GuardPolicy()) == ()


def track(box: Box, *, clear: bool = True, person: PersonId | None = ANN, number: int = 1) -> TrackVerdict:
    reason = Reason.ENROLLED if clear else Reason.UNKNOWN
    return TrackVerdict(TrackId(number), box, clear, reason, person)


def verdict(tenths: int, *tracks: TrackVerdict) -> Verdict:
    return Verdict(Fraction(tenths, 10), tracks)


@pytest.mark.parametrize(
    ("later", "visible", "boxes"),
    [
        ([track(Box(120, 40, 180, 120))], {ANN}, 1),
        ([track(Box(120, 40, 180, 120))], set(), 0),
        ([track(Box(120, 40, 180, 120), clear=False)], {ANN}, 0),
        ([track(Box(120, 40, 180, 120), person=PersonId("bob"))], {ANN, "bob"}, 0),
        ([track(Box(120, 40, 180, 120), number=2)], {ANN}, 0),
        ([], {ANN}, 0),
    ],
)
def test_clear_only_if_earned_at_both_ends(later: list[TrackVerdict], visible: set[PersonId], boxes: int) -> None:
    found = clear_boxes(verdict(0, track(FACE)), verdict(1, *later), Fraction(1, 20), visible)
    assert found == ((Box(110, 40, 170, 120),) if boxes else ())


def test_a_frame_that_was_looked_at_has_one_verdict() -> None:
    one = verdict(3, track(FACE), track(OTHER, clear=False, number=2))
    assert clear_boxes(one, one, one.time, {ANN}) == (FACE,)


@pytest.mark.parametrize(
    ("at", "around"), [(-1, None), (0, (0, 0)), (1, (0, 2)), (2, (2, 2)), (3, (2, 4)), (4, (4, 4)), (5, None)]
)
def test_the_verdicts_around_a_frame(at: int, around: tuple[int, int] | None) -> None:
    timeline = Timeline()
    for tenths in (4, 0, 2):
        timeline.add(verdict(tenths, track(FACE)))
    bracket = timeline.bracket(Fraction(at, 10))
    assert (bracket and (int(bracket[0].time * 10), int(bracket[1].time * 10))) == around


def test_a_trip_covers_from_the_answer_on_and_another_extends_it() -> None:
    guard = Guard(1.0)
    for index, at_s in ((1, 10.0), (2, 11.0)):
        assert guard.due(at_s)
        guard.keep(FrameId(1, index), explained(), at_s)
    assert not guard.covers(11.0)
    trip = guard.answer(FrameId(1, 1), [seen()], 11.2)
    assert trip is not None
    assert (trip.frame, trip.worst, trip.faces) == (FrameId(1, 1), seen(), 1)
    assert guard.covers(13.1)
    assert guard.answer(FrameId(1, 2), [seen()], 12.0) is not None
    assert guard.covers(13.9)
    assert not guard.covers(14.0)


def test_what_is_explained_covers_nothing() -> None:
    guard = Guard(1.0)
    guard.keep(FRAME, explained(grown(FACE, 16)), 10.0)
    assert guard.answer(FRAME, [seen()], 10.1) is None
    assert not guard.covers(10.1)


def test_answers_about_frames_that_nobody_asked_for_do_nothing() -> None:
    guard = Guard(1.0)
    assert guard.answer(FRAME, [seen()], 10.0) is None
    guard.keep(FRAME, explained(), 10.0)
    assert guard.answer(FrameId(2, 7), [seen()], 10.0) is None
    assert guard.answer(FRAME, [seen()], 10.0) is not None
    assert guard.answer(FRAME, [seen()], 20.0) is None, "the log may repeat it"
    assert not guard.covers(20.0)


def test_looks_are_an_interval_apart_and_the_first_after_a_trip_is_at_its_end() -> None:
    guard = Guard(0.25)
    guard.keep(FRAME, explained(), 10.0)
    assert not guard.due(13.9)
    assert guard.due(14.0)
    guard.answer(FRAME, [seen()], 10.5)
    assert not guard.due(12.4)
    assert guard.due(12.5), "a painter that is still broken shows for one frame and an answer, not for an interval"


def test_a_guard_that_is_off_never_looks() -> None:
    assert not Guard(0.0).due(1e12)


def test_without_answers_nothing_is_covered_and_little_is_kept() -> None:
    guard = Guard(10.0)
    for index in range(100):
        guard.keep(FrameId(1, index), explained(), index / 10)
        assert not guard.covers(index / 10)
    kept = [index for index in range(100) if guard.answer(FrameId(1, index), [seen()], 10.0)]
    assert kept == list(range(100 - MOST_KEPT, 100))


@pytest.mark.parametrize(
    ("masked_from", "score", "trips"), [(0.2, 0.55, False), (0.2, 0.65, True), (0.6, 0.65, False), (0.6, 0.75, True)]
)
def test_what_a_stream_leaves_bare_on_purpose_trips_nothing(masked_from: float, score: float, trips: bool) -> None:
    guard = Guard(1.0)
    guard.sees_from(0.6)
    guard.sees_from(masked_from)
    guard.keep(FRAME, explained(), 10.0)
    assert (guard.answer(FRAME, [seen(score=score)], 10.1) is not None) == trips
