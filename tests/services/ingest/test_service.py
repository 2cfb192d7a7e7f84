"""The service with real children on files made here, and a bus in memory."""

import os
import signal
import threading

import pytest

from mosaicast.contracts.messages import StatusReport
from mosaicast.runtime.children import ForkServer, Limits
from services.ingest import entry
from services.ingest.service import SETTLE_S, IngestService
from tests.contract.av_clips import make_clip
from tests.services.ingest.fakes import (
    Clock,
    FakeBus,
    FakeSpawner,
    file_spec,
    push_spec,
    received,
    surroundings,
)

ALL = frozenset(range(4))


@pytest.fixture(scope="module")
def fork_server():
    return ForkServer(preload=[entry.PRELOAD])


class Live:
    """A service with real children that is stepped until something is so."""

    def __init__(self, fork_server, media_dir):
        self.bus, self.children = FakeBus(), []
        self._server, self._pause = fork_server, threading.Event()
        self.service = IngestService(surroundings(self.bus, self.spawn, media_dir=media_dir))
        self.service.assigned(ALL)

    def spawn(self, job):
        self.children.append(
            self._server.spawn(entry.run_child, (job,), name=job.stream_id, limits=Limits(2 * 1024**3))
        )
        return self.children[-1]

    def until(self, condition, received=()):
        self.service.step(received)
        for _ in range(1500):
            if condition():
                return
            self._pause.wait(0.02)
            self.service.step([])
        raise AssertionError("it never happened")

    def status(self, stream_id) -> StatusReport:
        return self.bus.last_status(stream_id)

    def state(self, stream_id) -> str | None:
        reports = self.bus.of(StatusReport, stream_id)
        return reports[-1].state if reports else None


@pytest.fixture
def live(fork_server, tmp_path):
    live = Live(fork_server, tmp_path)
    yield live
    live.service.close()
    assert all(child.exit is not None for child in live.children)


def test_a_file_goes_through_and_ends(live, tmp_path):
    make_clip(tmp_path / "clip.mp4", frames=30, b_frames=2)
    live.until(lambda: live.state("f1") == "ended", [received(file_spec("clip.mp4"))])
    video = [packet for packet in live.bus.media if packet.track == "video" and packet.data]
    assert len(video) == 30
    assert live.bus.media[-1].end_of_epoch
    assert len(live.bus.frames) >= 10
    counters = live.status("f1").counters
    assert (counters["packets_video"], counters["frames_ingested"]) == (30, 30)
    assert counters["frames_sampled"] == len(live.bus.frames)


def test_a_killed_child_harms_nobody_else_and_comes_back_in_a_higher_epoch(live, tmp_path):
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


def test_a_stopped_child_is_ended_with_the_service(live, tmp_path):
    make_clip(tmp_path / "clip.mp4", frames=90)
    live.until(lambda: live.bus.media, [received(file_spec("clip.mp4"))])
    os.kill(live.children[0].pid, signal.SIGSTOP)
    live.service.close()
    assert live.children[0].exit is not None
    assert live.bus.media[-1].end_of_epoch
    assert live.state("f1") == "stopped"


def test_nobody_at_the_address_is_told_and_asked_again(live):
    live.until(lambda: len(live.children) >= 3, [received(push_spec())])
    report = live.service._owned["s1"].runner.report()
    assert (report.state, report.reason) == ("starting", "The media server does not answer.")


# --- ownership, with children that are no processes ---------------------------------------------------------


class Still:
    """A service at a standing clock."""

    def __init__(self):
        self.bus, self.spawner, self.clock = FakeBus(), FakeSpawner(), Clock()
        self.service = IngestService(surroundings(self.bus, self.spawner, clock=self.clock))

    def step(self, *specs, seconds=0.0):
        self.clock.now_s += seconds
        self.service.step(specs)


@pytest.fixture
def still():
    return Still()


def test_old_states_in_the_log_start_no_child(still):
    still.service.assigned(ALL)
    still.step(received(push_spec(publication="p1", revision=1)))
    still.step(received(push_spec(publication=None, revision=2)), seconds=SETTLE_S / 2)
    still.step(seconds=SETTLE_S * 2)
    assert still.spawner.children == []


def test_it_is_ready_with_partitions_only(still):
    assert not still.service.ready
    still.service.assigned(ALL)
    still.step()
    assert still.service.ready


def test_a_partition_that_goes_takes_its_streams_along_and_no_other(still):
    still.service.assigned(ALL)
    still.step(received(push_spec("a"), partition=1), received(push_spec("b"), partition=2))
    still.step(seconds=SETTLE_S * 2)
    still.service.revoked(frozenset({1}))
    still.step()
    assert {child.job.stream_id: child.killed for child in still.spawner.children} == {"a": True, "b": False}
    still.step(received(push_spec("a", revision=2), partition=1), seconds=10.0)
    assert len(still.spawner.children) == 2


def test_a_deleted_stream_is_stopped_and_says_so(still):
    still.service.assigned(ALL)
    still.step(received(push_spec("a")))
    still.step(seconds=SETTLE_S * 2)
    still.step(received(None, key="a"), received(None, key="unknown"))
    assert still.spawner.children[0].killed
    assert still.bus.last_status("a").state == "stopped"


def test_every_stream_is_told_once_a_second_and_counted_by_state(still):
    still.service.assigned(ALL)
    still.step(received(push_spec("a")), received(push_spec("b", publication=None)))
    before = len(still.bus.sent)
    for _ in range(8):
        still.step(seconds=0.125)
    assert [report.stream_id for report in still.bus.sent[before:]] == ["a", "b"]
    registry = still.service._around.metrics.registry
    assert registry.get_sample_value("mosaicast_streams", {"state": "waiting"}) == 1
