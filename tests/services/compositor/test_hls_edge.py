"""HLS that goes to an edge on another machine: what viewers are told is there, and what its failures cost."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST
from mosaicast.contracts.situations import masking
from services.compositor.hls import EDGE, ENDED_S, GONE_S, LONGEST_PAUSE_S, WAITING, HlsFiles, HlsOutput
from services.compositor.wire import Segment
from tests.adapters.hls_rules import follows, parse
from tests.adapters.hls_stores import edge_or_skip, store_on
from tests.adapters.rtmp_edge import Edge
from tests.files import files_under
from tests.services.compositor.media import STREAM

TIMEOUT_S = 0.5


class Rig:
    """One stream's HLS on a real edge, and a clock by hand."""

    def __init__(self, edge: Edge, hls: HlsOutput) -> None:
        self.edge, self.hls = edge, hls
        self.now, self.number = 50.0, 0

    def segment(self, *, wait: bool = True) -> bytes:
        self.number += 1
        data = f"{self.number:04}".encode() * 20_000
        self.hls.on_segment(Segment(1, 1_700_000_000_000 + self.number, 2.0, False, data))
        if wait:
            self.done()
        return data

    def done(self) -> None:
        assert self.hls.settle(60.0)

    def after(self, seconds: float, *, over: bool = False) -> None:
        self.now += seconds
        self.hls.tick(over=over)
        self.done()

    def loaded(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.edge.config.http_port}/hls/{path}", trust_env=False)

    @property
    def files(self) -> list[Path]:
        return files_under(self.edge.config.hls_folder)

    @property
    def pictures(self) -> set[bytes]:
        return {path.read_bytes() for path in self.files if path.name != PLAYLIST}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with edge_or_skip(tmp_path / "edge") as edge, store_on(edge, timeout_s=TIMEOUT_S) as store:
        store.claim()
        made: list[Rig] = []
        hls = HlsOutput(HlsFiles(STREAM, store, 1_000), lambda: made[0].now, EDGE)
        made.append(Rig(edge, hls))
        yield made[0]
        hls.close(30.0)


def test_what_is_listed_can_be_loaded_at_every_moment_and_old_ones_are_gone(rig: Rig) -> None:
    before = None
    for _ in range(9):
        newest = rig.segment()
        listing = parse(rig.loaded(f"{STREAM}.m3u8").text)
        loaded = [rig.loaded(item.uri) for item in listing.items]
        assert all(one.is_success for one in loaded)
        assert loaded[-1].content == newest
        assert before is None or list(follows(before, listing)) == []
        before = listing
    assert len(rig.pictures) == 7, "six are listed, and one that a player is about to ask for"


def test_what_is_taken_back_is_gone_at_once(rig: Rig) -> None:
    for _ in range(4):
        rig.segment()
    rig.hls.purge(2)
    rig.done()
    assert rig.pictures == set()


def test_after_the_end_nothing_is_left(rig: Rig) -> None:
    rig.segment()
    rig.after(ENDED_S + 1.0, over=True)
    assert parse(rig.loaded(f"{STREAM}.m3u8").text).ended
    rig.after(GONE_S + 1.0, over=True)
    assert rig.files == []
    rig.segment()
    assert rig.hls.close(30.0)
    assert rig.files == []


def test_an_edge_that_dies_is_told_and_filled_anew_when_it_is_back(rig: Rig) -> None:
    rig.segment()
    rig.edge.kill()
    rig.segment()
    assert masking.HLS_EDGE_FAILS.fits(rig.hls.note)
    assert "no connection" in rig.hls.note
    assert rig.hls.note.endswith("RTMP goes on.")
    assert not rig.hls.clean, "old segments are still on its disk"
    rig.edge.start_again()
    rig.after(LONGEST_PAUSE_S)
    assert (rig.files, rig.hls.clean, rig.hls.note) == ([], True, "")
    rig.after(LONGEST_PAUSE_S)
    fresh = rig.segment()
    assert rig.pictures == {fresh}
    (item,) = parse(rig.loaded(f"{STREAM}.m3u8").text).items
    assert item.discontinuity


def test_an_edge_that_hangs_holds_nobody(rig: Rig) -> None:
    rig.segment()
    rig.edge.freeze()
    for _ in range(WAITING + 4):
        rig.segment(wait=False)
    assert rig.hls.note == masking.HLS_EDGE_SLOW.sentence
    rig.done()
    assert "does not answer within" in rig.hls.note
    rig.edge.thaw()
    for _ in range(2):
        rig.after(LONGEST_PAUSE_S)
    fresh = rig.segment()
    assert rig.pictures == {fresh}
    assert rig.hls.note == ""
