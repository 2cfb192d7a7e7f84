"""The compositor's loop with a log, specs, children and a clock that are no more than lists."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.kafka import Received
from mosaicast.adapters.media.hls_folder import HlsFolder, HlsStoreError
from mosaicast.contracts.messages import (
    MediaPacket,
    Message,
    OutgoingFaces,
    Publication,
    StatusReport,
    StreamSpec,
    VerdictMessage,
)
from mosaicast.contracts.topics import MEDIA, STATUS, STREAMS, Topic
from mosaicast.core.types import Disposition
from mosaicast.runtime.metrics import LINGER_S, Metrics
from services.compositor.hls import LONGEST_PAUSE_S, HlsFiles, HlsOutput
from services.compositor.service import IDLE_S, REPORT_S, UNPUBLISHED_S, CompositorService
from services.compositor.wire import Outcome, Segment, Settled, encode_segment
from synthetic.session import wait_until
from tests.files import files_under
from tests.services.compositor.fakes import FakeChild, FakeSpawn, packet, shown, verdict_of
from tests.services.compositor.media import STREAM, spec
from tests.services.series import streams_in

ALL = frozenset(range(4))


class Lines:
    """A reader that gives out what was put in, all at once."""

    def __init__(self) -> None:
        self.waiting: list[Received] = []

    def poll(self, timeout_s: float) -> Sequence[Received]:
        taken, self.waiting = self.waiting, []
        return taken


class Stage:
    """A service that owns all partitions, and everything around it."""

    def __init__(self, make_hls: Callable[[str], HlsOutput | None] = lambda _: None) -> None:
        self.now = 100.0
        self.spawn, self.metrics = FakeSpawn(), Metrics()
        self.log, self.specs = Lines(), Lines()
        self.reports: list[StatusReport] = []
        self.service = CompositorService(self.spawn, self, self.metrics, "c0", lambda: self.now, make_hls=make_hls)
        self.service.on_assigned(ALL)

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        assert topic is STATUS
        assert isinstance(message, StatusReport)
        self.reports.append(message)
        return True

    def step(
        self, *messages: MediaPacket | VerdictMessage | OutgoingFaces, seconds: float = 0.0, partition: int = 0
    ) -> None:
        self.now += seconds
        self.log.waiting += [Received(MEDIA.name, partition, 0, m.stream_id, m, 0) for m in messages]
        self.service.step(self.log, self.specs)

    def wants(self, state: StreamSpec | None, stream: str = STREAM) -> None:
        self.specs.waiting.append(Received(STREAMS.name, 0, 0, stream, state, 0))

    @property
    def child(self) -> FakeChild:
        return self.spawn.last

    @property
    def state(self) -> str:
        return self.report.state

    @property
    def report(self) -> StatusReport:
        return self.reports[-1]

    def metric(self, disposition: str, reason: str = "", stream: str = STREAM) -> float:
        labels = {"stream": stream, "disposition": disposition, "reason": reason}
        return self.metrics.registry.get_sample_value("mosaicast_frames_out_total", labels) or 0.0


@pytest.fixture
def stage() -> Stage:
    return Stage()


def published(publication: str | None, revision: int) -> StreamSpec:
    return spec(revision, publication=publication and Publication(publication_id=publication, started_ms=0))


# --- who owns what ------------------------------------------------------------------------------------------


def test_it_is_ready_with_partitions_only() -> None:
    service = CompositorService(FakeSpawn(), Stage(), Metrics(), "c0")
    assert not service.ready
    service.on_assigned(frozenset({1, 2}))
    service.on_revoked(frozenset({1}))
    assert service.ready
    service.on_revoked(frozenset({2}))
    assert not service.ready


def test_a_partition_that_goes_takes_its_streams_along_and_no_other(stage: Stage) -> None:
    stage.step(packet(0, key=True, stream="a"), partition=1)
    stage.step(packet(0, key=True, stream="b"), partition=2)
    a, b = stage.spawn.children
    stage.service.on_revoked(frozenset({1}))
    assert (a.closed, b.closed) == (True, False)
    assert (stage.report.stream_id, stage.report.state) == ("a", "stopped")
    stage.step(packet(1, stream="b"), partition=2)
    assert len(stage.spawn.children) == 2


def test_packets_that_were_on_their_way_when_the_partition_went_start_nothing(stage: Stage) -> None:
    stage.step(packet(0, key=True), partition=1)
    stage.service.on_revoked(frozenset({1}))
    stage.step(packet(1), verdict_of(0), partition=1)
    assert len(stage.spawn.children) == 1
    stage.service.on_assigned(frozenset({1}))
    stage.step(packet(2, key=True), partition=1)
    assert len(stage.spawn.children) == 2


def test_streams_have_children_of_their_own(stage: Stage) -> None:
    stage.step(packet(0, key=True, stream="a"), packet(0, key=True, stream="b"), verdict_of(0, stream="a"))
    assert [child.stream_id for child in stage.spawn.children] == ["a", "b"]
    assert [m.stream_id for m in stage.spawn.children[0].takes(3)[1:]] == ["a", "a"]
    assert stage.spawn.children[1].takes(2)[1:] == [packet(0, key=True, stream="b")]


# --- desired state ------------------------------------------------------------------------------------------


def test_a_spec_before_the_media_reaches_the_child_first(stage: Stage) -> None:
    stage.wants(spec())
    stage.step()
    assert stage.spawn.children == []
    stage.step(packet(0, key=True))
    assert stage.child.takes(3) == [spec(), Settled(1, frozenset()), packet(0, key=True)]


def test_media_before_the_spec_starts_a_child_that_masks_everything_until_then(stage: Stage) -> None:
    stage.step(packet(0, key=True))
    stage.wants(spec())
    stage.step()
    assert stage.child.takes(3) == [Settled(1, frozenset()), packet(0, key=True), spec()]


def test_only_newer_states_are_passed_on(stage: Stage) -> None:
    stage.wants(spec(5))
    stage.step(packet(0, key=True))
    for state in (spec(4, panic=True), spec(5), spec(6, panic=True)):
        stage.wants(state)
    stage.step(packet(1))
    assert stage.child.takes(5)[2:] == [packet(0, key=True), spec(6, panic=True), packet(1)]


def test_verdicts_without_media_start_nothing(stage: Stage) -> None:
    stage.step(verdict_of(0), verdict_of(1))
    assert stage.spawn.children == []


def test_a_deleted_stream_is_ended_and_late_packets_do_not_bring_it_back(stage: Stage) -> None:
    stage.wants(spec(3))
    stage.step(packet(0, key=True))
    stage.wants(None)
    stage.step()
    assert stage.child.closed
    told = len(stage.reports)
    assert stage.report.state == "stopped"
    stage.step(packet(1), verdict_of(0))
    stage.step(packet(2, key=True), seconds=REPORT_S)
    assert len(stage.spawn.children) == 1
    assert len(stage.reports) == told
    stage.wants(spec(1))  # made anew under its old name
    stage.step(packet(0, epoch=2, key=True))
    assert stage.child.takes(1)[0] == spec(1)


# --- metrics of streams that are gone -------------------------------------------------------------------------


def show(stage: Stage, name: str, partition: int = 0) -> None:
    """Let a stream have its series."""
    stage.step(packet(0, key=True, stream=name), packet(1, stream=name), partition=partition)
    stage.child.says(*shown(0), Outcome(1, 1, Disposition.CLEAR, "", 0.03, 0.02, 1.2))
    stage.step()
    assert name in streams_in(stage.metrics.registry)


def test_a_hundred_deleted_streams_leave_no_series(stage: Stage) -> None:
    names = [f"s{number}" for number in range(100)]
    show(stage, "other")
    for name in names:
        show(stage, name)
        stage.wants(None, name)
        stage.step()
    assert streams_in(stage.metrics.registry) == {"other"}


def test_the_series_of_a_stream_whose_child_rests_stay(stage: Stage) -> None:
    show(stage, STREAM)
    stage.step(seconds=IDLE_S + 1)
    assert stage.child.closed
    stage.step(seconds=10 * LINGER_S)
    assert stage.metric("clear") == 1


def test_a_stream_that_moved_away_leaves_no_series_for_long(stage: Stage) -> None:
    show(stage, STREAM, partition=1)
    stage.service.on_revoked(frozenset({1}))
    stage.step(seconds=LINGER_S / 2)
    assert stage.metric("clear") == 1
    stage.step(seconds=LINGER_S)
    assert streams_in(stage.metrics.registry) == set()


def test_a_stream_that_comes_back_counts_on(stage: Stage) -> None:
    show(stage, STREAM, partition=1)
    stage.service.on_revoked(frozenset({1}))
    stage.service.on_assigned(frozenset({1}))
    stage.step(packet(0, epoch=2, key=True), partition=1)
    stage.step(seconds=2 * LINGER_S)
    assert stage.metric("clear") == 1


# --- reports ------------------------------------------------------------------------------------------------


def test_a_report_a_second_for_each_stream(stage: Stage) -> None:
    stage.step(packet(0, key=True, stream="a"), packet(0, key=True, stream="b"))
    for _ in range(40):
        stage.step(seconds=0.1)
        for child in stage.spawn.children:
            child.says()
    assert [r.stream_id for r in stage.reports] == ["a", "b"] * 3
    assert {(r.service, r.instance, r.epoch) for r in stage.reports} == {("compositor", "c0", 1)}
    assert stage.metrics.registry.get_sample_value("mosaicast_streams", {"state": "handled"}) == 2


def test_counters_and_gauges(stage: Stage) -> None:
    stage.step(*(packet(n, key=n == 0) for n in range(6)))
    stage.child.says(
        *shown(0, 1),
        Outcome(1, 2, Disposition.CLEAR, "", 0.03, 0.02, 1.2),
        Outcome(1, 3, Disposition.FULL_MOSAIC, "no_verdict", None, 0.04, 1.4),
        Outcome(1, 4, Disposition.DROPPED, "late"),
        note="a note",
    )
    stage.step(seconds=REPORT_S * 2)
    assert (stage.report.state, stage.report.reason) == ("live", "a note")
    assert stage.report.counters == {
        "taken": 6, "in_flight": 1, "masked": 2, "clear": 1, "full_mosaic": 1, "dropped": 1, "dropped.late": 1,
        "full_mosaic.no_verdict": 1,
        "restarts": 0, "repeated": 0,
    }  # fmt: skip
    assert stage.report.gauges == {
        "fps": 2.0, "end_to_end_ms": 1100.0, "delay_beyond_p95_ms": 20.0, "verdict_age_ms": 10.0,
        "behind_ms": 0.0,
    }  # fmt: skip
    assert (stage.metric("masked"), stage.metric("clear"), stage.metric("dropped", "late")) == (2, 1, 1)
    assert stage.metrics.registry.get_sample_value("mosaicast_end_to_end_seconds_count", {"stream": STREAM}) == 4


def test_a_frame_that_is_told_twice_is_counted_once(stage: Stage) -> None:
    stage.step(packet(0, key=True))
    stage.child.says(*shown(0, 0))
    stage.step()
    stage.child.says(*shown(0))
    stage.step()
    assert stage.metric("masked") == 1


def test_the_state_follows_the_stream(stage: Stage) -> None:
    stage.step(packet(0, key=True), packet(1))
    stage.step(seconds=REPORT_S)
    assert stage.state == "starting"
    stage.child.says(*shown(0))
    stage.step(packet(2), seconds=REPORT_S)
    assert stage.state == "live"
    stage.child.says()
    stage.step(seconds=4.0)
    assert (stage.report.state, stage.report.gauges["fps"]) == ("waiting", 0.0)


def test_a_quarantine_is_told_in_a_sentence(stage: Stage) -> None:
    stage.step(packet(0, key=True))
    for number in range(1, 6):
        stage.child.ends(-11)
        stage.step()
        stage.step(packet(number, key=True), seconds=6.0)
    assert stage.state == "quarantined"
    assert "crashed five times" in stage.report.reason
    restarts = stage.metrics.registry.get_sample_value("mosaicast_child_restarts_total", {"reason": "SIGSEGV"})
    assert restarts == 5
    assert stage.report.counters["restarts"] == 5
    assert stage.report.counters["in_flight"] == 0
    assert stage.metric("dropped", "quarantined") > 0


def test_the_last_report_has_the_books_closed(stage: Stage) -> None:
    stage.step(packet(0, key=True), packet(1), packet(2))
    stage.child.says(*shown(0))

    class Stopped:
        def is_set(self) -> bool:
            return True

    stage.service.run(stage.log, stage.specs, Stopped())  # type: ignore[arg-type]
    assert stage.child.closed
    assert stage.state == "stopped"
    counters = stage.report.counters
    assert (counters["taken"], counters["masked"], counters["dropped.stopped"], counters["in_flight"]) == (3, 1, 2, 0)


# --- rest ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("publication", "after_s"), [("p1", IDLE_S), (None, UNPUBLISHED_S)], ids=["published", "unpublished"]
)
def test_a_child_without_packets_is_let_go_and_the_next_packet_starts_another(
    stage: Stage, publication: str | None, after_s: float
) -> None:
    stage.wants(published(publication, 1))
    stage.step(packet(0, key=True))
    stage.child.says(*shown(0))
    stage.step()
    for _ in range(int(after_s)):
        stage.child.says()
        stage.step(seconds=1.0)
    assert not stage.child.closed
    stage.child.says()
    stage.step(seconds=0.5)
    assert stage.child.closed
    stage.step(seconds=10.0)
    assert len(stage.spawn.children) == 1
    assert stage.report.counters["masked"] == 1, "the books stay"
    stage.step(packet(0, epoch=2, key=True))
    assert stage.child.takes(3)[1:] == [Settled(2, frozenset()), packet(0, epoch=2, key=True)]


def test_files_of_a_deleted_stream_that_can_not_be_deleted_are_tried_again(tmp_path: Path) -> None:
    disk = StuckFolder(tmp_path)
    stage: Stage
    stage = Stage(lambda stream_id: HlsOutput(HlsFiles(stream_id, disk, 1), lambda: stage.now))
    stage.wants(spec())
    stage.step(packet(0, key=True))
    stage.child.connection.say(encode_segment(Segment(1, 1_000, 2.0, False, b"a" * 188)))

    def files_after_a_step(seconds: float = 0.0) -> list[Path]:
        stage.step(seconds=seconds)
        return files_under(tmp_path)

    wait_until(lambda: any(path.suffix == ".ts" for path in files_after_a_step()), 30, "a segment on the disk")
    disk.stuck = True
    stage.wants(None)
    stage.step()
    assert files_under(tmp_path, ".ts")
    disk.stuck = False
    wait_until(lambda: not files_after_a_step(LONGEST_PAUSE_S) and not list(tmp_path.iterdir()), 30, "an empty disk")


class StuckFolder(HlsFolder):
    """A folder whose files can't be deleted for a while."""

    stuck = False

    def remove(self, stream_id: str) -> None:
        if self.stuck:
            raise HlsStoreError("Operation not permitted")
        super().remove(stream_id)
