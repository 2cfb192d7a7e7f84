"""The worker: what is asked is answered, a bad gallery or face is no answer, nothing waits for ever."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.core.types import OwnerId, TrackId
from mosaicast.pipeline.match import Gallery
from mosaicast.pipeline.ports import Embedder
from mosaicast.runtime.metrics import Metrics
from services.recognizer.policy import EmbeddingRequest, FaceMatcher
from services.recognizer.worker import CHECK_S, LONGEST_RETRY_S, QUEUE, Answer, EmbeddingWorker, People
from tests.fakes.clock import Clock
from tests.services.recognizer.fakes import BROKEN, GreyEmbedder, GreyGallery, face


class Stage:
    """A worker whose turns the test takes itself."""

    def __init__(self, **people: Any) -> None:
        self.gallery = GreyGallery(**people)
        self.embedder, self.clock, self.metrics = GreyEmbedder(), Clock(), Metrics()
        self.events: list[Answer | People] = []
        self.worker = EmbeddingWorker(list, self.metrics, self.events.append, self.clock)

    def turn(self) -> list[Any]:
        """One turn that never waits: a check is always due, unless looks or news are there."""
        if not self.worker._urgent and not self.worker._others and not self.worker._has_news():
            self.clock.now_s += CHECK_S
        self.worker.work([FaceMatcher(self.embedder, self.gallery)])
        events, self.events[:] = list(self.events), []
        return events

    def follow(self, *owners: str) -> None:
        for owner in owners:
            self.worker.follow(owner)
        self.turn()

    def seen_ago(self, owner: str = "o1") -> float | None:
        seen_s = self.worker.gallery_seen_s(owner)
        return None if seen_s is None else round(self.clock.now_s - seen_s, 3)

    def dropped(self) -> float | None:
        return self.metrics.registry.get_sample_value(
            "mosaicast_queue_drops_total", {"queue": "embeddings", "reason": "full"}
        )


def look(track: int = 1, value: int = 100, owner: str = "o1", urgent: bool = False, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest("s1", 1, TrackId(track), track, OwnerId(owner), face(value=value, **changes), urgent)


def told(events: Sequence[Any]) -> list[Any]:
    """Answers as (track, people), None for no answer."""
    return [
        (event.request.track_id, None if event.matches is None else [match.person_id for match in event.matches])
        for event in events
        if isinstance(event, Answer)
    ]


def test_a_followed_owners_people_are_read_and_told_once() -> None:
    stage = Stage(o1={"ana": 100})
    stage.worker.follow("o1")
    assert stage.turn() == [People("o1", stage.gallery.versions("o1"))]
    stage.worker.follow("o1")
    assert stage.turn() == []
    assert stage.seen_ago() == 0


def test_looks_are_answered_in_order_several_with_one_search() -> None:
    stage = Stage(o1={"ana": 100, "ben": 50})
    stage.follow("o1")
    stage.worker.ask([look(1, 100), look(2, 50), look(3, 77)])
    assert told(stage.turn()) == [(1, ["ana"]), (2, ["ben"]), (3, [])]
    assert stage.gallery.seen == [("o1", [100, 50, 77])]


def test_what_the_thread_does_with_its_time_is_told() -> None:
    stage = Stage(o1={"ana": 100})
    stage.follow("o1")
    stage.worker.ask([look(1, 100)])
    stage.turn()
    counted = {
        one: stage.metrics.registry.get_sample_value("mosaicast_work_seconds_count", {"activity": one})
        for one in ("check", "decode", "network", "search")
    }
    assert counted == {"check": 1, "decode": 1, "network": 1, "search": 1}


def test_owners_are_asked_for_among_their_own_people_only() -> None:
    stage = Stage(o1={"ana": 100}, o2={"ben": 50})
    stage.follow("o1", "o2")
    stage.worker.ask([look(1, 50), look(2, 50, "o2"), look(3, 100), look(4, 100, "o2")])
    assert sorted(told(stage.turn())) == [(1, []), (2, ["ben"]), (3, ["ana"]), (4, [])]


def test_clear_tracks_come_first() -> None:
    stage = Stage(o1={})
    stage.follow("o1")
    stage.worker.ask([look(track) for track in range(6)] + [look(9, urgent=True)])
    assert [track for track, _ in told(stage.turn())] == [9, 0, 1, 2]


def test_a_full_queue_drops_the_oldest_of_those_that_are_not_clear_and_says_so() -> None:
    stage = Stage(o1={})
    stage.follow("o1")
    stage.worker.ask([look(0, urgent=True)] + [look(track) for track in range(1, QUEUE + 2)])
    assert told(stage.events) == [(1, None), (2, None)]
    assert stage.dropped() == 2
    stage.worker.ask([look(1000 + track, urgent=True) for track in range(QUEUE)])
    assert told(stage.events)[-1] == (0, None)


def test_as_many_faces_are_taken_at_once_as_the_settings_say() -> None:
    stage = Stage(o1={"ana": 100})
    stage.worker = EmbeddingWorker(list, stage.metrics, stage.events.append, stage.clock, batch=32)
    stage.embedder.in_batches = True
    stage.follow("o1")
    stage.worker.ask([look(track) for track in range(1, 41)])
    assert stage.dropped() is None
    assert [len(told(stage.turn())) for _ in range(2)] == [32, 8]
    assert stage.embedder.calls == [32, 8]


@pytest.mark.parametrize(
    "bad",
    [look(1, BROKEN), look(1, jpeg=b"no picture"), look(1, crop=None), look(1, value=0)],
    ids=["model fails", "no JPEG", "no crop", "zero vector"],
)
def test_a_face_that_cannot_be_embedded_has_no_answer_and_harms_no_other(bad: EmbeddingRequest) -> None:
    stage = Stage(o1={"ana": 100})
    stage.follow("o1")
    stage.worker.ask([bad, look(2)])
    assert told(stage.turn()) == [(1, None), (2, ["ana"])]


def test_only_bad_faces_ask_the_gallery_for_nothing() -> None:
    stage = Stage(o1={"ana": 100})
    stage.follow("o1")
    stage.worker.ask([look(1, BROKEN)])
    assert told(stage.turn()) == [(1, None)]
    assert stage.gallery.searched == []


def test_the_gallerys_signs_of_life_are_dated() -> None:
    stage = Stage(o1={})
    assert stage.seen_ago() is None
    stage.follow("o1")
    stage.clock.now_s += 0.15
    assert stage.seen_ago() == 0.15
    stage.turn()
    assert stage.seen_ago() == 0


def test_a_failed_check_is_the_end_of_trust_until_it_works_again() -> None:
    stage = Stage(o1={})
    stage.follow("o1")
    stage.gallery.away = True
    stage.turn()
    assert stage.seen_ago() is None
    assert stage.metrics.registry.get_sample_value("mosaicast_gallery_errors_total", {"reason": "told_to_fail"}) == 1
    stage.gallery.away = False
    stage.turn()
    assert stage.seen_ago() == 0


def test_a_failed_search_too() -> None:
    stage = Stage(o1={"ana": 100})
    stage.follow("o1")
    stage.gallery.away = True
    stage.worker.ask([look(1)])
    assert told(stage.turn()) == [(1, None)]
    assert stage.seen_ago() is None


def test_a_gallery_that_is_away_is_asked_at_the_pace_of_checks_only() -> None:
    stage = Stage(o1={"ana": 100})
    stage.gallery.away = True
    stage.worker.follow("o1")
    stage.turn()
    stage.worker.ask([look(track) for track in range(8)])
    asked = len(stage.gallery.calls)
    assert told(stage.turn() + stage.turn()) == [(track, None) for track in range(8)]
    assert len(stage.gallery.calls) == asked
    stage.turn()
    assert len(stage.gallery.calls) == asked + 1


def test_what_could_not_be_read_is_read_when_the_gallery_is_back() -> None:
    stage = Stage(o1={"ana": 100})
    stage.gallery.away = True
    stage.follow("o1")
    stage.gallery.away = False
    assert stage.turn() == [People("o1", stage.gallery.versions("o1"))]
    assert stage.seen_ago() == 0


def test_an_owner_whose_templates_are_damaged_harms_no_other() -> None:
    stage = Stage(o1={"ana": 100}, o2={"ben": 50})
    stage.gallery.damaged = {"o1"}
    stage.follow("o1", "o2")
    stage.worker.ask([look(1), look(2, 50, "o2")])
    assert told(stage.turn()) == [(1, None), (2, ["ben"])]
    for _ in range(20):
        stage.turn()
        assert (stage.seen_ago("o1"), stage.seen_ago("o2")) == (None, 0)
    errors = stage.metrics.registry.get_sample_value("mosaicast_gallery_errors_total", {"reason": "told_to_fail"})
    assert errors is not None
    assert errors > 1


def test_what_another_network_still_has_of_a_damaged_owner_is_let_go() -> None:
    stage = Stage(o1={"ana": 100})
    stage.gallery.damaged = {"o1"}
    stage.follow("o1")
    assert stage.gallery.forgotten == ["o1"]


def test_damage_that_comes_while_a_stream_is_live_ends_the_trust_at_once() -> None:
    stage = Stage(o1={"ana": 100}, o2={})
    stage.follow("o1", "o2")
    stage.gallery.damaged = {"o1"}
    stage.worker.refresh("o1")
    stage.turn()
    assert (stage.seen_ago("o1"), stage.seen_ago("o2")) == (None, 0)


def test_a_damaged_owner_is_read_less_and_less_often_and_at_once_when_it_has_changed() -> None:
    stage = Stage(o1={"ana": 100})
    stage.gallery.damaged = {"o1"}
    stage.follow("o1")
    turns = round(60 / CHECK_S)
    for _ in range(turns):
        stage.turn()
    assert 60 / LONGEST_RETRY_S <= stage.gallery.calls.count("refresh o1") < 2 * 60 / LONGEST_RETRY_S
    stage.gallery.damaged = set()
    stage.worker.refresh("o1")
    assert stage.turn() == [People("o1", stage.gallery.versions("o1"))]
    assert stage.seen_ago() == 0


def test_a_damaged_owner_heals_by_itself() -> None:
    stage = Stage(o1={"ana": 100}, o2={})
    stage.gallery.damaged = {"o1", "o2"}
    stage.follow("o1", "o2")
    stage.gallery.damaged = set()
    for _ in range(10):
        stage.turn()
    assert (stage.seen_ago("o1"), stage.seen_ago("o2")) == (0, 0)


def test_a_change_of_a_followed_owner_is_read_before_the_next_look() -> None:
    stage = Stage(o1={"ana": 100}, o2={})
    stage.follow("o1", "o2")
    stage.gallery.held.clear()
    stage.worker.refresh("o1")
    stage.worker.ask([look(1)])
    events = stage.turn()
    assert events[0] == People("o1", {})
    assert told(events) == [(1, [])]


def test_until_it_is_read_the_trust_grows_old() -> None:
    """Not lost at once: reading takes a tenth of a second, and nobody should blink for it."""
    stage = Stage(o1={})
    stage.follow("o1")
    stage.worker.refresh("o1")
    stage.clock.now_s += 0.3
    assert stage.seen_ago() == 0.3
    assert len(stage.turn()) == 1
    assert stage.seen_ago() == 0


def test_changes_of_owners_whom_nobody_follows_are_left_alone() -> None:
    stage = Stage(o1={})
    stage.follow("o1")
    stage.worker.refresh("o2")
    stage.gallery.calls.clear()
    stage.turn()
    assert stage.gallery.calls == ["check"]


def test_a_change_that_only_the_store_tells_of_is_noticed() -> None:
    """The event may be lost; the store is looked at anyway."""
    stage = Stage(o1={}, o2={})
    stage.follow("o1", "o2")
    stage.gallery.changed = True
    assert [event.owner for event in stage.turn()] == ["o1", "o2"]


class Running:
    """A worker on its own thread."""

    def __init__(self, make_embedder: Callable[[], Embedder], gallery: Gallery) -> None:
        self.answered = threading.Event()
        self.events: list[Answer | People] = []
        self.worker = EmbeddingWorker(lambda: [FaceMatcher(make_embedder(), gallery)], Metrics(), self._take)

    def _take(self, event: Answer | People) -> None:
        self.events.append(event)
        if isinstance(event, Answer):
            self.answered.set()


def test_the_thread_answers_and_ends() -> None:
    running = Running(GreyEmbedder, GreyGallery(o1={"ana": 100}))
    running.worker.start()
    running.worker.follow("o1")
    running.worker.ask([look(1)])
    assert running.answered.wait(10)
    assert running.worker.ready
    running.worker.stop()
    assert not running.worker.ready
    assert running.worker.failure is None
    assert told(running.events) == [(1, ["ana"])]


def test_a_gallery_that_hangs_blocks_no_caller() -> None:
    hanging, release = threading.Event(), threading.Event()

    class Hanging(GreyGallery):
        def check(self) -> bool:
            hanging.set()
            release.wait(30)
            return False

    running = Running(GreyEmbedder, Hanging())
    running.worker.start()
    assert hanging.wait(10)
    running.worker.follow("o1")
    running.worker.ask([look(track) for track in range(QUEUE + 1)])
    running.worker.refresh("o1")
    assert running.worker.gallery_seen_s("o1") is None
    release.set()
    running.worker.stop()


def missing() -> Embedder:
    raise ModelUnavailableError("the weights are not installed")


def bug() -> Embedder:
    raise ZeroDivisionError


@pytest.mark.parametrize(("make", "failure"), [(missing, "the weights are not installed"), (bug, "ZeroDivisionError")])
def test_a_looker_that_cannot_work_says_why(make: Callable[..., Any], failure: str) -> None:
    running = Running(make, GreyGallery())
    running.worker.start()
    running.worker._thread.join(10)
    assert running.worker.failure == failure
    assert not running.worker.ready
    running.worker.stop()
