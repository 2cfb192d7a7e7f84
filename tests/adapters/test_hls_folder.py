"""Files of HLS: whole or not at all, and nothing left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.adapters.media.hls_folder import HlsFolder, HlsStoreError


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> HlsFolder:
    return HlsFolder(tmp_path / "data" / "hls")


def test_files_are_written_replaced_deleted_and_removed(folder: HlsFolder) -> None:
    folder.write("s1", "a.ts", b"one")
    folder.write("s1", "a.ts", b"two")
    folder.write("s1", "b.ts", b"")
    folder.write("s2", "a.ts", b"other")
    assert (folder.root / "s1" / "a.ts").read_bytes() == b"two"
    folder.delete("s1", ["a.ts", "never.ts"])
    assert files(folder.root) == {"s1/b.ts", "s2/a.ts"}
    for _ in range(2):
        folder.remove("s1")
    assert files(folder.root) == {"s2/a.ts"}
    assert not (folder.root / "s1").exists()


def test_only_the_owner_reads_the_folders(folder: HlsFolder) -> None:
    folder.write("s1", "a.ts", b"one")
    assert (folder.root / "s1").stat().st_mode & 0o077 == 0


def test_a_sweep_leaves_nothing_of_an_earlier_run(folder: HlsFolder, tmp_path: Path) -> None:
    folder.sweep()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    folder.write("s1", "a.ts", b"one")
    folder.write("s2", ".a.ts", b"cut off while it was written")
    (folder.root / "stray").write_text("x")
    (folder.root / "link").symlink_to(elsewhere)
    folder.sweep()
    assert list(folder.root.iterdir()) == []
    assert (elsewhere / "kept").exists()


@pytest.mark.parametrize("stream_id", ["..", ".", ".hidden", "a/b"])
def test_no_name_of_a_stream_leads_out_of_the_folder(folder: HlsFolder, stream_id: str) -> None:
    with pytest.raises(HlsStoreError):
        folder.write(stream_id, "a.ts", b"")
    with pytest.raises(HlsStoreError):
        folder.remove(stream_id)


def test_a_file_in_the_folders_place_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "hls").write_text("not a folder")
    folder = HlsFolder(tmp_path / "hls")
    with pytest.raises(HlsStoreError):
        folder.write("s1", "a.ts", b"one")


def test_a_folder_that_somebody_deleted_is_made_again(folder: HlsFolder) -> None:
    folder.write("s1", "a.ts", b"one")
    folder.remove("s1")
    folder.root.rmdir()
    folder.write("s1", "a.ts", b"one")
    assert files(folder.root) == {"s1/a.ts"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a tmpfs can't be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_our_error_and_leaves_no_half_a_file(small_disk: Path) -> None:
    folder = HlsFolder(small_disk)
    folder.write("s1", "a.ts", b"x" * 30_000)
    with pytest.raises(HlsStoreError, match="No space left"):
        folder.write("s1", "b.ts", b"x" * 100_000)
    assert files(small_disk) == {"s1/a.ts"}
    folder.remove("s1")
    folder.write("s1", "c.ts", b"x" * 30_000)


def test_only_one_process_writes_into_a_folder_and_a_killed_one_leaves_it_free(folder: HlsFolder) -> None:
    folder.write("s1", "a.ts", b"of an earlier run")
    holder = (
        "import sys; from mosaicast.adapters.media.hls_folder import HlsFolder, Path; "
        "HlsFolder(Path(sys.argv[1])).claim(); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(folder.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        assert not (folder.root / "s1").exists(), "swept"
        folder.write("s1", "live.ts", b"the other's")
        with pytest.raises(HlsStoreError, match="another compositor"):
            folder.claim()
        assert (folder.root / "s1" / "live.ts").exists()
        other.kill()
    folder.claim()
    assert not (folder.root / "s1").exists()
