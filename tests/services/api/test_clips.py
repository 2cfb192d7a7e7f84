"""Whose face in a video is meant, which looks at it become templates, and what is said of a video that is of no use."""

import random
from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest

from mosaicast.adapters.embedders import Embedded, Face, Quality
from mosaicast.adapters.media import jpeg
from mosaicast.core.pose import yaw_ratio
from services.api.people.clips import CLIP_DETAILS, FROM_THE_FRONT_NOTE, MOST_LOOKS, ClipJudge, ClipVerdict, JudgedClip
from services.api.people.enrollment import Enroller, KnownFace
from services.api.people.face_models import LocalModels
from services.api.people.filming import LONGEST_S, Seen, follow
from tests.fakes.embedder import FakeEmbedder
from tests.services.api.people_tools import LocalDecoder
from tests.services.api.puppets import (
    STEP_S,
    Films,
    Puppet,
    Script,
    draw,
    know,
    puppet_models,
    turning,
    whose,
)


class Studio:
    """Films puppets and has the films judged."""

    def __init__(self, models: LocalModels | None = None) -> None:
        self.films, self.models = Films(), models or puppet_models()
        self.enroller = Enroller(LocalDecoder(), self.models)
        self.judge = ClipJudge(self.films, self.models, self.enroller, lambda: 0.0)

    def judged(self, script: Script, seconds: float, of: str | None = None, **more: Sequence[int]) -> JudgedClip:
        """Return the verdict on a film; `of` is whose photo comes with it."""
        seen = self.judge.follow("a.mp4", self.films.add("film", script, seconds, **more))
        assert isinstance(seen, Seen)
        return self.judge.settle("a.mp4", seen, [self.known(of)] if of else [])

    def known(self, name: str) -> KnownFace:
        known = self.enroller.known(jpeg.encode(draw([Puppet(name)]), 95))
        assert known is not None
        return known


@pytest.fixture
def studio() -> Studio:
    return Studio()


def people(judged: JudgedClip) -> set[str]:
    """Return whose the templates are."""
    return {whose(one.good.vectors[0]) for one in judged.looks if one.good is not None}


def test_somebody_alone_who_turns_gives_looks_from_all_sides(studio: Studio) -> None:
    judged = studio.judged(turning("ann"), 3.0)
    assert (judged.verdict, judged.note) == ("ok", "")
    assert set(judged.sides) == {"front", "left", "right"}
    assert 3 <= len(judged.looks) <= MOST_LOOKS
    assert people(judged) == {"ann"}
    for look in judged.looks:
        assert look.file.startswith("a.mp4 at ")
        assert look.verdict == "ok"
        assert look.good is not None
        again = studio.enroller.templates_again(look.good.photo)
        assert again is not None, "a reindex finds the face again"
        assert (again[0] == look.good.vectors[0]).all()


def test_a_look_shows_nobody_else_and_is_cut_out(studio: Studio) -> None:
    judged = studio.judged(lambda _: [Puppet("ann", 150), Puppet("bob", 600, 60, 32)], 3.0)
    assert judged.verdict == "ok"
    for look in judged.looks:
        assert look.good is not None
        assert max(jpeg.size_wh(look.good.photo)) <= 2 * 110


def test_one_side_alone_is_noted(studio: Studio) -> None:
    judged = studio.judged(lambda _: [Puppet("ann")], 3.0)
    assert judged.sides == ("front",)
    assert "turn the head" in judged.note


def test_of_several_people_nobody_is_guessed(studio: Studio) -> None:
    both: Script = lambda _: [Puppet("ann", 160), Puppet("bob", 480)]  # noqa: E731 - a script
    alone = studio.judged(both, 4.0)
    assert (alone.verdict, alone.looks) == ("several_people", ())
    assert "send one with that person alone, or a photo" in alone.detail
    for name in ("ann", "bob"):
        with_photo = studio.judged(both, 4.0, of=name)
        assert with_photo.verdict == "ok"
        assert people(with_photo) == {name}
    assert studio.judged(both, 4.0, of="cid").verdict == "somebody_else"


def test_one_after_the_other_are_several_people_too(studio: Studio) -> None:
    script: Script = lambda time_s: [Puppet("ann" if time_s < 4 else "bob")]  # noqa: E731 - a script
    assert studio.judged(script, 6.0, cuts=[40]).verdict == "several_people"
    judged = studio.judged(script, 6.0, of="bob", cuts=[40])
    assert people(judged) == {"bob"}
    same: Script = lambda time_s: [Puppet("ann", 320 if time_s < 4 else 200)]  # noqa: E731 - a script
    assert studio.judged(same, 6.0, cuts=[40]).verdict == "ok", "one person in two shots is one person"


def test_a_stranger_who_walks_through_is_no_template(studio: Studio) -> None:
    def script(time_s: float) -> list[Puppet]:
        return [Puppet("ann"), Puppet("bob", 40 + 90 * time_s, 330, 32)]

    for of in (None, "ann"):
        judged = studio.judged(script, 6.0, of=of)
        assert judged.verdict == "ok"
        assert people(judged) == {"ann"}


@pytest.mark.parametrize("of", [None, "ann", "bob"])
def test_another_face_in_a_tracks_place_is_seen(studio: Studio, of: str | None) -> None:
    """No jump, no cut, nothing that a tracker sees."""
    judged = studio.judged(lambda time_s: [Puppet("ann" if time_s < 3 else "bob")], 6.0, of=of)
    assert judged.verdict in {"changes", "somebody_else"}
    assert judged.looks == ()
    assert judged.verdict == "changes" or of


@pytest.mark.parametrize(("samples", "of"), [(1, None), (2, "ann"), (8, None)])
def test_another_face_for_a_moment_becomes_no_template(studio: Studio, samples: int, of: str | None) -> None:
    swapped_until_s = 3.0 + samples * float(STEP_S) - 0.01
    judged = studio.judged(lambda time_s: [Puppet("bob" if 3.0 <= time_s < swapped_until_s else "ann")], 6.0, of=of)
    assert people(judged) <= {"ann"}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_a_strangers_face_becomes_no_template_of_the_person(studio: Studio, seed: int) -> None:
    dice = random.Random(seed)
    swaps = sorted(dice.uniform(0, 7) for _ in range(dice.choice([0, 1, 2, 4])))
    shifts = [dice.uniform(-300, 300) for _ in range(3)]

    def script(time_s: float) -> list[Puppet]:
        swapped = sum(time_s >= one for one in swaps) % 2
        first, second = ("bob", "ann") if swapped else ("ann", "bob")
        puppets = [Puppet(first, 200 + 10 * time_s, share=dice.choice([0.8, 0.9, 1.0]))]
        if dice.random() < 0.7:
            puppets.append(Puppet(second, 320 + shifts[0] + shifts[1] * (time_s - 4) / 4, 180 + shifts[2] / 3, 90))
        return puppets

    judged = studio.judged(script, 8.0, of="ann", mixed=[30, 31], cuts=[50])
    assert people(judged) <= {"ann"}


def with_faces(*puppets: Puppet) -> Script:
    return lambda _: list(puppets)


@pytest.mark.parametrize(
    ("script", "seconds", "verdict"),
    [
        (with_faces(), 3.0, "nobody"),
        (with_faces(Puppet("ann", height=30)), 3.0, "too_small"),
        (with_faces(Puppet("ann", light=0.15)), 3.0, "too_dark"),
        (with_faces(Puppet("ann", blur=9)), 3.0, "blurred"),
        (with_faces(Puppet("ann", 280), Puppet("bob", 380, height=60)), 3.0, "not_alone"),
        (with_faces(Puppet("ann")), 0.8, "too_short"),
        (with_faces(Puppet("ann")), 0.2, "nobody"),
        (lambda time_s: [Puppet("ann", 150 + 340 * (round(time_s * 10) % 2))], 3.0, "unsteady"),
        (lambda time_s: [Puppet("ann")] if round(time_s * 10) % 6 else [], 3.0, "unsteady"),
    ],
    ids=["nobody", "small", "dark", "blurred", "beside", "short", "two pictures", "jumping", "in and out"],
)
def test_what_is_of_no_use_has_its_own_verdict(
    studio: Studio, script: Script, seconds: float, verdict: ClipVerdict
) -> None:
    judged = studio.judged(script, seconds)
    assert (judged.verdict, judged.looks) == (verdict, ())
    assert judged.detail == CLIP_DETAILS[verdict]


def test_cuts_all_over_leave_nothing_to_follow(studio: Studio) -> None:
    assert studio.judged(turning("ann"), 3.9, cuts=range(0, 40, 5)).verdict == "unsteady"
    assert studio.judged(turning("ann"), 4.0, mixed=range(0, 40, 5)).verdict == "unsteady"
    assert studio.judged(turning("ann"), 4.0, mixed=range(40)).verdict == "nobody"


def test_a_film_without_pictures_shows_nobody(studio: Studio) -> None:
    assert studio.judged(with_faces(), 0.0).verdict == "nobody"


def test_what_can_not_be_read_is_said_with_the_readers_words(studio: Studio) -> None:
    judged = studio.judge.follow("a.mp4", b"no film")
    assert judged == JudgedClip("a.mp4", "unreadable", "it is damaged")


def test_only_the_beginning_of_a_long_film_is_noted(studio: Studio) -> None:
    seen = follow(studio.films, studio.models, studio.films.add("film", with_faces(Puppet("ann")), 2.0), lambda: 0.0)
    assert studio.judge.settle("a.mp4", seen, []).note == FROM_THE_FRONT_NOTE
    seen.looked_at_s = 29.9
    assert "its first 30 seconds" in studio.judge.settle("a.mp4", seen, []).note


def test_networks_that_were_never_measured_take_photos_only() -> None:
    unknown = puppet_models()
    for network in unknown._embedders:
        network.name = "never_measured"  # type: ignore[misc]
    judged = Studio(unknown).judged(turning("ann"), 3.0)
    assert (judged.verdict, judged.looks) == ("not_measured", ())


def test_looks_of_which_a_network_sees_too_little_are_left_out() -> None:
    class Weak(FakeEmbedder):
        """Side views are too short for it to count."""

        quality = Quality(votes_from=0.5)

        def embed(self, faces: Sequence[Face]) -> Embedded:
            found = super().embed(faces)
            aside = np.array([abs(yaw_ratio(face.landmarks)) > 0.2 for face in faces], bool)
            return Embedded(found.vectors, np.where(aside, 0.4, 0.6).astype(np.float32))

    models = puppet_models()
    models._embedders = (models._embedders[0], Weak(know, 6, "facenet_casia"))
    judged = Studio(models).judged(turning("ann"), 3.0)
    assert (judged.verdict, judged.sides) == ("ok", ("front",))


def test_work_on_one_video_ends_in_time(studio: Studio) -> None:
    times = iter([0.0, 1.0, 2.0, LONGEST_S + 1.0])
    seen = follow(studio.films, studio.models, studio.films.add("film", turning("ann"), 3.0), lambda: next(times))
    assert seen.stretches[0].samples == 3, "what was seen by then counts"


def test_every_verdict_has_a_plain_sentence() -> None:
    assert set(CLIP_DETAILS) == set(get_args(ClipVerdict))
    assert all(5 < len(detail) < 120 for detail in CLIP_DETAILS.values())
