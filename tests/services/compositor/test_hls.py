"""HLS in the parent: what is on the disk at every moment of a stream's life, and what a store that fails costs."""

import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsFolder, HlsStoreError
from mosaicast.contracts.messages import Policy, Source, StreamSpec, Zone
from mosaicast.contracts.situations import masking
from mosaicast.core.playlist import TARGET_S
from services.compositor.hls import (
    ENDED_S,
    FIRST_PAUSE_S,
    GONE_S,
    LONGEST_PAUSE_S,
    STALLED_S,
    WAITING,
    HlsFiles,
    HlsOutput,
    shows_less,
)
from services.compositor.wire import Segment
from tests.adapters.hls_rules import Listing, follows, is_unguessable, parse
from tests.files import files_under
from tests.services.compositor.media import STREAM, spec

FIRST = 1_000


class Disk(HlsFolder):
    """A folder that can fail, and can hang."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.full = self.stuck_files = False
        self.tries = 0
        self.open = threading.Event()
        self.open.set()

    def write(self, stream_id: str, name: str, data: bytes) -> None:
        assert self.open.wait(30)
        self.tries += name != PLAYLIST
        if self.full:
            raise HlsStoreError("No space left on device")
        super().write(stream_id, name, data)

    def delete(self, stream_id: str, names: Iterable[str]) -> None:
        if self.stuck_files:
            raise HlsStoreError("Operation not permitted")
        super().delete(stream_id, names)

    def remove(self, stream_id: str) -> None:
        if self.stuck_files:
            raise HlsStoreError("Operation not permitted")
        super().remove(stream_id)


class Rig:
    """One stream's HLS on a real disk, and a clock by hand."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self.now = 50.0
        self.hls = HlsOutput(HlsFiles(STREAM, self.disk, FIRST), lambda: self.now)
        self.number = 0
        self.wall_clock_set_by_ms = 0

    @property
    def wall_ms(self) -> int:
        return 1_700_000_000_000 + self.number + self.wall_clock_set_by_ms

    @property
    def began_s(self) -> float:
        return 1000.0 + self.number

    def segment(self, *, revision: int = 1, discontinuity: bool = False, wait: bool = True) -> bytes:
        self.number += 1
        data = f"{self.number:04}".encode() * 47
        self.hls.on_segment(Segment(revision, self.wall_ms, 2.0, discontinuity, data, self.began_s))
        if wait:
            self.done()
        return data

    def done(self) -> None:
        assert self.hls.settle()

    def after(self, seconds: float, *, over: bool = False) -> None:
        self.now += seconds
        self.hls.tick(over=over)
        self.done()

    @property
    def files(self) -> list[Path]:
        return files_under(self.disk.root)

    @property
    def pictures(self) -> set[bytes]:
        return {path.read_bytes() for path in self.files if path.name != PLAYLIST}

    @property
    def listing(self) -> Listing:
        return parse((self.disk.root / STREAM / PLAYLIST).read_text())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "hls")


def test_before_the_first_segment_there_is_nothing(rig: Rig) -> None:
    rig.after(1.0)
    rig.hls.purge(3)
    rig.hls.close()
    assert not rig.disk.root.exists()


def test_segments_are_listed_and_old_ones_deleted_at_once(rig: Rig) -> None:
    data = [rig.segment() for _ in range(12)]
    listing = rig.listing
    assert [(rig.disk.root / item.uri).read_bytes() for item in listing.items] == data[-6:]
    assert (listing.sequence, listing.ended) == (FIRST + 6, False)
    assert rig.pictures == set(data[-7:]), "one more, for players that are about to ask for it"
    assert all(is_unguessable(item.uri) for item in listing.items)
    assert len({item.uri for item in listing.items}) == 6


def test_what_the_guard_may_have_seen_a_face_in_is_gone_and_so_is_the_segment_in_the_making(rig: Rig) -> None:
    for _ in range(3):
        rig.segment()
    before = rig.listing
    rig.hls.purge_until(rig.began_s + 1)
    rig.done()
    assert rig.pictures == set()
    rig.segment()  # it had begun
    assert rig.pictures == set()
    fresh = rig.segment()
    assert rig.pictures == {fresh}
    assert list(follows(before, rig.listing)) == []
    assert [item.discontinuity for item in rig.listing.items] == [True]


@pytest.mark.parametrize("set_by_ms", [-3_600_000, -10_000, 3_600_000])
def test_a_wall_clock_that_is_set_shows_nothing_that_was_taken_back_and_keeps_nothing_away(
    rig: Rig, set_by_ms: int
) -> None:
    """One that went back an hour kept HLS away for as long; one that went back seconds showed what had been purged."""
    rig.segment()
    rig.hls.purge_until(rig.began_s + 1)
    rig.done()
    rig.segment()  # it had begun, by a clock that was ahead
    rig.wall_clock_set_by_ms = set_by_ms
    assert rig.pictures == set()
    fresh = rig.segment()
    assert rig.pictures == {fresh}


def test_what_is_taken_back_is_gone_at_once_and_only_newer_segments_are_taken(rig: Rig) -> None:
    for _ in range(4):
        rig.segment(revision=4)
    before = rig.listing
    rig.hls.purge(5)
    rig.segment(revision=4)  # was on its way
    assert rig.pictures == set()
    fresh = rig.segment(revision=5)
    assert rig.pictures == {fresh}
    assert list(follows(before, rig.listing)) == []
    assert [item.discontinuity for item in rig.listing.items] == [True]


def test_a_segment_that_waits_for_the_disk_when_it_is_taken_back_is_never_written(rig: Rig) -> None:
    rig.segment()
    rig.disk.open.clear()
    rig.segment(wait=False)
    rig.segment(wait=False)
    rig.hls.purge(2)
    rig.disk.open.set()
    rig.done()
    assert rig.pictures == set()
    assert rig.disk.tries <= 2, "the one that was being written already, and no other"


@pytest.mark.parametrize(("over", "after_s"), [(True, ENDED_S), (False, STALLED_S)])
def test_an_end_is_told_and_a_minute_later_nothing_is_left(rig: Rig, over: bool, after_s: float) -> None:
    rig.segment()
    rig.after(after_s - 1.0, over=over)
    assert not rig.listing.ended
    rig.after(2.0, over=over)
    assert rig.listing.ended
    assert len(rig.listing.items) == 1
    rig.after(GONE_S - 1.0, over=over)
    assert rig.pictures
    rig.after(2.0, over=over)
    assert rig.files == []
    assert not (rig.disk.root / STREAM).exists()


def test_a_stream_that_comes_back_goes_on_with_higher_numbers(rig: Rig) -> None:
    rig.segment()
    for pause_s in (ENDED_S + 1.0, GONE_S + 1.0):  # ended; gone
        before = rig.listing
        rig.after(ENDED_S + 1.0, over=True)
        rig.after(pause_s, over=True)
        fresh = rig.segment(discontinuity=True)
        assert rig.pictures == {fresh}
        assert rig.listing.sequence == before.sequence + 1
        assert not rig.listing.ended


def test_closing_leaves_nothing(rig: Rig) -> None:
    rig.segment()
    rig.segment(wait=False)
    rig.hls.close()
    assert not (rig.disk.root / STREAM).exists()


def test_a_full_disk_is_told_in_a_sentence_cleared_and_tried_again_with_back_off(rig: Rig) -> None:
    rig.segment()
    rig.disk.full = True
    rig.segment()
    assert "No space left" in rig.hls.note
    assert "RTMP goes on" in rig.hls.note
    assert rig.files == [], "players would take it for live"
    tried_s = [rig.now]
    for _ in range(400):
        before = rig.disk.tries
        rig.after(1.0)
        rig.segment()
        tried_s += [rig.now] * (rig.disk.tries - before)
    pauses = [round(later - one) for one, later in pairwise(tried_s)]
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    rig.disk.full = False
    rig.now += LONGEST_PAUSE_S
    fresh = rig.segment()
    assert rig.pictures == {fresh}
    assert rig.listing.items[0].discontinuity
    assert rig.listing.sequence > FIRST
    assert rig.hls.note == ""


def test_a_segment_that_is_too_long_is_no_part_of_the_list(rig: Rig) -> None:
    """Ours never are; a child that hostile media has taken over may say so."""
    first = rig.segment()
    rig.hls.on_segment(Segment(1, rig.wall_ms + 1, 30.0, False, b"G" * 188))
    rig.done()
    assert rig.pictures == {first}
    rig.number += 1
    last = rig.segment()
    assert rig.pictures == {first, last}
    assert [item.discontinuity for item in rig.listing.items] == [False, True]
    assert rig.listing.target_s == TARGET_S


def test_a_disk_that_hangs_holds_nobody_and_the_gap_is_marked(rig: Rig) -> None:
    first = rig.segment()
    rig.disk.open.clear()
    waiting = [rig.segment(wait=False) for _ in range(WAITING + 4)]
    assert rig.hls.note == masking.HLS_SLOW.sentence
    rig.disk.open.set()
    rig.done()
    last = rig.segment()
    assert rig.hls.note == ""
    assert rig.pictures >= {first, last}
    assert waiting[-1] not in rig.pictures
    items = rig.listing.items
    gap = [item.discontinuity for item in items].index(True)
    assert (rig.disk.root / items[gap].uri).read_bytes() == last


def test_what_could_not_be_deleted_is_deleted_later(rig: Rig) -> None:
    rig.segment()
    rig.disk.stuck_files = True
    rig.hls.purge(2)
    rig.done()
    assert "not permitted" in rig.hls.note
    assert rig.pictures
    rig.disk.stuck_files = False
    rig.after(FIRST_PAUSE_S + 0.1)
    assert rig.files == []
    assert rig.hls.note == ""


def test_what_stays_when_it_is_closed_is_deleted_later(rig: Rig) -> None:
    rig.segment()
    rig.disk.stuck_files = True
    assert not rig.hls.close()
    assert rig.pictures
    rig.after(LONGEST_PAUSE_S)
    assert not rig.hls.clean
    rig.disk.stuck_files = False
    rig.after(LONGEST_PAUSE_S)
    assert rig.files == []
    assert rig.hls.clean
    assert rig.hls.close()


ANN = {"ann": 9_000}
ZONE = Zone(x=0.0, y=0.0, width=0.5, height=0.5)


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        (None, spec(panic=True), False),
        (spec(), spec(2), False),
        (spec(), spec(2, panic=True), True),
        (spec(panic=True), spec(2, panic=True), False),
        (spec(panic=True), spec(2), False),
        (spec(), spec(2, policy=Policy(zones=(ZONE,))), True),
        (spec(policy=Policy(zones=(ZONE,))), spec(2, policy=Policy(zones=(ZONE,), delay_s=2.0)), False),
        (spec(policy=Policy(zones=(ZONE,))), spec(2), False),
        (spec(visible_until=ANN), spec(2), True),
        (spec(visible_until=ANN), spec(2, visible_until={"bob": 9_000}), True),
        (spec(visible_until=ANN), spec(2, visible_until={"ann": 8_000}), True),
        (spec(visible_until=ANN), spec(2, visible_until={"ann": 9_000, "bob": 1}), False),
        (spec(visible_until=ANN), spec(2, visible_until={"ann": 9_001}), False),
        (spec(source=Source(kind="file", path="a")), spec(2), False),
    ],
)
def test_what_takes_pictures_away(old: StreamSpec | None, new: StreamSpec, taken: bool) -> None:
    assert shows_less(old, new) is taken
