"""Averaging, the second network, and what is remembered of strangers: little, and not for long."""

from dataclasses import replace
from typing import Any

import numpy as np

from mosaicast.adapters.embedders import Embedded, Face, Quality
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.types import OwnerId, PersonId, TrackId
from mosaicast.pipeline.match import averaged
from mosaicast.runtime.metrics import Metrics
from services.recognizer.policy import EmbeddingRequest, FaceMatcher, RecentVectors, Vector, policy_for
from services.recognizer.worker import Answer, EmbeddingWorker
from tests.fakes.clock import Clock
from tests.services.recognizer.fakes import GreyEmbedder, GreyGallery, face

X, Y = np.eye(2, dtype=np.float32)
ANA = 100
BLACK = np.zeros((160, 160, 3), np.uint8)


def look(ask: int, track: int = 1, value: int = ANA, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest("s1", 1, TrackId(track), ask, OwnerId("o1"), face(value=value), **changes)


def mean_of(recent: RecentVectors, request: EmbeddingRequest, vector: Vector, now: float) -> Vector:
    """The length of a raw vector says nothing about a network that nobody measured."""
    return recent.look(request, vector, float(request.ask), now).mean


def test_the_newest_looks_of_one_track_are_averaged() -> None:
    recent = RecentVectors()
    mean_of(recent, look(1, window=2), X, 0.0)
    mean_of(recent, look(1, track=2, window=2), -X, 0.0)
    mean = mean_of(recent, look(2, window=2), Y, 0.1)
    np.testing.assert_allclose(mean, (X + Y) / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(mean_of(recent, look(3, window=2), Y, 0.2), Y)


def test_a_face_out_of_focus_has_no_vote_however_long_its_vector() -> None:
    embedder = GreyEmbedder()
    embedder.quality = Quality(votes_from=2.0, sharp_from=25.0, clear_from=3.0, like_before=0.35, like_own=0.6)
    matcher = FaceMatcher(embedder, GreyGallery())
    embedded = Embedded(np.stack([X, X]), np.array([5.0, 5.0], np.float32))
    faces = [replace(look(ask), face=face(sharpness=sharp)) for ask, sharp in ((1, 24.0), (2, 25.0))]
    blurred, sharp = averaged(matcher, [(one, Face(BLACK, one.face.landmarks)) for one in faces], embedded, 0.0)
    assert blurred is not None
    assert blurred.seen is not None
    assert not blurred.seen.votes
    assert sharp is not None
    assert sharp.seen is not None
    assert sharp.seen.votes
    assert sharp.seen.before == {}, "and nothing is held against it"


def test_the_slack_fits_the_networks() -> None:
    assert policy_for(["dlib-resnet", "facenet-casia"]) == IdentityPolicy()
    alone = policy_for(["arcface"])
    assert alone.second is None
    assert alone.drop < alone.stay < IdentityPolicy().stay
    assert alone.margin > IdentityPolicy().margin
    turned = policy_for(["facenet-casia", "taguchi-resnet"])
    assert (turned.stay, turned.second_stay) == (alone.stay, IdentityPolicy().stay)


def test_a_window_of_one_is_the_look_alone() -> None:
    recent = RecentVectors()
    mean_of(recent, look(1, window=5), X, 0.0)
    assert mean_of(recent, look(2, window=1), Y, 0.1) is Y


def test_looks_from_before_a_doubt_or_long_ago_do_not_count() -> None:
    recent = RecentVectors()
    mean_of(recent, look(1, window=5), X, 0.0)
    assert mean_of(recent, look(2, window=5, since=2), Y, 0.1) is Y
    assert mean_of(recent, look(3, window=5), X, 0.2 + RecentVectors.LIFE_S) is X


def test_vectors_are_forgotten_soon_and_bounded() -> None:
    recent = RecentVectors()
    for track in range(2 * RecentVectors.TRACKS):
        mean_of(recent, look(track, track=track), X, 0.0)
    assert len(recent) == RecentVectors.TRACKS
    mean_of(recent, look(9999, track=9999), X, RecentVectors.LIFE_S + 0.1)
    assert len(recent) == 1


class Second(GreyGallery):
    """The second network's gallery: everybody is like Ben."""

    def search(self, owner: str, vectors: np.ndarray) -> list[list[Match]]:
        self._asked("search")
        return [[Match(PersonId("ben"), 0.8)] for _ in vectors]


class Stage:
    def __init__(self) -> None:
        self.first, self.second = GreyGallery(o1={"ana": ANA}), Second(o1={"ben": 1})
        self.embedders = [GreyEmbedder(), GreyEmbedder()]
        self.matchers = [
            FaceMatcher(embedder, gallery)
            for embedder, gallery in zip(self.embedders, (self.first, self.second), strict=True)
        ]
        self.events: list[Any] = []
        self.clock = Clock()
        self.worker = EmbeddingWorker(lambda: self.matchers, Metrics(), self.events.append, self.clock)
        self.worker.follow("o1")
        self.worker.work(self.matchers)
        self.events.clear()

    def answers(self, *looks: EmbeddingRequest) -> dict[int, Answer]:
        self.worker.ask(looks)
        self.worker.work(self.matchers)
        return {event.request.ask: event for event in self.events if isinstance(event, Answer)}


def test_the_second_is_asked_only_where_the_first_says_yes() -> None:
    stage = Stage()
    answers = stage.answers(look(1, second_from=0.95), look(2, 2, value=50, second_from=0.95), look(3, 3))
    assert [match.person_id for match in answers[1].second or []] == ["ben"]
    assert (answers[2].second, answers[3].second) == (None, None)
    assert stage.second.calls.count("search") == 1
    assert stage.embedders[1].faces == 1


def test_a_network_on_a_gpu_gets_all_faces_at_once_and_others_one_by_one() -> None:
    stage = Stage()
    stage.embedders[1].in_batches = True
    answers = stage.answers(*(look(track, track, second_from=0.95) for track in (1, 2, 3)))
    assert [embedder.calls for embedder in stage.embedders] == [[1, 1, 1], [3]]
    assert [match.person_id for track in (1, 2, 3) for match in answers[track].second or []] == ["ben"] * 3


def test_a_second_gallery_that_is_away_gives_no_answer() -> None:
    stage = Stage()
    stage.second.away = True
    answers = stage.answers(look(1, second_from=0.95))
    assert answers[1].second is None
    assert stage.worker.gallery_seen_s("o1") is None


def test_the_gallery_is_there_only_if_both_are() -> None:
    stage = Stage()
    assert stage.worker.gallery_seen_s("o1") == stage.clock.now_s
    stage.second.away = True
    stage.clock.now_s += 10
    stage.worker.work(stage.matchers)
    assert stage.worker.gallery_seen_s("o1") is None


def test_new_templates_of_either_network_are_a_change_of_the_person() -> None:
    stage = Stage()
    versions = []
    stage.second.enrol("o1", ana=1)
    stage.worker.refresh("o1")
    stage.worker.work(stage.matchers)
    versions.append(stage.events[-1].versions)
    stage.second.enrol("o1", ana=2)
    stage.worker.refresh("o1")
    stage.worker.work(stage.matchers)
    versions.append(stage.events[-1].versions)
    assert versions[0].keys() == versions[1].keys() == {"ana"}
    assert versions[0] != versions[1]
