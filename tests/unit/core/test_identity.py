"""Nobody becomes visible by mistake, and who is clear stays so only while looks confirm it."""

import itertools
import math

import pytest

from mosaicast.core.identity import FaceQuality, IdentityPolicy, Match
from mosaicast.core.pose import pitch_ratio, yaw_ratio
from mosaicast.core.types import PersonId, Reason
from tests.unit.core.identity_script import (
    ANA,
    BEN,
    FRONTAL,
    GOOD,
    POLICY,
    SURE,
    TURNED,
    Script,
    like,
    reasons,
    seen,
)

# --- earning --------------------------------------------------------------------------------------------------


def test_a_face_is_masked_at_its_first_look_and_asked_for() -> None:
    script = Script()
    assert reasons(script.look(seen(1))) == [Reason.PENDING]
    assert [(want.track_id, want.urgent) for want in script.wanted] == [(1, False)]


def test_three_agreeing_votes_over_time_make_it_clear() -> None:
    script = Script()
    clear = []
    for _ in range(10):
        clear.append(script.look(seen(1))[0].clear)
        script.answer_all(t1=like(ANA))
    # Looks at 0, 0.2 and 0.4 s: the next verdict is the first that is clear.
    assert clear == [False] * 5 + [True] * 5


def test_votes_at_one_instant_are_one() -> None:
    """Answers that were late and come at once: what counts is when the faces were seen."""
    script = Script(IdentityPolicy(first_interval_s=0.0, span_s=0.25))
    script.watch(0.2, like(ANA))
    script.look(seen(1))
    script.now += 0.5
    assert script.answer_all(t1=like(ANA)) == 1
    assert not script.look(seen(1))[0].clear
    script.answer_all(t1=like(ANA))
    assert script.look(seen(1))[0].clear


@pytest.mark.parametrize(
    "matches",
    [
        [],
        like(ANA, POLICY.similarity - 1e-6),
        like(ANA, math.nan),
        like(ANA, math.inf),
        [Match(ANA, SURE), Match(BEN, SURE - POLICY.margin + 1e-6)],
    ],
    ids=["like nobody", "below the threshold", "NaN", "infinite", "like two"],
)
def test_what_is_no_vote(matches: list[Match]) -> None:
    script = Script()
    for _ in range(50):
        assert not script.look(seen(1))[0].clear
        script.answer_all(t1=matches)
    assert reasons(script.look(seen(1))) == [Reason.UNKNOWN]


def test_the_order_of_matches_does_not_count() -> None:
    assert Script().watch(1.0, [Match(BEN, 0.5), Match(ANA, SURE)])[0].person_id == ANA


def test_one_look_against_forgets_the_votes_before() -> None:
    script = Script()
    for matches in [like(ANA), like(ANA), [], like(ANA), like(ANA)]:
        while not script.wanted:
            assert not script.look(seen(1))[0].clear
        script.answer_all(t1=matches)
    assert not script.look(seen(1))[0].clear


def test_votes_for_different_people_do_not_add_up() -> None:
    script = Script()
    for number in range(60):
        assert not script.look(seen(1))[0].clear
        if script.wanted:
            script.answer_all(t1=like(ANA if number % 2 else BEN))
            script.watch(0.2, [])


def test_looks_are_answered_one_at_a_time() -> None:
    script = Script()
    script.look(seen(1))
    assert script.wanted
    for _ in range(5):
        script.look(seen(1))
        assert script.wanted == []


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    script = Script()
    script.look(seen(1))
    late = script.wanted[0]
    for _ in range(11):
        script.look(seen(1))
    assert script.wanted
    assert script.wanted[0].ask != late.ask


def test_a_late_answer_to_an_older_look_counts_for_nothing() -> None:
    script = Script()
    script.watch(0.3, like(ANA))  # one vote short
    while not script.wanted:
        script.look(seen(1))
    asked_before = script.wanted[0]
    script.look(seen(1, ambiguous=True))
    script.look(seen(1))
    for _ in range(4):
        script.answer(asked_before, like(ANA))
    assert not script.watch(0.4, like(ANA))[0].clear


@pytest.mark.parametrize(
    ("quality", "side", "reason"),
    [
        (GOOD, 39.0, Reason.TOO_SMALL),
        (FaceQuality(FRONTAL, 11.0, has_crop=True), 100.0, Reason.DOUBTFUL),
        (FaceQuality(TURNED, 100.0, has_crop=True), 100.0, Reason.DOUBTFUL),
        (FaceQuality(FRONTAL, 100.0, has_crop=False), 100.0, Reason.PENDING),
        (FaceQuality((5.0,) * 10, 100.0, has_crop=True), 100.0, Reason.DOUBTFUL),
    ],
    ids=["small", "blurred", "turned away", "no crop", "landmarks at one point"],
)
def test_a_bad_look_at_a_face_is_not_asked_for(quality: FaceQuality, side: float, reason: Reason) -> None:
    script = Script()
    assert reasons(script.look((seen(1, side), quality))) == [reason]
    assert script.wanted == []


@pytest.mark.parametrize(
    ("landmarks", "expected"),
    [
        (FRONTAL, 0.0),
        (TURNED, 0.9),
        ((0, 0, 0, 10, 5, 5), 0.0),
        ((0, 0, 0, 10, 5, 10), 0.5),
        ((1, 1, 1, 1, 1, 1), math.inf),
    ],
)
def test_turn_is_measured_along_the_eyes(landmarks: tuple[float, ...], expected: float) -> None:
    assert yaw_ratio(landmarks) == pytest.approx(expected)


def test_nan_landmarks_are_turned_away() -> None:
    assert yaw_ratio((math.nan, 0, 1, 0, 0.5, 1)) == math.inf


@pytest.mark.parametrize(("nose_y", "expected"), [(40.0, 0.0), (60.0, 0.5), (80.0, 1.0), (90.0, 1.25)])
def test_how_far_a_face_nods(nose_y: float, expected: float) -> None:
    assert pitch_ratio((30, 40, 70, 40, 50, nose_y, 35, 80, 65, 80)) == pytest.approx(expected)
    assert math.isnan(pitch_ratio((30, 40, 70, 40, 50, nose_y, 30, 40, 70, 40)))


# --- a crowd --------------------------------------------------------------------------------------------------


CROWD = tuple(seen(track) for track in range(2, 10))
"""So many that unknown faces are looked at as seldom as the policy allows."""


def test_unknown_tracks_of_a_crowd_are_asked_for_less_and_less_often() -> None:
    script = Script()
    asked = []
    for _ in range(300):
        script.look(seen(1), *CROWD)
        asked += [script.now for want in script.wanted if want.track_id == 1]
        script.answer_all()
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses[:3] == pytest.approx([0.2] * 3)
    assert pauses[3:7] == pytest.approx([0.3, 0.6, 1.2, 2.0], abs=0.11)
    assert pauses[7:] == pytest.approx([POLICY.retry_s[1]] * len(pauses[7:]), abs=0.11)


@pytest.mark.parametrize(("faces", "pause_s"), [(1, 0.3), (4, 1.0), (6, 1.5), (20, 2.0)])
def test_unknown_faces_share_four_looks_a_second(faces: int, pause_s: float) -> None:
    script = Script()
    asked = []
    for _ in range(300):
        script.look(*(seen(track) for track in range(1, faces + 1)))
        asked += [script.now for want in script.wanted if want.track_id == 1]
        script.answer_all()
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses[8:] == pytest.approx([pause_s] * len(pauses[8:]), abs=0.11)


def test_faces_that_cannot_be_embedded_are_asked_for_less_often_too() -> None:
    script = Script()
    asked = 0
    for _ in range(100):
        script.look(seen(1), *CROWD)
        asked += sum(want.track_id == 1 for want in script.wanted)
        script.answer_all(**{f"t{track}": None for track in range(1, 10)})
    assert asked < 12


# --- staying clear --------------------------------------------------------------------------------------------


def test_a_clear_track_is_asked_for_again_within_a_second_and_urgently() -> None:
    script = Script().earned()
    asked = []
    for _ in range(40):
        assert script.look(seen(1))[0].clear
        asked += [script.now for want in script.wanted if want.urgent]
        script.answer_all(t1=like(ANA))
    assert max(later - earlier for earlier, later in itertools.pairwise(asked)) < 0.75


def test_a_weaker_match_is_enough_to_stay() -> None:
    script = Script().earned()
    assert script.watch(5.0, like(ANA, POLICY.stay))[0].clear


def test_but_not_to_become_clear() -> None:
    assert not Script().watch(5.0, like(ANA, POLICY.stay))[0].clear


@pytest.mark.parametrize("matches", [[], like(ANA, POLICY.drop - 1e-6), like(BEN), like(BEN, POLICY.drop)])
def test_a_recheck_that_says_somebody_else_masks_at_the_next_look(matches: list[Match]) -> None:
    script = Script().earned()
    while not script.wanted:
        assert script.look(seen(1))[0].clear
    script.answer_all(t1=matches)
    assert reasons(script.look(seen(1))) == [Reason.DOUBTFUL]


def test_an_unclear_recheck_is_tried_once_more_at_once() -> None:
    script = Script().earned()
    weak = like(ANA, (POLICY.stay + POLICY.drop) / 2)
    while not script.wanted:
        assert script.look(seen(1))[0].clear
    script.answer_all(t1=weak)
    assert script.look(seen(1))[0].clear
    assert script.answer_all(t1=weak) == 1
    assert reasons(script.look(seen(1))) == [Reason.DOUBTFUL]


def test_after_an_unclear_recheck_a_good_one_sets_all_right() -> None:
    script = Script().earned()
    weak = like(ANA, (POLICY.stay + POLICY.drop) / 2)
    for _ in range(6):
        while not script.wanted:
            assert script.look(seen(1))[0].clear
        script.answer_all(t1=weak)
        assert script.look(seen(1))[0].clear
        script.answer_all(t1=like(ANA))


def test_whoever_turns_away_for_long_is_masked_and_back_again_after_votes() -> None:
    script = Script().earned()
    away = (seen(1), FaceQuality(TURNED, 100.0, has_crop=True))
    clear = [script.look(away)[0].clear for _ in range(30)]
    assert clear[:10] == [True] * 10
    assert clear[21:] == [False] * 9
    assert not script.watch(0.4, like(ANA))[0].clear
    script.earned()


ASIDE = (POLICY.yaw_limit + POLICY.recheck_yaw_limit) / 2


def aside(seconds: float, matches: list[Match], second: list[Match] | None = None) -> list[bool]:
    """Someone clear turns aside and every look at that face gets the same answers: whether it is seen at each."""
    script = Script().earned()
    script.second_says = None if second is None else lambda _: second
    clear = []
    for _ in range(round(seconds * 10)):
        clear.append(script.look((seen(1), turned(ASIDE)))[0].clear)
        script.answer_all(t1=matches)
    return clear


def test_whoever_talks_to_a_neighbour_and_is_still_recognised_stays_visible() -> None:
    assert all(aside(6.0, like(ANA)))


@pytest.mark.parametrize(
    ("matches", "second"),
    [([], None), (like(ANA, POLICY.stay), None), (like(ANA), []), (like(ANA), like(ANA, -0.01))],
)
def test_a_face_turned_aside_says_nothing_against_who_it_is_and_trust_ends(
    matches: list[Match], second: list[Match] | None
) -> None:
    clear = aside(3.0, matches, second)
    assert clear[:10] == [True] * 10
    assert clear[21:] == [False] * 9


def test_a_face_turned_aside_that_is_like_somebody_else_masks() -> None:
    assert aside(1.0, like(BEN))[-4:] == [False] * 4


def test_somebody_who_did_not_agree_to_be_seen_here_masks_from_aside_too() -> None:
    assert aside(1.0, like(PersonId("carl")))[-4:] == [False] * 4


def test_a_look_from_aside_that_says_nothing_delays_none_at_the_face() -> None:
    script = Script().earned()
    for _ in range(20):
        script.look((seen(1), turned(ASIDE)))
        if script.answer_all(t1=[]):
            break
    script.look((seen(1), turned(ASIDE)))
    assert script.wanted == [], "another from aside has time"
    script.look(seen(1))
    assert len(script.wanted) == 1


def test_nobody_becomes_visible_by_looks_from_aside() -> None:
    script = Script()
    for _ in range(20):
        assert not script.look((seen(1), turned(ASIDE)))[0].clear
        assert script.wanted == []


def test_no_answers_mask_within_the_trust() -> None:
    script = Script().earned()
    clear = [script.look(seen(1))[0].clear for _ in range(25)]
    assert clear[-4:] == [False] * 4


def unknown(side: float = 100.0, quality: FaceQuality = GOOD) -> Script:
    """A face that was looked at in vain so often that it is looked at seldom."""
    script = Script()
    for _ in range(100):
        script.look((seen(1, side), quality), *CROWD)
        script.answer_all()
    for _ in range(21):  # away from the moment at which the next look is due anyway
        script.look((seen(1, side), quality), *CROWD)
        due = any(want.track_id == 1 for want in script.wanted)
        script.answer_all()
        if due:
            break
    return script


def looks(script: Script, side: float, quality: FaceQuality) -> int:
    """How often it is asked for in 0.5 s."""
    asked = 0
    for _ in range(5):
        script.look((seen(1, side), quality), *CROWD)
        asked += sum(want.track_id == 1 for want in script.wanted)
        script.answer_all()
    return asked


def turned(share: float) -> FaceQuality:
    return FaceQuality((30.0, 40.0, 70.0, 40.0, 50.0 + 40 * share, 60.0, 35.0, 80.0, 65.0, 80.0), 100.0, has_crop=True)


def test_an_unknown_face_that_comes_near_is_looked_at_at_once_and_once() -> None:
    assert looks(unknown(), 100.0 * POLICY.larger - 1, GOOD) <= 1
    script = unknown()
    assert looks(script, 100.0 * POLICY.larger + 1, GOOD) == 1
    assert looks(script, 100.0 * POLICY.larger + 1, GOOD) == 0


def test_an_unknown_face_that_turns_to_us_is_looked_at_at_once() -> None:
    script = unknown(quality=turned(0.5))
    assert looks(script, 100.0, turned(0.5 - POLICY.more_frontal - 0.01)) == 1
