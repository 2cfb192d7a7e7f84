"""One stream in the parent, with children that are no processes."""

from pathlib import Path
from typing import Any, Literal

import pytest

from mosaicast.contracts.messages import CodecParameters, MediaPacket, Policy, SampledFrame, StreamSpec, TimeBase
from mosaicast.contracts.topics import FRAMES, HOUR_MS, MEDIA
from mosaicast.core.restarts import RestartPolicy
from services.ingest.runner import SILENT_AFTER_S, StreamRunner
from services.ingest.wire import Command, End, Report, unpack_command
from synthetic.session import wait_until
from tests.fakes.clock import Clock
from tests.services.ingest.fakes import (
    FakeBus,
    FakeChild,
    FakeSpawner,
    file_spec,
    ingest_context,
    jpeg_of,
    push_spec,
)

MS = TimeBase(1, 1000)
WAIT_S = 30.0


class Stage:
    """A runner with everything around it fake. `settle` lets it take in what the children did."""

    def __init__(self, spec: StreamSpec, media_dir: Path | None = None) -> None:
        self.bus, self.spawner, self.clock = FakeBus(), FakeSpawner(), Clock(100.0)
        self.context = ingest_context(self.bus, self.spawner, media_dir=media_dir, clock=self.clock)
        self.runner = StreamRunner(spec, self.context)
        self.runner.tick()

    @property
    def child(self) -> FakeChild:
        return self.spawner.children[-1]

    def settle(self) -> None:
        child_pipe = self.runner._child_pipe
        if child_pipe is not None and self.child.exit is not None:
            child_pipe._thread.join(WAIT_S)
        self.runner.tick()

    def hears(self, *messages: Any) -> None:
        """Let the running child say something and wait until it has arrived."""
        self.child.says(*messages)
        self.child.ends(0)
        self.settle()

    def after(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.runner.tick()

    def crash(self) -> None:
        self.child.ends(-11)
        self.settle()


def packet(epoch: int, index: int = 0, *, track: Literal["video", "audio"] = "video", **more: Any) -> MediaPacket:
    more.setdefault("unit", index)
    codec = more.pop("codec", "h264")
    codecs = (CodecParameters(track="video", codec=codec, time_base=MS, width=640, height=360),) if index == 0 else ()
    return MediaPacket(
        stream_id=more.pop("stream_id", "s1"), epoch=epoch, index=index, track=track, pts=index * 33, dts=index * 33,
        time_base=MS, keyframe=index == 0, codecs=codecs, data=b"12345", read_ms=1, **more,
    )  # fmt: skip


def sample(epoch: int, jpeg: bytes = jpeg_of(640, 360)) -> SampledFrame:
    return SampledFrame(
        stream_id="s1",
        epoch=epoch,
        seq=0,
        pts=0,
        time_base=MS,
        width=640,
        height=360,
        fingerprint=bytes(144),
        jpeg=jpeg,
        read_ms=1,
    )


@pytest.fixture
def stage() -> Stage:
    return Stage(push_spec())


def test_an_idle_stream_waits_without_a_child() -> None:
    stage = Stage(push_spec(publication=None))
    assert (stage.runner.state, stage.spawner.children) == ("waiting", [])


def test_a_publication_starts_one_child_with_the_policy(stage: Stage) -> None:
    job = stage.child.job
    assert (job.stream_id, job.live, job.epoch, job.analysis_fps) == ("s1", True, 100_000, 10.0)
    stage.after(1.0)
    assert len(stage.spawner.children) == 1


def test_everything_is_passed_on_and_counted(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.hears(
        packet(epoch, 0), packet(epoch, 1, track="audio"), sample(epoch), Report({"decode_errors": 2}), End("end")
    )
    assert [(m.index, m.end_of_epoch) for m in stage.bus.media] == [(0, False), (1, False), (2, True)]
    assert len(stage.bus.frames) == 1
    counters = stage.runner.report().counters
    assert counters == {
        "packets_video": 1,
        "packets_audio": 1,
        "frames_ingested": 1,
        "frames_sampled": 1,
        "bytes": 10,
        "decode_errors": 2,
    }


def test_what_a_child_says_of_its_source_is_the_reason_while_the_stream_is_live(stage: Stage) -> None:
    stage.child.says(packet(stage.child.job.epoch), Report({}, "No sound: it is mute."))
    stage.child.says(Report({}, "No sound: it is mute."))
    child_pipe = stage.runner._child_pipe
    assert child_pipe is not None
    wait_until(lambda: child_pipe.note != "", WAIT_S, "the note")
    stage.runner.tick()
    stage.runner.tick()
    report = stage.runner.report()
    assert (report.state, report.reason) == ("live", "No sound: it is mute.")
    stage.child.says(Report({}))
    wait_until(lambda: child_pipe.note == "", WAIT_S, "no note")
    assert stage.runner.report().reason == ""


def test_reports_of_a_child_are_totals_and_those_of_children_add_up(stage: Stage) -> None:
    stage.hears(Report({"decode_errors": 2}), Report({"decode_errors": 5}), End("broken", "x", "network", True))
    stage.after(1.0)
    stage.hears(Report({"decode_errors": 1}), End("broken", "x", "network", True))
    assert stage.runner.report().counters == {"decode_errors": 6}


def test_a_full_bus_is_counted_as_refused_frames_and_dropped_samples(stage: Stage) -> None:
    stage.bus.full = {MEDIA.name, FRAMES.name}
    epoch = stage.child.job.epoch
    stage.hears(packet(epoch), sample(epoch), End("end"))
    counters = stage.runner.report().counters
    assert (counters["frames_refused"], counters["samples_dropped"]) == (1, 1)
    assert counters["frames_ingested"] == 1, "it was read; the compositor books it as lost"
    assert stage.context.metrics.frames_refused.labels("s1", "bus")._value.get() == 1


def test_a_refused_video_packet_asks_the_child_for_a_new_epoch(stage: Stage) -> None:
    stage.bus.full = {MEDIA.name}
    stage.child.says(packet(stage.child.job.epoch))
    assert stage.runner._child_pipe is not None
    assert stage.runner._child_pipe.lossy.wait(10)
    stage.runner.tick()
    stage.runner.tick()
    assert stage.child.commands() == [Command(10.0, 0.2, begin_anew=True)]


def test_a_packet_that_the_bus_lost_later_asks_for_one_too(stage: Stage) -> None:
    stage.child.says(packet(stage.child.job.epoch))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: stage.bus.sent, 10)
    stage.runner.tick()
    stage.runner.on_lost()
    stage.runner.tick()
    assert stage.child.commands() == [Command(10.0, 0.2, begin_anew=True)]


def test_frames_are_counted_by_their_numbers(stage: Stage) -> None:
    """What the child could not pass on was ingested too: the compositor books it as lost."""
    epoch = stage.child.job.epoch
    stage.hears(packet(epoch), packet(epoch, 3, unit=4), packet(epoch, 4, track="audio", unit=7), End("end"))
    assert stage.runner.report().counters["frames_ingested"] == 7


def test_a_child_whose_numbers_leap_is_not_trusted(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.child.says(packet(epoch), packet(epoch, 3, unit=10**9))
    stage.child.ends(0)
    stage.settle()
    assert stage.runner.state == "starting"
    assert stage.runner.report().counters["frames_ingested"] == 1


def test_the_epoch_is_ended_for_a_child_that_crashed(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.child.says(packet(epoch, 0), packet(epoch, 1))
    stage.crash()
    last = stage.bus.media[-1]
    assert (last.end_of_epoch, last.epoch, last.index, last.data) == (True, epoch, 2, b"")


def test_keyframes_tell_how_much_was_read_before_their_epoch(stage: Stage) -> None:
    """Its last packets and its end may be lost on the way, and nobody would know how many there were."""
    first = stage.child.job.epoch
    stage.hears(packet(first), packet(first, 1), packet(first + 5), packet(first + 5, 1), packet(first + 5, 2))
    stage.crash()
    stage.after(5.0)
    third = stage.child.job.epoch
    stage.hears(packet(third), packet(third, 1))
    told = {(p.epoch, p.index): (p.since_epoch, p.units_since) for p in stage.bus.media if not p.end_of_epoch}
    assert told[first, 0] == (first, 0)
    assert told[first + 5, 0] == (first, 2)
    assert told[third, 0] == (first, 5)
    assert {told[first, 1], told[first + 5, 1], told[third, 1]} == {(0, 0)}, "at keyframes only"


def test_epochs_rise_over_children_even_when_the_clock_does_not(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.hears(packet(epoch), packet(epoch + 500_000), End("end"))
    stage.after(1.0)
    assert stage.child.job.epoch == epoch + 500_001


def test_a_source_that_is_not_there_is_asked_again_for_ever_more_and_more_slowly(stage: Stage) -> None:
    pauses = []
    for _ in range(12):
        stage.hears(End("edge_down", "The media server does not answer.", "network", True))
        assert stage.runner.state == "starting"
        started, before = len(stage.spawner.children), stage.clock.now_s
        while len(stage.spawner.children) == started:
            stage.after(0.1)
        pauses.append(round(stage.clock.now_s - before, 1))
    assert pauses[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.11)
    assert max(pauses) <= 5.2
    assert stage.runner.report().reason == "The media server does not answer."


@pytest.mark.parametrize("times", [1, 4])
def test_a_few_crashes_are_restarted(stage: Stage, times: int) -> None:
    for _ in range(times):
        stage.crash()
        stage.after(5.0)
    assert len(stage.spawner.children) == times + 1
    assert stage.context.metrics.child_restarts.labels("SIGSEGV")._value.get() == times


def quarantine(stage: Stage) -> None:
    for _ in range(RestartPolicy().quarantine_crashes or 0):
        stage.crash()
        stage.after(5.0)
    assert stage.runner.state == "quarantined"


def test_five_crashes_in_a_minute_quarantine_with_a_sentence(stage: Stage) -> None:
    quarantine(stage)
    stage.after(3600.0)
    assert len(stage.spawner.children) == 5
    assert "crashed too often" in stage.runner.report().reason


def test_a_new_publication_lifts_the_quarantine_and_the_same_one_does_not(stage: Stage) -> None:
    quarantine(stage)
    stage.runner.update(push_spec(publication="p1", revision=2, policy=Policy(analysis_fps=12.0)))
    stage.after(1.0)
    assert len(stage.spawner.children) == 5
    stage.runner.update(push_spec(publication="p2", revision=3))
    stage.after(1.0)
    assert (len(stage.spawner.children), stage.runner.state) == (6, "starting")


def test_content_that_can_not_be_used_is_refused_until_published_again(stage: Stage) -> None:
    stage.hears(End("rotated", "The video is turned.", "content", False))
    stage.after(60.0)
    assert (stage.runner.state, stage.runner.report().reason) == ("refused", "The video is turned.")
    assert len(stage.spawner.children) == 1


def test_the_end_of_a_publication_ends_the_child_and_its_epoch(stage: Stage) -> None:
    stage.child.says(packet(stage.child.job.epoch))
    stage.runner.update(push_spec(publication=None, revision=2))
    assert stage.child.killed
    assert stage.runner.state == "waiting"
    stage.after(60.0)
    assert len(stage.spawner.children) == 1


def test_a_live_source_that_ends_is_opened_again_while_it_is_published(stage: Stage) -> None:
    stage.hears(packet(stage.child.job.epoch), End("end"))
    assert stage.runner.state == "starting"
    stage.after(1.0)
    assert len(stage.spawner.children) == 2


def test_a_file_that_ends_has_ended(tmp_path: Path) -> None:
    stage = Stage(file_spec("x.mp4"), tmp_path)
    stage.hears(End("end"))
    stage.after(60.0)
    assert (stage.runner.state, len(stage.spawner.children)) == ("ended", 1)


def test_a_file_outside_of_the_folder_is_refused_without_a_child(tmp_path: Path) -> None:
    stage = Stage(file_spec("../x.mp4"), tmp_path)
    assert (stage.runner.state, stage.spawner.children) == ("refused", [])


def test_an_older_revision_changes_nothing(stage: Stage) -> None:
    stage.runner.update(push_spec(publication="p0", revision=0))
    assert not stage.child.killed


def test_another_policy_reaches_the_running_child(stage: Stage) -> None:
    stage.runner.update(push_spec(revision=2, policy=Policy(analysis_fps=20.0, detection_threshold=0.3)))
    assert unpack_command(stage.child.theirs.recv_bytes()) == Command(20.0, 0.3)
    assert not stage.child.killed


def test_a_child_that_hangs_is_killed_and_counts_as_crashed(stage: Stage) -> None:
    stage.after(SILENT_AFTER_S + 1)
    assert stage.child.killed
    assert stage.context.metrics.child_restarts.labels("hung")._value.get() == 1
    stage.after(1.0)
    assert len(stage.spawner.children) == 2


@pytest.mark.parametrize(
    "word",
    [
        b"garbage",
        b"M\x93",
        packet(100_000, stream_id="other"),
        packet(99_999),
        sample(99_999),
        packet(100_000 + 2 * HOUR_MS),
        packet(100_000, codec="cinepak"),
        sample(100_000, jpeg_of(641, 360)),
    ],
)
def test_a_child_that_breaks_the_contract_is_killed_and_its_word_not_passed_on(
    stage: Stage, word: MediaPacket | SampledFrame | bytes
) -> None:
    if isinstance(word, bytes):
        stage.child.theirs.send_bytes(word)
    else:
        stage.child.says(word)
    assert stage.runner._child_pipe is not None
    stage.runner._child_pipe._thread.join(WAIT_S)
    stage.runner.tick()
    assert stage.child.killed
    assert (stage.bus.media, stage.bus.frames) == ([], [])
    labels = [sample.labels["reason"] for sample in next(iter(stage.context.metrics.child_restarts.collect())).samples]
    assert labels
    assert not [label for label in labels if " " in label]


def test_the_heartbeat_tells_size_rate_and_state(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.child.says(packet(epoch, 0), packet(epoch, 1))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: len(stage.bus.sent) == 2, WAIT_S)
    stage.after(0.5)
    report = stage.runner.report()
    assert (report.service, report.state, report.epoch) == ("ingest", "live", epoch)
    assert report.gauges == {"fps": 4.0, "width": 640.0, "height": 360.0}
    stage.runner.stop()
    assert stage.runner.report().state == "stopped"
