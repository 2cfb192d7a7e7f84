"""The measurement of recognition: what is held against what, and that nothing judges itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import recognition, recognition_cohort
from bench.recognition_data import Eye, FaceSet, Pair, Person, Seen
from mosaicast.adapters.embedders.cohort import CohortScorer
from mosaicast.core.types import Box
from tests.fakes.detector import FakeDetector, raw_face
from tests.fakes.embedder import FakeEmbedder

NAMES = ("dlib", "facenet")


def seen(*numbers: float) -> Seen:
    vector = np.array(numbers, np.float32)
    vector /= np.linalg.norm(vector)
    return Seen(Box(0, 0, 50, 50), 50.0, dict.fromkeys(NAMES, vector), dict.fromkeys(NAMES, vector))


def two_people(name: str = "set") -> FaceSet:
    ann = Person([seen(1, 0, 0), seen(1, 0.1, 0), seen(1, 0.2, 0)], [seen(1, 0.1, 0.1)])
    bob = Person([seen(0, 1, 0), seen(0, 1, 0.1), seen(0, 1, 0.2)], [seen(0.1, 1, 0.1)])
    return FaceSet(name, {"ann": ann, "bob": bob}, [("ann bystander 0", seen(0, 0, 1), frozenset({"bob"}))])


def test_a_reference_is_not_held_against_itself() -> None:
    held = recognition.compared(two_people(), NAMES)
    same = [one for one in held if one.same]
    assert len(same) == 8
    assert max(one.scores[0, 0] for one in same) < 1.0


def test_everybody_is_held_against_everybody_but_who_is_left_out() -> None:
    held = recognition.compared(two_people(), NAMES)
    strangers = [(one.who, one.person) for one in held if not one.same]
    assert strangers.count(("ann", "bob")) == strangers.count(("bob", "ann")) == 4
    assert ("ann bystander 0", "ann") in strangers
    assert ("ann bystander 0", "bob") not in strangers


def test_the_margin_counts_against_own_looks_only() -> None:
    held = recognition.compared(two_people(), NAMES)
    assert all(all(passed) for passed in recognition.own_passed(held, (0.5, 0.5)).values())
    close = FaceSet("set", {"ann": Person([seen(1, 0)], [seen(1, 0.01)]), "bob": Person([seen(1, 0.02)], [])})
    passed = recognition.own_passed(recognition.compared(close, NAMES), (0.5, 0.5))
    assert passed["ann"] == [False], "as like bob as ann"


def test_the_pair_for_tracks_lets_no_stranger_have_enough_votes() -> None:
    strangers = [np.array([(0.9, 0.9), (0.9, 0.8), (0.2, 0.95), (0.9, 0.7)])]
    first, second = recognition.track_pair(np.array([(0.5, 0.75), (0.8, 0.85), (0.9, 0.72)]), strangers)
    assert (strangers[0] >= (first, second)).all(axis=1).sum() < recognition.VOTES
    assert second <= 0.72, "not more than needed: the third-best look had 0.7"


def test_cohorts_know_nobody_whom_they_judge() -> None:
    korean = two_people(recognition_cohort.KOREAN)
    cases = list(recognition_cohort._single([korean]))
    for fold, name in enumerate(korean.people):
        pool = list(recognition_cohort._pool([korean], fold))
        judged = [case for case in cases if case.fold == fold]
        assert judged
        assert not any(one is other for case in judged for one in [*case.looks, *case.references] for other in pool)
        assert not any(one is other for one in korean.people[name].references for other in pool)


def test_pairs_of_the_cohort_are_not_judged() -> None:
    pairs = [Pair(seen(1, 0), seen(1, 0), True, apart) for apart in (True, False)]
    assert len(list(recognition_cohort._single([FaceSet("lfw", {}, pairs=pairs)]))) == 1


def test_a_track_speaks_of_its_newest_looks() -> None:
    case = recognition_cohort._Case("set", False, 0, [seen(1, 0), seen(0, 1)], [seen(1, 0)])
    scores = recognition_cohort._scores(case, dict.fromkeys(NAMES, CohortScorer(0.0)))
    assert scores[:, 0].tolist() == pytest.approx([1.0, 0.5**0.5])


def test_a_picture_is_looked_at_once_and_small_faces_are_left_out(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (200, 3300, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    detector = FakeDetector([raw_face(Box(0, 0, 20, 20)), raw_face(Box(50, 50, 150, 150))])
    embedder = FakeEmbedder(lambda _: (1, 0, 0, 0), 4)
    eye = Eye(detector, {"dlib": embedder}, tmp_path / "cache")
    first, again = eye.look(tmp_path / "a.png"), eye.look(tmp_path / "a.png")
    assert len(detector.batches) == 1
    assert [one.size_px for one in first] == [100.0]
    assert first[0].box == again[0].box == pytest.approx(Box(*(number * 3300 / 1600 for number in (50, 50, 150, 150))))
    assert again[0].probe["dlib"].tolist() == [1, 0, 0, 0]
