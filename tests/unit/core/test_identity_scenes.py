"""What tracker, identity machine and timeline make of people who get in each other's way."""

from itertools import pairwise

import pytest

from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.types import Reason
from tests.unit.core.identity_stage import ANA, Face, Frame, Scene, Stage, at, cast, leaks, path, seen_share, tracks

LEFT, RIGHT = 180.0, 460.0
STRANGER = "stranger"


def played(scene: Scene, seconds: float, cuts_s: tuple[float, ...] = ()) -> list[Frame]:
    return Stage(scene, cuts_s).play(seconds)


def alone(walk_ends_s: float = 99.0) -> Scene:
    return cast({ANA: path((0, LEFT), (walk_ends_s, LEFT))})


def test_who_is_enrolled_is_seen_after_a_second() -> None:
    frames = played(alone(), 4)
    assert seen_share(frames, 0, 0.3) == 0
    assert seen_share(frames, 1.0, 4) == 1


def test_who_is_seen_is_looked_at_at_every_second_crop_though_looks_are_late() -> None:
    stage = Stage(alone())
    stage.play(20)
    assert max(later - earlier for earlier, later in pairwise(stage.rechecked_s)) == pytest.approx(0.6)


def test_a_stranger_alone_is_never_seen() -> None:
    assert leaks(played(cast({STRANGER: path((0, LEFT), (9, LEFT))}), 9)) == []


@pytest.mark.parametrize("speed_s", [0.4, 0.8, 1.5, 3.0])
@pytest.mark.parametrize("stranger_in_front", [False, True])
def test_they_cross(speed_s: float, stranger_in_front: bool) -> None:
    ours = path((0, LEFT), (2, LEFT), (2 + speed_s, RIGHT), (9, RIGHT))
    theirs = path((0, RIGHT), (2, RIGHT), (2 + speed_s, LEFT), (9, LEFT))
    walks = {ANA: ours, STRANGER: theirs} if stranger_in_front else {STRANGER: theirs, ANA: ours}
    frames = played(cast(walks), 8)
    assert leaks(frames) == []
    assert seen_share(frames, 1, 1.6) == 1
    assert seen_share(frames, 2 + speed_s + 1.5, 8) == 1


@pytest.mark.parametrize("together_s", [0.1, 0.3, 0.6, 2.0])
@pytest.mark.parametrize("stranger_in_front", [False, True])
def test_they_meet_and_turn_back(together_s: float, stranger_in_front: bool) -> None:
    """Where two tracks were one, each may come out with the other's id."""
    part_s = 2.6 + together_s
    ours = path((0, LEFT), (2, LEFT), (2.6, 315), (part_s, 315), (part_s + 0.6, LEFT), (9, LEFT))
    theirs = path((0, RIGHT), (2, RIGHT), (2.6, 325), (part_s, 325), (part_s + 0.6, RIGHT), (9, RIGHT))
    walks = {ANA: ours, STRANGER: theirs} if stranger_in_front else {STRANGER: theirs, ANA: ours}
    frames = played(cast(walks), 8)
    assert leaks(frames) == []
    assert seen_share(frames, part_s + 2, 8) == 1


@pytest.mark.parametrize("speed_s", [0.5, 1.0, 2.0])
def test_they_swap_places_without_touching(speed_s: float) -> None:
    ours = path((0, LEFT), (2, LEFT), (2 + speed_s, RIGHT), (9, RIGHT))
    theirs = path((0, RIGHT), (2, RIGHT), (2 + speed_s, LEFT), (9, LEFT))

    def scene(time_s: float) -> list[Face]:
        x, other_x = ours(time_s), theirs(time_s)
        assert x is not None
        assert other_x is not None
        depth = 90 * max(0.0, 1 - abs(time_s - 2 - speed_s / 2) / (speed_s / 2))
        return [Face(STRANGER, at(other_x, 200 - depth, 60)), Face(ANA, at(x, 200 + depth, 80))]

    frames = played(scene, 8)
    assert leaks(frames) == []
    assert seen_share(frames, 2 + speed_s + 1.5, 8) == 1


@pytest.mark.parametrize("pause_s", [-0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 3.0])
def test_a_stranger_takes_the_place_of_who_leaves(pause_s: float) -> None:
    """Also at the heels of the one who leaves: then the nearest face is the wrong one."""
    ours = path((0, LEFT), (3, LEFT), (3.5, -100))
    theirs = path((2.5 + pause_s, RIGHT), (3 + pause_s + 0.3, LEFT), (9, LEFT))
    assert leaks(played(cast({ANA: ours, STRANGER: theirs}), 8)) == []


@pytest.mark.parametrize("gone_s", [0.0, 0.1, 0.2, 0.3, 0.5, 3.0])
@pytest.mark.parametrize("when_s", [3.0, 3.1, 3.2, 3.3, 3.4, 3.5])
def test_a_stranger_appears_where_the_enrolled_person_vanished(gone_s: float, when_s: float) -> None:
    """A door that closes, a film that is cut within one shot: nothing moves, nothing tells.

    Without a gap only a re-check can tell; its answer comes while the frames since the change still wait.
    """
    ours = path((0, LEFT), (when_s, LEFT))
    theirs = path((when_s + gone_s, LEFT), (9, LEFT))
    assert leaks(played(cast({ANA: ours, STRANGER: theirs}), 8)) == []


@pytest.mark.parametrize("gone_s", [0.0, 0.2, 3.0])
def test_behind_a_scene_cut_the_one_in_the_same_place_is_somebody_else(gone_s: float) -> None:
    ours = path((0, LEFT), (3, LEFT))
    theirs = path((3 + gone_s, LEFT), (9, LEFT))
    assert leaks(played(cast({ANA: ours, STRANGER: theirs}), 8, cuts_s=(3.0,))) == []


def test_who_turns_away_stays_visible_for_what_trust_lasts_and_comes_back_after_votes() -> None:
    def scene(time_s: float) -> list[Face]:
        return [Face(ANA, at(LEFT), turned=3 <= time_s < 7)]

    frames = played(scene, 10)
    policy = IdentityPolicy()
    assert seen_share(frames, 1, 3) == 1
    assert seen_share(frames, 3 + policy.trust_s + 0.2, 7) == 0
    assert seen_share(frames, 8.2, 10) == 1


def test_a_short_look_aside_costs_nothing() -> None:
    def scene(time_s: float) -> list[Face]:
        return [Face(ANA, at(LEFT), turned=3 <= time_s < 4)]

    assert seen_share(played(scene, 7), 1, 7) == 1


def test_a_stranger_who_comes_while_the_enrolled_person_looks_away_stays_masked() -> None:
    """She turns, he steps into her place from one frame to the next, with his back to the camera, and turns round."""

    def scene(time_s: float) -> list[Face]:
        return [Face(ANA if time_s < 3.5 else STRANGER, at(LEFT), turned=3 <= time_s < 4.5)]

    shown = leaks(played(scene, 8))
    # Trust lasts 2 s without a look at the face, and ends 1 s after the look that says otherwise.
    assert all(time_s < 4.5 for time_s, _ in shown)


# --- a photograph held up ------------------------------------------------------------------------------------------


def phone(time_s: float, start_s: float, end_s: float) -> list[Face]:
    """A photograph of Ana on a telephone: to the networks it is Ana."""
    return [Face(ANA, at(RIGHT, 260, 56))] if start_s <= time_s < end_s else []


def test_a_photo_of_who_is_there_masks_both_while_it_is_held_up() -> None:
    """Nobody is in a picture twice; which of the two is the person nobody knows."""

    def scene(time_s: float) -> list[Face]:
        return [Face(ANA, at(LEFT)), *phone(time_s, 4, 8)]

    stage = Stage(scene)
    frames = stage.play(11)
    assert seen_share(frames, 1, 3.2) == 1
    assert seen_share(frames, 4.0, 8) == 0
    assert Reason.CONFLICT in {track.reason for track in tracks(stage)}
    assert seen_share(frames, 9.5, 11) == 1


def test_a_photo_of_who_is_absent_is_seen_as_the_person_and_shows_nobody_else() -> None:
    """Known and accepted: the photo shows the face of somebody who agreed, and only that."""

    def scene(time_s: float) -> list[Face]:
        return [Face(STRANGER, at(LEFT)), *phone(time_s, 2, 8)]

    frames = played(scene, 8)
    assert leaks(frames) == [], "who holds it up stays masked"
    assert seen_share(frames, 2, 2.3) == 0
    assert seen_share(frames, 3.2, 7.9) == 1


def test_a_stranger_behind_a_photo_that_is_taken_down_is_masked() -> None:
    """The photo as a disguise: the tracks of photo and face lie on each other, and what was earned is void."""

    def scene(time_s: float) -> list[Face]:
        photo_y = 200 if time_s < 4 else 200 + 400 * (time_s - 4)
        photo = [Face(ANA, at(LEFT, photo_y, 72))] if time_s < 4.6 else []
        return [Face(STRANGER, at(LEFT, 200, 70)), *photo]

    frames = played(scene, 8)
    assert seen_share(frames, 1, 3) == 1
    assert leaks(frames) == []
