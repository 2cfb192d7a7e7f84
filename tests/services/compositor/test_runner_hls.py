"""What the runner of a stream makes of its child's segments, on a real disk."""

from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsFolder
from mosaicast.contracts.messages import StreamSpec
from mosaicast.core.consents import FOREVER_MS
from mosaicast.runtime.clocks import monotonic_s
from services.compositor.hls import ENDED_S, GONE_S, HlsFiles, HlsOutput
from services.compositor.runner import StreamRunner
from services.compositor.wire import Report, Segment, Tripped, encode_report, encode_segment
from tests.files import files_under
from tests.services.compositor.fakes import FakeSpawn, packet, shown
from tests.services.compositor.media import STREAM, spec
from tests.services.compositor.runner_stage import published


class Stage:
    """A runner whose segments go to a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 100.0
        self.spawn = FakeSpawn()
        self.hls = HlsOutput(HlsFiles(STREAM, HlsFolder(root), 1), lambda: self.now)
        self.runner = StreamRunner(STREAM, self.spawn, lambda *_: None, lambda _: None, hls=self.hls)

    def live(self, state: StreamSpec) -> None:
        self.runner.on_spec(state)
        self.runner.on_media(packet(0, key=True), self.now)

    def cuts(self, mark: bytes, revision: int = 1, began_s: float = 0.0) -> bytes:
        data = mark * 188
        self.spawn.last.connection.say(encode_segment(Segment(revision, 1_000, 2.0, False, data, began_s)))
        self.tick()
        return data

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.runner.tick(self.now)
        assert self.hls.settle()

    @property
    def pictures(self) -> set[bytes]:
        return {path.read_bytes() for path in files_under(self.root, ".ts")}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "hls")


def test_segments_of_the_child_are_written(stage: Stage) -> None:
    stage.live(published("p1", 1))
    data = {stage.cuts(b"a"), stage.cuts(b"b")}
    assert stage.pictures == data
    assert (stage.root / STREAM / PLAYLIST).read_text().count("#EXTINF") == 2


@pytest.mark.parametrize(
    "change",
    [{"panic": True}, {"visible_until": {}}, {"visible_until": {"ann": 5}}],
    ids=["panic", "erased or revoked", "shortened"],
)
def test_what_may_not_be_seen_any_more_is_deleted_and_newer_segments_go_on(
    stage: Stage, change: dict[str, Any]
) -> None:
    stage.live(spec(visible_until={"ann": FOREVER_MS}))
    stage.cuts(b"a")
    stage.runner.on_spec(spec(2, **{"visible_until": {"ann": FOREVER_MS}, **change}))
    assert stage.hls.settle()
    assert stage.pictures == set()
    stage.cuts(b"b", revision=1, began_s=monotonic_s() + 1)
    assert stage.pictures == set(), "cut before the child knew"
    stage.cuts(b"d", revision=2)
    assert stage.pictures == set(), "two specs may bear one revision: it began before the change"
    fresh = stage.cuts(b"c", revision=2, began_s=monotonic_s() + 1)
    assert stage.pictures == {fresh}


def test_a_trip_of_the_guard_deletes_what_may_show_a_bare_face(stage: Stage) -> None:
    stage.live(spec())
    stage.cuts(b"a")
    trip = Tripped(1, 0, (1, 2, 30, 40), 0.9, 1)
    stage.spawn.last.connection.say(encode_report(Report((), trips=(trip,))))
    stage.tick()
    assert stage.pictures == set()
    stage.cuts(b"b")
    assert stage.pictures == set(), "it began before the trip"
    fresh = stage.cuts(b"c", began_s=monotonic_s() + 1)
    assert stage.pictures == {fresh}


def test_a_change_that_takes_nobody_away_deletes_nothing(stage: Stage) -> None:
    stage.live(spec())
    kept = stage.cuts(b"a")
    stage.runner.on_spec(spec(2, visible_until={"ann": FOREVER_MS}))
    stage.tick()
    assert stage.pictures == {kept}


def test_a_child_that_was_killed_leaves_nothing_for_ever(stage: Stage) -> None:
    stage.live(published("p1", 1))
    stage.cuts(b"a")
    stage.spawn.last.ends(-9)
    stage.tick()
    stage.runner.on_spec(published(None, 2))
    stage.tick(ENDED_S + 1)
    assert "#EXT-X-ENDLIST" in (stage.root / STREAM / PLAYLIST).read_text()
    stage.tick(GONE_S + 1)
    assert not (stage.root / STREAM).exists()


def test_a_source_that_has_ended_ends_its_list(stage: Stage) -> None:
    stage.live(published("p1", 1))
    stage.cuts(b"a")
    stage.runner.on_media(packet(1, end=True), stage.now)
    stage.tick(ENDED_S + 1)
    assert "#EXT-X-ENDLIST" in (stage.root / STREAM / PLAYLIST).read_text()


def test_a_stopped_stream_leaves_nothing(stage: Stage) -> None:
    stage.live(spec())
    stage.cuts(b"a")
    stage.runner.stop()
    assert not (stage.root / STREAM).exists()


def test_a_store_that_fails_is_told_while_the_stream_goes_on(stage: Stage) -> None:
    stage.root.write_text("a file in the folder's place")
    stage.live(spec())
    stage.cuts(b"a")
    assert stage.runner.note.startswith("HLS pauses")
    stage.spawn.last.says(*shown(0))
    stage.tick()
    assert stage.runner.ledger.counters()["masked"] == 1
    stage.spawn.last.says(note="The media server does not take the masked stream; trying again.")
    stage.tick()
    assert "media server" in stage.runner.note, "what hurts more comes first"


def test_a_child_that_sends_no_segment_but_garbage_is_heard_no_more(stage: Stage) -> None:
    stage.live(spec())
    stage.spawn.last.connection.say(b"H" + b"\xc1" * 400, wait=False)
    stage.tick()
    assert stage.pictures == set()
