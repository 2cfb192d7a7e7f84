"""What networks that tell how well they see a face say of a look: whether it counts, and what it is like."""

from dataclasses import dataclass

import numpy as np
import pytest

from mosaicast.core.identity import Likeness, View
from mosaicast.core.types import TrackId
from mosaicast.pipeline.ports import Quality
from mosaicast.pipeline.recent import RecentVectors, Seen, Vector, view_of

QUALITY = Quality(votes_from=2.0, clear_from=3.0, like_before=0.35, like_own=0.6)
X, Y = np.eye(2, dtype=np.float32)
FIRST, OTHER = TrackId(1), TrackId(2)


@dataclass(frozen=True)
class Request:
    ask: int
    track_id: TrackId = FIRST
    since: int = 0
    window: int = 5
    own: tuple[int, ...] = ()
    stream_id: str = "s"
    epoch: int = 1


def at(degrees: float) -> Vector:
    """Return a vector so far from X."""
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def seen(recent: RecentVectors, request: Request, vector: Vector, length: float = 5.0, now: float = 0.0) -> Seen:
    found = recent.look(request, vector, length, now).seen
    assert found is not None
    return found


@pytest.mark.parametrize(("length", "votes", "clear"), [(1.9, False, False), (2.0, True, False), (3.0, True, True)])
def test_the_length_says_whether_a_look_counts(length: float, votes: bool, clear: bool) -> None:
    found = seen(RecentVectors(QUALITY), Request(1), X, length)
    assert (found.votes, found.clear) == (votes, clear)


@pytest.mark.parametrize(
    ("degrees", "likeness"), [(0, Likeness.SAME), (52, Likeness.SAME), (60, Likeness.LIKE), (80, Likeness.UNLIKE)]
)
def test_a_look_is_held_against_the_one_before_it(degrees: float, likeness: Likeness) -> None:
    recent = RecentVectors(QUALITY)
    assert seen(recent, Request(1), X).before == {}
    assert seen(recent, Request(2), at(degrees)).before == {1: likeness}


def test_one_that_is_hardly_seen_is_held_against_nothing_and_nothing_against_it() -> None:
    recent = RecentVectors(QUALITY)
    seen(recent, Request(1), X)
    assert seen(recent, Request(2), X, 1.0).before == {}
    assert seen(recent, Request(3), X).before == {1: Likeness.SAME}
    assert not seen(recent, Request(4, own=(1, 3)), X, 1.0).own


def test_nor_against_one_of_before_a_doubt_or_of_long_ago_or_of_another_track() -> None:
    recent = RecentVectors(QUALITY)
    seen(recent, Request(1), X)
    seen(recent, Request(1, OTHER), X)
    assert seen(recent, Request(2, since=2), X).before == {}
    assert set(seen(recent, Request(3), X, now=0.5).before) == {1, 2}
    assert seen(recent, Request(4), X, now=0.6 + RecentVectors.LIFE_S).before == {}


def test_means_are_weighted_by_length_and_leave_out_what_has_no_vote() -> None:
    recent = RecentVectors(QUALITY)
    recent.look(Request(1), X, 2.0, 0.0)
    recent.look(Request(2), at(60), 1.0, 0.0)
    mean = recent.look(Request(3), at(50), 6.0, 0.0).mean
    wanted = 2 * X + 6 * at(50)
    np.testing.assert_allclose(mean, wanted / np.linalg.norm(wanted), rtol=1e-5)


def test_means_begin_anew_where_the_face_may_be_another() -> None:
    recent = RecentVectors(QUALITY)
    recent.look(Request(1), X, 5.0, 0.0)
    np.testing.assert_allclose(recent.look(Request(2), Y, 5.0, 0.0).mean, Y)
    mean = recent.look(Request(3), at(80), 5.0, 0.0).mean
    np.testing.assert_allclose(mean, at(85), rtol=1e-5)


def test_own_looks_live_as_long_as_requests_name_them() -> None:
    recent = RecentVectors(QUALITY)
    recent.look(Request(1), X, 5.0, 0.0)
    for ask in range(2, 60):
        found = seen(recent, Request(ask, own=(1,)), at(40), now=0.3 * ask)
        assert found.own
    assert not seen(recent, Request(60), X, now=18.0).own
    assert not seen(recent, Request(61, own=(1,)), X, now=18.1).own, "what was forgotten does not come back"


def test_own_looks_are_forgotten_with_the_track() -> None:
    recent = RecentVectors(QUALITY)
    recent.look(Request(1), X, 5.0, 0.0)
    recent.look(Request(2, own=(1,)), X, 5.0, 0.1)
    recent.forget_before(0.2)
    assert len(recent) == 0
    assert not seen(recent, Request(3, own=(1, 2)), X, now=0.3).own


def test_a_look_that_is_less_like_them_than_the_limit_is_not_like_its_own() -> None:
    recent = RecentVectors(QUALITY)
    recent.look(Request(1), X, 5.0, 0.0)
    assert seen(recent, Request(2, own=(1,)), at(52)).own
    assert not seen(recent, Request(3, own=(1,)), at(60)).own


@pytest.mark.parametrize("quality", [None, Quality(), Quality(votes_from=1.0, clear_from=2.0, like_own=0.6)])
def test_a_network_that_was_not_measured_whole_tells_nothing_and_weighs_all_alike(quality: Quality | None) -> None:
    recent = RecentVectors(quality)
    assert recent.look(Request(1), X, 0.1, 0.0).seen is None
    found = recent.look(Request(2), Y, 9.0, 0.0)
    assert found.seen is None
    np.testing.assert_allclose(found.mean, at(45), rtol=1e-6)


def one(votes: bool = True, clear: bool = True, own: bool = True, **before: Likeness) -> Seen:
    return Seen(votes, clear, {int(ask[1:]): likeness for ask, likeness in before.items()}, own)


SAME, LIKE, UNLIKE, NONE = Likeness.SAME, Likeness.LIKE, Likeness.UNLIKE, Likeness.NONE


@pytest.mark.parametrize(
    ("told", "view"),
    [
        ([one(a1=SAME), one(a1=SAME)], View(True, True, SAME, own=True)),
        ([one(a1=SAME), one(a1=UNLIKE)], View(True, True, UNLIKE, own=True)),
        ([one(a1=SAME), one(a1=LIKE, own=False)], View(True, True, LIKE, own=False)),
        ([one(a1=SAME, a2=LIKE), one(a1=UNLIKE, a2=SAME)], View(True, True, LIKE, own=True)),
        ([one(a1=SAME, a2=UNLIKE), one(a1=SAME)], View(True, True, SAME, own=True)),
        ([one(a1=SAME), one(a2=SAME)], View(True, True, NONE, own=True)),
        ([one(a1=SAME), one(votes=False)], View(False, True, NONE, own=False)),
        ([one(a1=SAME), one(clear=False, a1=SAME)], View(True, False, SAME, own=True)),
        ([one(a1=SAME)], View(True, True, SAME, own=True)),
        ([one(a1=SAME), None], None),
        ([None], None),
        ([], None),
    ],
)
def test_the_network_that_is_less_sure_decides(told: list[Seen | None], view: View | None) -> None:
    assert view_of(told) == view
