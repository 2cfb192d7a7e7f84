"""The recognizer as a whole, its worker's turns taken by hand: a verdict for every look, clear only when sure."""

from collections.abc import Callable
from typing import Any

import pytest

from mosaicast.contracts.messages import GalleryChanged, StatusReport, VerdictMessage
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.types import Reason
from mosaicast.pipeline.decide import StreamRecognition, first_track_id
from mosaicast.runtime.clocks import wall_ms
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from services.recognizer import service as module
from services.recognizer.policy import FaceMatcher
from services.recognizer.service import SILENT_S, RecognizerService
from services.recognizer.worker import Answer, EmbeddingWorker, People
from tests.fakes.bus import FakeProducer, FakeReader
from tests.fakes.clock import Clock
from tests.services.recognizer.fakes import (
    GreyEmbedder,
    GreyGallery,
    detections,
    face,
    spec,
)
from tests.services.series import streams_in

ANA, STRANGER = 100, 60


class Stage:
    """The service with everything around it fake; time goes on only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, policy: IdentityPolicy | None = None, **people: Any) -> None:
        self.clock, self.metrics = Clock(), Metrics()
        monkeypatch.setattr(module, "monotonic_s", self.clock)
        self.gallery, self.embedder = GreyGallery(**people), GreyEmbedder()
        self.matchers = [FaceMatcher(self.embedder, self.gallery), FaceMatcher(GreyEmbedder(), self.gallery)]
        self.producer = FakeProducer()
        self.detections, self.specs, self.changes = FakeReader(), FakeReader(), FakeReader()
        self.service = RecognizerService(self.producer, self._make_worker, self.metrics, "0", policy)
        self.seq = -1
        self.looks_are_answered = True

    def _make_worker(self, on_event: Callable[[Answer | People], None]) -> EmbeddingWorker:
        self.worker = EmbeddingWorker(list, self.metrics, on_event, self.clock)
        return self.worker

    def step(self, *messages: Any, partition: int = 0) -> None:
        for message in messages:
            self.detections.put(message, partition=partition)
        self.service.step(self.detections, self.specs, self.changes)

    def work(self) -> None:
        """The worker does all that it has to do."""
        self.clock.now_s += 1e-6
        for _ in range(40):
            self.worker._check_due_s = self.clock.now_s
            self.worker.work(self.matchers)

    def see(self, *faces: Any, stream_id: str = "s1", epoch: int = 1, **changes: Any) -> VerdictMessage:
        """One look 0.1 s later; return its verdict."""
        self.seq += 1
        self.clock.now_s += 0.1
        if self.looks_are_answered:
            self.work()
        self.step(detections(self.seq, *faces, stream_id=stream_id, epoch=epoch, **changes))
        return self.producer.of(VerdictMessage)[-1]

    def watch(self, looks: int, *faces: Any, **changes: Any) -> list[VerdictMessage]:
        return [self.see(*faces, **changes) for _ in range(looks)]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(monkeypatch, o1={"ana": ANA}, o2={"ben": STRANGER})
    stage.specs.put(spec())
    return stage


def clear(verdict: VerdictMessage) -> list[bool]:
    return [track.clear for track in verdict.tracks]


def reasons(verdict: VerdictMessage) -> list[Reason]:
    return [track.reason for track in verdict.tracks]


def test_every_look_has_its_verdict_at_once_nobody_included(stage: Stage) -> None:
    stage.looks_are_answered = False
    stage.step(detections(0), detections(1, face(), scene_cut=True), detections(2, face(), face(400)))
    verdicts = stage.producer.of(VerdictMessage)
    assert [(v.seq, v.pts, v.epoch, v.scene_cut, len(v.tracks), v.read_ms) for v in verdicts] == [
        (0, 0, 1, False, 0, 5),
        (1, 1, 1, True, 1, 5),
        (2, 2, 1, False, 2, 5),
    ]
    assert verdicts[2].tracks[0].box == face().box
    assert (verdicts[2].width, verdicts[2].height) == (1280, 720)


def test_the_enrolled_one_becomes_clear_after_votes_and_the_stranger_never(stage: Stage) -> None:
    verdicts = stage.watch(12, face(100, ANA), face(600, STRANGER))
    assert [clear(verdict)[0] for verdict in verdicts] == [False] * 6 + [True] * 6
    assert not any(clear(verdict)[1] for verdict in verdicts)
    assert verdicts[-1].tracks[0].person_id == "ana"
    assert reasons(verdicts[-1])[1] is Reason.UNKNOWN


def test_owner_o2s_people_are_strangers_on_o1s_stream(stage: Stage) -> None:
    stage.specs.put(spec("s2", "o2"), "s2")
    assert clear(stage.watch(12, face(value=ANA))[-1]) == [True]
    assert clear(stage.watch(12, face(value=ANA), stream_id="s2")[-1]) == [False]
    assert clear(stage.watch(60, face(value=STRANGER), stream_id="s2")[-1]) == [True]


def test_a_stream_whose_owner_is_unknown_is_tracked_and_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, o1={"ana": ANA})
    verdicts = stage.watch(12, face())
    assert not any(clear(verdict)[0] for verdict in verdicts)
    assert len({verdict.tracks[0].track_id for verdict in verdicts}) == 1
    stage.specs.put(spec())
    assert clear(stage.watch(8, face())[-1]) == [True]


def test_without_a_looker_that_works_everybody_is_masked(stage: Stage) -> None:
    stage.looks_are_answered = False
    assert {track.reason for verdict in stage.watch(20, face()) for track in verdict.tracks} == {
        Reason.GALLERY_UNAVAILABLE
    }


def test_a_gallery_that_goes_away_masks_within_a_second_and_comes_back(stage: Stage) -> None:
    stage.watch(12, face())
    stage.gallery.away = True
    verdicts = stage.watch(10, face())
    assert reasons(verdicts[-1]) == [Reason.GALLERY_UNAVAILABLE]
    assert not any(clear(verdict)[0] for verdict in verdicts[1:])
    stage.gallery.away = False
    assert clear(stage.watch(4, face())[-1]) == [True]


def test_a_looker_that_hangs_masks_within_a_second(stage: Stage) -> None:
    stage.watch(12, face())
    stage.looks_are_answered = False
    verdicts = stage.watch(10, face())
    assert clear(verdicts[0]) == [True]
    assert clear(verdicts[7]) == [False]


def test_revoked_masked_at_the_next_look(stage: Stage) -> None:
    stage.gallery.enrol("o1", carl=7)
    stage.watch(12, face())
    stage.gallery.delete_person("o1", "ana")
    stage.changes.put(GalleryChanged(owner_id="o1", revision=2), "o1")
    stage.step()
    stage.work()
    assert reasons(stage.see(face())) == [Reason.EXPIRED]
    assert not any(clear(verdict)[0] for verdict in stage.watch(30, face()))


def test_a_gallery_that_lost_everybody_says_so_and_heals_when_they_are_back(stage: Stage) -> None:
    """People agreed to be seen here, and nobody has a template: that is no answer."""
    stage.watch(12, face())
    lost = dict(stage.gallery.held)
    stage.gallery.held.clear()
    stage.gallery.changed = True
    embedded = stage.embedder.faces
    assert reasons(stage.see(face(), face(400, STRANGER))) == [Reason.GALLERY_UNAVAILABLE] * 2
    verdicts = stage.watch(30, face(), face(400, STRANGER))
    assert {reason for verdict in verdicts for reason in reasons(verdict)} == {Reason.GALLERY_UNAVAILABLE}
    assert stage.embedder.faces <= embedded + 1, "and nobody is looked at in vain"
    stage.gallery.held.update(lost)
    stage.gallery.changed = True
    assert clear(stage.watch(10, face(), face(400, STRANGER))[-1]) == [True, False]


def test_nobody_enrolled_is_no_lost_gallery(stage: Stage) -> None:
    stage.specs.put(spec("s3", "o3", ana=0, ben=0, carl=0), "s3")
    assert reasons(stage.watch(30, face(), stream_id="s3")[-1]) == [Reason.UNKNOWN]


def test_newly_enrolled_visible_within_a_second(stage: Stage) -> None:
    stage.watch(60, face(value=STRANGER))
    stage.gallery.enrol("o1", carl=STRANGER)
    stage.changes.put(GalleryChanged(owner_id="o1", revision=2), "o1")
    assert clear(stage.watch(10, face(value=STRANGER))[-1]) == [True]


def test_enrolling_somebody_else_does_not_blink(stage: Stage) -> None:
    stage.watch(12, face())
    for number in range(5):
        stage.gallery.enrol("o1", **{f"new-{number}": 7})
        stage.changes.put(GalleryChanged(owner_id="o1", revision=number), "o1")
        assert clear(stage.see(face())) == [True]


def test_a_new_epoch_begins_with_nobody_known_and_other_ids(stage: Stage) -> None:
    old = stage.watch(12, face())[-1]
    new = stage.see(face(), epoch=2)
    assert clear(new) == [False]
    assert new.epoch == 2
    assert len(stage.producer.of(VerdictMessage)) == 13
    stage.see(face(), epoch=1)
    assert len(stage.producer.of(VerdictMessage)) == 13
    assert clear(old) == [True]


def test_answers_of_the_old_epoch_say_nothing_about_the_new_one(stage: Stage) -> None:
    stage.watch(5, face())
    stage.looks_are_answered = False
    stage.see(face())
    stage.see(face(), epoch=2)
    stage.work()
    assert not any(clear(verdict)[0] for verdict in stage.watch(3, face(), epoch=2))


def test_what_the_log_repeats_is_ignored(stage: Stage) -> None:
    stage.step(detections(0, face()), detections(0, face()), detections(1, face()), detections(0, face()))
    assert [verdict.seq for verdict in stage.producer.of(VerdictMessage)] == [0, 1]


def test_a_scene_cut_ends_identity(stage: Stage) -> None:
    stage.watch(12, face())
    cut = stage.see(face(), scene_cut=True)
    assert clear(cut) == [False]


def test_an_answer_of_the_detector_that_is_lost_may_have_told_a_cut(stage: Stage) -> None:
    stage.watch(15, face(value=ANA))
    assert stage.see(face(value=ANA)).tracks[0].clear
    stage.seq += 1  # this one never arrived
    lost = stage.see(face(value=ANA))
    assert not lost.tracks[0].clear, "whoever is there now has to be recognised anew"
    assert lost.after_seq == lost.seq - 1, "the compositor sees the hole too"
    assert not lost.scene_cut


def test_a_frame_that_the_detector_left_out_is_no_loss(stage: Stage) -> None:
    stage.watch(15, face(value=ANA))
    answered, stage.seq = stage.seq, stage.seq + 1
    assert stage.see(face(value=ANA), after_seq=answered).tracks[0].clear


def test_a_verdict_carries_the_fingerprint_of_the_picture_that_was_looked_at(stage: Stage) -> None:
    print_ = bytes(range(144))
    assert stage.see(fingerprint=print_).fingerprint == print_


def test_partitions_that_move_lose_what_was_known(stage: Stage) -> None:
    stage.service.on_assigned(frozenset({0, 1}))
    stage.watch(12, face())
    stage.service.on_revoked(frozenset({0}))
    assert clear(stage.see(face())) == [False]
    stage.watch(12, face())
    stage.service.on_revoked(frozenset({1}))
    assert clear(stage.see(face())) == [True]


def test_another_owner_of_a_stream_knows_nobody_of_before(stage: Stage) -> None:
    stage.watch(12, face())
    stage.specs.put(spec(owner_id="o2", revision=2))
    stage.step()
    assert not any(clear(verdict)[0] for verdict in stage.watch(12, face()))


def test_a_deleted_stream_is_forgotten(stage: Stage) -> None:
    stage.watch(12, face())
    stage.specs.put(None, "s1")
    stage.step()
    assert not any(clear(verdict)[0] for verdict in stage.watch(12, face()))


def test_a_restart_in_the_same_epoch_gives_no_known_id_to_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = set()
    for second in range(3):
        monkeypatch.setattr(module, "wall_ms", lambda second=second: 1_700_000_000_000 + 1000 * second)
        stage = Stage(monkeypatch)
        ids |= {track.track_id for track in stage.see(face(), face(400)).tracks}
    assert len(ids) == 6


def test_ids_fit_the_contract() -> None:
    assert StreamRecognition(1, first_track_id(4_000_000_000_000)).recognise(detections(0, face()), None, 0.0)


def test_reports_once_a_second_with_tracks_by_reason(stage: Stage) -> None:
    stage.watch(32, face(100, ANA), face(600, STRANGER), face(900, 5, side=20.0))
    reports = stage.producer.of(StatusReport)
    assert 2 <= len(reports) <= 4
    last = reports[-1]
    assert (last.service, last.stream_id, last.epoch, last.state) == ("recognizer", "s1", 1, "live")
    assert last.counters["verdicts"] > 10
    gauges = {name: value for name, value in last.gauges.items() if value}
    assert gauges == {"tracks_clear": 1, "tracks_masked": 2, "tracks_unknown": 1, "tracks_too_small": 1}
    sample = {"stream": "s1", "reason": "unknown"}
    assert stage.metrics.registry.get_sample_value("mosaicast_tracks", sample) == 1


def test_a_stream_that_fell_silent_waits_and_is_forgotten_with_its_metrics(stage: Stage) -> None:
    stage.watch(12, face())
    stage.clock.now_s += SILENT_S / 10
    stage.step()
    assert stage.producer.of(StatusReport)[-1].state == "waiting"
    stage.clock.now_s += SILENT_S
    stage.step()
    count = len(stage.producer.of(StatusReport))
    stage.clock.now_s += 2.0
    stage.step()
    assert len(stage.producer.of(StatusReport)) == count
    sample = {"stream": "s1", "reason": "enrolled"}
    assert stage.metrics.registry.get_sample_value("mosaicast_tracks", sample) is None


def test_a_deleted_stream_leaves_no_series(stage: Stage) -> None:
    stage.watch(12, face())
    assert streams_in(stage.metrics.registry) == {"s1"}
    stage.specs.put(None, "s1")
    stage.step()
    assert streams_in(stage.metrics.registry) == set()


def test_no_picture_vector_or_similarity_leaves(stage: Stage) -> None:
    stage.watch(15, face(100, ANA), face(600, STRANGER))
    assert stage.producer.topics == {"verdicts", "status"}
    for _, message in stage.producer.sent:
        assert b"JFIF" not in repr(message).encode()
        assert "0.99" not in repr(message)


def test_it_runs_until_told_to_stop_or_unable() -> None:
    metrics = Metrics()

    def make_worker(on_event: Callable[[Answer | People], None]) -> EmbeddingWorker:
        return EmbeddingWorker(lambda: [FaceMatcher(GreyEmbedder(), GreyGallery())], metrics, on_event)

    service = RecognizerService(FakeProducer(), make_worker, metrics, "0")
    stop = StopEvent()
    stop.set()
    service.run(FakeReader(), FakeReader(), FakeReader(), stop)
    assert service.failure is None
    assert not service.ready

    def broken_worker(on_event: Callable[[Answer | People], None]) -> EmbeddingWorker:
        def broken() -> list[FaceMatcher]:
            raise ZeroDivisionError

        return EmbeddingWorker(broken, metrics, on_event)

    service = RecognizerService(FakeProducer(), broken_worker, metrics, "0")
    service.run(FakeReader(), FakeReader(), FakeReader(), StopEvent())
    assert service.failure == "ZeroDivisionError"


def test_who_did_not_agree_is_masked_though_enrolled(stage: Stage) -> None:
    stage.specs.put(spec(revision=2, ana=0))
    assert not any(clear(verdict)[0] for verdict in stage.watch(30, face()))


def test_a_consent_given_or_taken_back_counts_at_once(stage: Stage) -> None:
    stage.specs.put(spec(revision=2, ana=0))
    stage.watch(12, face())
    stage.specs.put(spec(revision=3))
    assert clear(stage.watch(12, face())[-1]) == [True]
    stage.specs.put(spec(revision=4, ana=0))
    (track,) = stage.see(face()).tracks
    assert (track.clear, track.reason) == (False, Reason.EXPIRED)


def test_a_consent_that_runs_out_masks_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    end_ms = wall_ms() + 1_000_000
    stage.specs.put(spec(revision=2, ana=end_ms))
    assert clear(stage.watch(12, face())[-1]) == [True]
    monkeypatch.setattr(module, "wall_ms", lambda: end_ms - 1)
    assert clear(stage.see(face())) == [True]
    monkeypatch.setattr(module, "wall_ms", lambda: end_ms)
    (track,) = stage.see(face()).tracks
    assert (track.clear, track.reason) == (False, Reason.EXPIRED)
    assert not any(clear(verdict)[0] for verdict in stage.watch(30, face()))


def test_a_change_of_the_policy_alone_does_not_blink(stage: Stage) -> None:
    stage.watch(12, face())
    stage.specs.put(spec(revision=2))
    assert clear(stage.see(face())) == [True]
