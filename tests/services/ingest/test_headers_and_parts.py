"""What a child has read of a publication is handed to the next one; what is larger than a message goes in pieces."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from mosaicast.adapters.kafka import Received
from mosaicast.contracts.messages import CodecParameters, MediaPacket, PublicationHeaders
from mosaicast.contracts.parts import PART_BYTES, Joiner
from mosaicast.contracts.situations import video
from mosaicast.contracts.topics import LARGEST_UNIT_BYTES, MEDIA, STATUS
from mosaicast.core.allowed import Allowed
from services.ingest import headers as headers_module
from services.ingest.headers import LARGEST_TOLD_BYTES, KnownHeaders
from services.ingest.service import IngestService
from services.ingest.wire import Command, End, Report
from tests.fakes.clock import Clock
from tests.services.ingest.fakes import FakeBus, FakeSpawner, ingest_context, push_spec, received
from tests.services.ingest.test_runner import MS, WAIT_S, Stage, packet

KNOWN = CodecParameters(track="video", codec="h264", time_base=MS, width=640, height=360, extradata=b"of a stranger")
BROKEN = End("broken", "The connection to the source broke; connecting again.", "network", True)


@pytest.fixture
def stage() -> Stage:
    return Stage(push_spec())


def keyframe(epoch: int, **changes: Any) -> MediaPacket:
    return replace(packet(epoch), codecs=(KNOWN,), **changes)


def test_the_first_child_of_a_publication_knows_nothing(stage: Stage) -> None:
    assert stage.child.job.headers == ()


@pytest.mark.parametrize("crash", [False, True])
def test_the_next_child_gets_the_headers_of_the_one_before(stage: Stage, crash: bool) -> None:
    stage.child.says(keyframe(stage.child.job.epoch))
    if crash:
        stage.crash()
    else:
        stage.hears(BROKEN)
    stage.after(6.0)
    assert stage.child.job.headers == (KNOWN,)


def test_children_that_read_nothing_lose_nothing(stage: Stage) -> None:
    stage.hears(keyframe(stage.child.job.epoch), BROKEN)
    for _ in range(3):
        stage.after(6.0)
        stage.hears(End("silent", "The publisher sends nothing; waiting for it.", "network", True))
    stage.after(6.0)
    assert len(stage.spawner.children) == 5
    assert stage.child.job.headers == (KNOWN,)


def test_the_newest_headers_count(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    other = replace(KNOWN, extradata=b"of another encoder")
    stage.hears(keyframe(epoch), packet(epoch, 1), replace(keyframe(epoch + 1), codecs=(other,)), BROKEN)
    stage.after(6.0)
    assert stage.child.job.headers == (other,)


def test_another_publication_has_headers_of_its_own(stage: Stage) -> None:
    stage.child.says(keyframe(stage.child.job.epoch))
    stage.settle()
    stage.runner.update(push_spec(publication="p2", revision=2))
    stage.after(1.0)
    assert stage.child.job.headers == ()


def test_a_large_keyframe_goes_in_pieces(stage: Stage) -> None:
    whole = keyframe(stage.child.job.epoch, data=bytes(range(256)) * (4_700_000 // 256))
    stage.hears(whole, packet(stage.child.job.epoch, 1), End("end"))
    parts, joiner = stage.bus.media, Joiner()
    assert max(len(part.data) for part in parts) == PART_BYTES
    assert len(parts) == -(-len(whole.data) // PART_BYTES) + 2
    joined = [one for part in parts if (one := joiner.add(part)) is not None]
    assert [(one.index, one.data) for one in joined[:2]] == [(0, whole.data), (1, b"12345")]
    counters = stage.runner.report().counters
    assert (counters["frames_ingested"], counters["packets_video"]) == (2, 2), "a piece is no frame"
    assert "frames_refused" not in counters


class Reluctant(FakeBus):
    """Takes a packet's first piece and no other."""

    def send(self, topic: Any, message: Any, *, key: str | None = None) -> bool:
        return (topic is not MEDIA or message.part in (0, 4)) and super().send(topic, message, key=key)


def test_after_a_piece_that_is_refused_the_rest_stays(stage: Stage) -> None:
    bus = Reluctant()
    object.__setattr__(stage.context, "bus", bus)
    stage.child.says(keyframe(stage.child.job.epoch, data=bytes(5 * PART_BYTES)))
    assert stage.runner._child_pipe is not None
    assert stage.runner._child_pipe.lossy.wait(WAIT_S)
    assert [message.part for message in bus.media] == [0]
    stage.runner.tick()
    stage.runner.tick()
    assert stage.child.commands() == [Command(10.0, 0.2, begin_anew=True)]


def test_what_is_too_large_for_everybody_is_told_in_words(stage: Stage) -> None:
    epoch = stage.child.job.epoch
    stage.child.says(replace(keyframe(epoch), data=bytes(LARGEST_UNIT_BYTES + 1)))
    assert stage.runner._child_pipe is not None
    assert stage.runner._child_pipe.lossy.wait(WAIT_S)
    stage.runner.tick()
    report = stage.runner.report()
    assert (report.state, report.reason) == ("live", video.FRAMES_TOO_LARGE.says())
    assert report.counters["frames_refused"] == 1
    assert stage.bus.media == []


def test_what_was_too_large_for_the_pipe_is_told_too(stage: Stage) -> None:
    stage.child.says(Report({"packets_too_large": 1}), packet(stage.child.job.epoch))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: stage.bus.sent, WAIT_S)
    stage.runner.tick()
    assert stage.runner.report().reason == video.FRAMES_TOO_LARGE.says()


def test_nobody_complains_of_a_source_that_fits(stage: Stage) -> None:
    stage.child.says(keyframe(stage.child.job.epoch, data=bytes(3 * PART_BYTES)))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: len(stage.bus.media) == 3, WAIT_S)
    stage.runner.tick()
    assert (stage.runner.state, stage.runner.report().reason) == ("live", "")


HEVC = replace(KNOWN, codec="hevc")


def hevc_stage(extradata: bytes = b"of a stranger") -> Stage:
    """Return a stage whose child reads HEVC."""
    stage = Stage(push_spec())
    object.__setattr__(stage.context.planner, "_live", Allowed.live("hevc,aac"))
    stage.runner.update(push_spec(publication="p2", revision=2))
    stage.after(1.0)
    stage.child.says(replace(keyframe(stage.child.job.epoch), codecs=(replace(HEVC, extradata=extradata),)))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: stage.bus.media, WAIT_S)
    return stage


def test_an_instance_that_takes_a_stream_over_reads_the_headers_in_the_log() -> None:
    told = hevc_stage().runner.report()
    assert told.headers == PublicationHeaders(publication_id="p2", codecs=(HEVC,))
    bus, spawner, clock = FakeBus(), FakeSpawner(), Clock(200.0)
    context = ingest_context(bus, spawner, clock=clock)
    service = IngestService(context)
    service.on_assigned(frozenset({0}))
    service.take_reports([Received(STATUS.name, 0, 0, "s1", told, 0)], caught_up=True)
    service.step([received(push_spec(publication="p2", revision=2))])
    clock.now_s += 5.0
    service.step([])
    assert [child.job.headers for child in spawner.children] == [(HEVC,)]


def test_headers_of_another_publication_are_not_taken_over() -> None:
    stage = Stage(push_spec(publication=None))
    stage.context.headers.note("s1", PublicationHeaders(publication_id="p1", codecs=(HEVC,)))
    stage.runner.update(push_spec(publication="p2", revision=2))
    stage.after(1.0)
    assert stage.child.job.headers == ()


def test_headers_that_the_edge_keeps_are_not_told(stage: Stage) -> None:
    stage.child.says(keyframe(stage.child.job.epoch))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: stage.bus.media, WAIT_S)
    assert stage.runner.report().headers is UNSET


def test_headers_of_a_stranger_do_not_fill_the_reports() -> None:
    assert hevc_stage(bytes(LARGEST_TOLD_BYTES + 1)).runner.report().headers is UNSET


def test_known_headers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers_module, "MOST_STREAMS", 2)
    known = KnownHeaders()
    for number in range(3):
        known.note(f"s{number}", PublicationHeaders(publication_id="p1", codecs=(HEVC,)))
    assert [known.of(push_spec(stream_id=f"s{number}")) for number in range(3)] == [(), (HEVC,), (HEVC,)]
