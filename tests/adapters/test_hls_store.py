"""What both stores of HLS promise: files whole or not at all, nothing left behind, nothing outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsStoreError
from tests.adapters.hls_stores import KINDS, Place, place, small_disk
from tests.files import files_under


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def held(kind: str, tmp_path: Path) -> Iterator[Place]:
    with place(kind, tmp_path / "edge", tmp_path / "data" / "hls") as made:
        yield made


def test_files_are_written_replaced_deleted_and_removed(held: Place) -> None:
    store = held.store
    store.write("s1", "a.ts", b"one")
    store.write("s1", "a.ts", b"two")
    store.write("s1", "b.ts", b"x" * 3_000_000)
    store.write("s1", PLAYLIST, b"")
    store.write("s:2.x", "a.ts", b"other")
    assert (held.root / "s1" / "a.ts").read_bytes() == b"two"
    assert (held.root / "s1" / "b.ts").stat().st_size == 3_000_000
    store.delete("s1", ["a.ts", "never.ts"])
    assert held.files == {"s1/b.ts", f"s1/{PLAYLIST}", "s:2.x/a.ts"}
    for _ in range(2):
        store.remove("s1")
        store.delete("s1", ["b.ts"])
    assert held.files == {"s:2.x/a.ts"}
    assert not (held.root / "s1").exists()


def test_only_the_owner_reads_the_files(held: Place) -> None:
    held.store.write("s1", "a.ts", b"one")
    assert (held.root / "s1").stat().st_mode & 0o077 == 0
    assert (held.root / "s1" / "a.ts").stat().st_mode & 0o033 == 0


@pytest.mark.parametrize("stream_id", ["", "..", ".", ".hidden", "a/b", "../x"])
def test_no_name_of_a_stream_leads_out_of_the_folder(held: Place, stream_id: str) -> None:
    held.store.write("s1", "a.ts", b"kept")
    with pytest.raises(HlsStoreError):
        held.store.write(stream_id, "a.ts", b"")
    with pytest.raises(HlsStoreError):
        held.store.delete(stream_id, ["a.ts"])
    with pytest.raises(HlsStoreError):
        held.store.remove(stream_id)
    assert held.files == {"s1/a.ts"}


def test_a_claim_sweeps_what_an_earlier_run_has_left(held: Place) -> None:
    for number in range(3):
        (held.root / f"s{number}" / "deeper").mkdir(parents=True)
        (held.root / f"s{number}" / "deeper" / "old.ts").write_bytes(b"pictures of yesterday")
    held.store.claim()
    assert files_under(held.root, ".ts") == []


def test_a_streams_folder_that_somebody_deleted_is_made_again(held: Place) -> None:
    held.store.write("s1", "a.ts", b"one")
    (held.root / "s1" / "a.ts").unlink()
    (held.root / "s1").rmdir()
    held.store.write("s1", "b.ts", b"one")
    assert held.files == {"s1/b.ts"}


def test_a_full_disk_is_our_error_and_leaves_no_half_a_file(kind: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, place(kind, disk / "edge", disk / "hls") as held:
        held.store.write("s1", "a.ts", b"x" * 300_000)
        with pytest.raises(HlsStoreError, match=r"No space left|disk full|disk is full"):
            held.store.write("s1", "b.ts", b"x" * 1_000_000)
        assert held.files == {"s1/a.ts"}
        held.store.remove("s1")
        held.store.write("s1", "c.ts", b"x" * 300_000)
        assert held.files == {"s1/c.ts"}
