"""The service with real children on files made here, and a bus in memory."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.kafka import Received
from mosaicast.contracts.messages import StatusReport
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.metrics import LINGER_S
from services.ingest import entry
from services.ingest.service import REPORTS_S, SETTLE_S, IngestService
from services.ingest.wire import Job
from tests.adapters.av_clips import make_clip
from tests.fakes.clock import Clock
from tests.services.ingest.fakes import (
    FakeBus,
    FakeSpawner,
    file_spec,
    ingest_context,
    push_spec,
    received,
    reported,
)
from tests.services.series import streams_in

ALL = frozenset(range(4))


@pytest.fixture(scope="module")
def fork_server() -> ForkServer:
    return ForkServer(preload=[entry.PRELOAD])


class Live:
    """A service with real children that is stepped until something is so."""

    def __init__(self, fork_server: ForkServer, media_dir: Path) -> None:
        self.bus = FakeBus()
        self.children: list[ChildProcess] = []
        self._server, self._pause = fork_server, threading.Event()
        self.service = IngestService(ingest_context(self.bus, self.spawn, media_dir=media_dir))
        self.service.on_assigned(ALL)
        self.service.take_reports([], caught_up=True)

    def spawn(self, job: Job) -> ChildProcess:
        self.children.append(
            self._server.spawn(entry.run_child, (job,), name=job.stream_id, limits=Limits(2 * 1024**3))
        )
        return self.children[-1]

    def until(self, condition: Callable[[], object], received: Sequence[Received] = ()) -> None:
        self.service.step(received)
        for _ in range(1500):
            if condition():
                return
            self._pause.wait(0.02)
            self.service.step([])
        raise AssertionError("it never happened")

    def status(self, stream_id: str) -> StatusReport:
        return self.bus.last_status(stream_id)

    def state(self, stream_id: str) -> str | None:
        reports = self.bus.of(StatusReport, stream_id)
        return reports[-1].state if reports else None


@pytest.fixture
def live(fork_server: ForkServer, tmp_path: Path) -> Iterator[Live]:
    live = Live(fork_server, tmp_path)
    yield live
    live.service.close()
    assert all(child.exit is not None for child in live.children)


def test_a_file_goes_through_and_ends(live: Live, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=30, b_frames=2)
    live.until(lambda: live.state("f1") == "ended", [received(file_spec("clip.mp4"))])
    video = [packet for packet in live.bus.media if packet.track == "video" and packet.data]
    assert len(video) == 30
    assert live.bus.media[-1].end_of_epoch
    assert len(live.bus.frames) >= 10
    counters = live.status("f1").counters
    assert (counters["packets_video"], counters["frames_ingested"]) == (30, 30)
    assert counters["frames_sampled"] == len(live.bus.frames)


def test_a_killed_child_harms_nobody_else_and_comes_back_in_a_higher_epoch(live: Live, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=90)
    specs = [received(file_spec("clip.mp4", stream_id=name)) for name in ("a", "b")]
    live.until(lambda: {"a", "b"} <= {packet.stream_id for packet in live.bus.media}, specs)
    victim = next(child for child in live.children if child._process.name == "a")
    os.kill(victim.pid, signal.SIGSEGV)
    live.until(lambda: live.state("a") == live.state("b") == "ended")
    epochs = {name: {p.epoch for p in live.bus.media if p.stream_id == name} for name in ("a", "b")}
    assert [len(epochs[name]) for name in ("a", "b")] == [2, 1]
    for epoch in epochs["a"]:
        assert [p.end_of_epoch for p in live.bus.media if p.epoch == epoch][-1]
    assert sum(p.track == "video" and bool(p.data) for p in live.bus.media if p.stream_id == "b") == 90


def test_a_stopped_child_is_ended_with_the_service(live: Live, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=90)
    live.until(lambda: live.bus.media, [received(file_spec("clip.mp4"))])
    os.kill(live.children[0].pid, signal.SIGSTOP)
    live.service.close()
    assert live.children[0].exit is not None
    assert live.bus.media[-1].end_of_epoch
    assert live.state("f1") == "stopped"


def test_nobody_at_the_address_is_told_and_asked_again(live: Live) -> None:
    live.until(lambda: len(live.children) >= 3, [received(push_spec())])
    report = live.service._owned["s1"].runner.report()
    assert (report.state, report.reason) == ("starting", "The media server does not answer.")


# --- ownership, with children that are no processes ---------------------------------------------------------


class Still:
    """A service at a standing clock."""

    def __init__(self) -> None:
        self.bus, self.spawner, self.clock = FakeBus(), FakeSpawner(), Clock(100.0)
        self.service = IngestService(ingest_context(self.bus, self.spawner, clock=self.clock))
        self.service.take_reports([], caught_up=True)

    def step(self, *specs: Any, seconds: float = 0.0) -> None:
        self.clock.now_s += seconds
        self.service.step(specs)


@pytest.fixture
def still() -> Still:
    return Still()


def test_old_states_in_the_log_start_no_child(still: Still) -> None:
    still.service.on_assigned(ALL)
    still.step(received(push_spec(publication="p1", revision=1)))
    still.step(received(push_spec(publication=None, revision=2)), seconds=SETTLE_S / 2)
    still.step(seconds=SETTLE_S * 2)
    assert still.spawner.children == []


def test_it_is_ready_with_partitions_only(still: Still) -> None:
    assert not still.service.ready
    still.service.on_assigned(ALL)
    still.step()
    assert still.service.ready


def test_a_partition_that_goes_takes_its_streams_along_and_no_other(still: Still) -> None:
    still.service.on_assigned(ALL)
    still.step(received(push_spec("a"), partition=1), received(push_spec("b"), partition=2))
    still.step(seconds=SETTLE_S * 2)
    still.service.on_revoked(frozenset({1}))
    still.step()
    assert {child.job.stream_id: child.killed for child in still.spawner.children} == {"a": True, "b": False}
    still.step(received(push_spec("a", revision=2), partition=1), seconds=10.0)
    assert len(still.spawner.children) == 2


def test_a_deleted_stream_is_stopped_and_says_so(still: Still) -> None:
    still.service.on_assigned(ALL)
    still.step(received(push_spec("a")))
    still.step(seconds=SETTLE_S * 2)
    still.step(received(None, key="a"), received(None, key="unknown"))
    assert still.spawner.children[0].killed
    assert still.bus.last_status("a").state == "stopped"


def test_a_deleted_stream_leaves_no_series_and_one_that_ended_keeps_them(live: Live, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=30)
    specs = [received(file_spec("clip.mp4", stream_id=name)) for name in ("a", "b")]
    live.until(lambda: live.state("a") == live.state("b") == "ended", specs)
    registry = live.service._context.metrics.registry
    assert registry.get_sample_value("mosaicast_frames_ingested_total", {"stream": "a"}) == 30
    live.service.step([received(None, key="a")])
    assert streams_in(registry) == {"b"}


def test_a_stream_that_moved_away_leaves_no_series_for_long(still: Still) -> None:
    still.service.on_assigned(ALL)
    still.step(received(push_spec("a"), partition=1), received(push_spec("b"), partition=2))
    metrics = still.service._context.metrics
    for name in ("a", "b"):
        metrics.frames_ingested.labels(name).inc()
    still.service.on_revoked(frozenset({1, 2}))
    still.step(seconds=LINGER_S / 2)
    assert streams_in(metrics.registry) == {"a", "b"}
    still.service.on_assigned(ALL)
    still.step(received(push_spec("b"), partition=2))
    still.step(seconds=LINGER_S)
    assert streams_in(metrics.registry) == {"b"}


def test_every_stream_is_told_once_a_second_and_counted_by_state(still: Still) -> None:
    still.service.on_assigned(ALL)
    still.step(received(push_spec("a")), received(push_spec("b", publication=None)))
    before = len(still.bus.sent)
    for _ in range(8):
        still.step(seconds=0.125)
    assert [report.stream_id for _, report in still.bus.sent[before:] if isinstance(report, StatusReport)] == ["a", "b"]
    registry = still.service._context.metrics.registry
    assert registry.get_sample_value("mosaicast_streams", {"state": "waiting"}) == 1


# --- epochs only grow -----------------------------------------------------------------------------------------

HOUR_S = 3600.0


class Restarted(Still):
    """An ingest that has just started, at some time of the wall clock, and knows nothing yet."""

    def __init__(self, now_s: float) -> None:
        super().__init__()
        self.clock.now_s = now_s
        self.service = IngestService(ingest_context(self.bus, self.spawner, clock=self.clock))
        self.service.on_assigned(ALL)
        self.step(received(push_spec()))

    @property
    def epochs(self) -> list[int]:
        return [child.job.epoch for child in self.spawner.children]


def test_a_clock_that_went_back_begins_no_old_epoch() -> None:
    before = Restarted(now_s=10 * HOUR_S)
    before.service.take_reports([], caught_up=True)
    before.step(seconds=SETTLE_S * 2)
    held = before.epochs[0]  # by the compositor, which goes on while ingest is started again
    after = Restarted(now_s=9 * HOUR_S)
    after.service.take_reports(
        [reported(held - 7), reported(held), reported(held - 3, service="recognizer")], caught_up=True
    )
    after.step(seconds=SETTLE_S * 2)
    assert after.epochs == [held + 1]
    assert after.epochs[0] > after.clock.now_s * 1000


def test_no_child_starts_before_the_known_epochs_are_told(still: Still) -> None:
    late = Restarted(now_s=HOUR_S)
    late.step(seconds=SETTLE_S * 2)
    late.service.take_reports([reported(1)], caught_up=False)
    late.step(seconds=SETTLE_S)
    assert late.epochs == []
    late.service.take_reports([reported(int(5 * HOUR_S * 1000))], caught_up=True)
    late.step()
    assert late.epochs == [5 * HOUR_S * 1000 + 1]


def test_reports_that_can_not_be_read_stop_no_stream_for_ever() -> None:
    deaf = Restarted(now_s=HOUR_S)
    deaf.step(seconds=REPORTS_S - 0.1)
    assert deaf.epochs == []
    deaf.step(seconds=0.2)
    assert len(deaf.epochs) == 1


def test_a_child_whose_epoch_somebody_has_overtaken_is_restarted_above_it() -> None:
    ingest = Restarted(now_s=HOUR_S)
    ingest.service.take_reports([], caught_up=True)
    ingest.step(seconds=SETTLE_S * 2)
    first = ingest.epochs[0]
    ingest.service.take_reports([reported(first), reported(first - 5)], caught_up=True)
    ingest.step(seconds=1.0)
    assert ingest.epochs == [first]
    ingest.service.take_reports([reported(first + 7_000_000)], caught_up=True)
    ingest.step()
    ingest.step()
    assert ingest.epochs == [first, first + 7_000_001]
    assert [child.killed for child in ingest.spawner.children] == [True, False]
    assert ingest.service._context.metrics.child_restarts.labels("old_epoch")._value.get() == 1


def test_made_up_epochs_restart_a_child_now_and_then_only() -> None:
    ingest = Restarted(now_s=HOUR_S)
    ingest.service.take_reports([], caught_up=True)
    ingest.step(seconds=SETTLE_S * 2)
    for turn in range(100):
        ingest.service.take_reports([reported(ingest.epochs[-1] + 1_000_000 + turn)], caught_up=True)
        ingest.step(seconds=0.1)
    assert len(ingest.epochs) <= 3
    ingest.service.take_reports([reported(2**53), reported(2**62)], caught_up=True)
    for _ in range(3):
        ingest.step(seconds=60.0)
    assert max(ingest.epochs) < HOUR_S * 1000 + 200_000_000
    assert ingest.epochs == sorted(set(ingest.epochs))
