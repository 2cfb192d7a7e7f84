"""The folder of HLS on this machine; what it shares with an edge elsewhere is in test_hls_store.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from mosaicast.adapters.media.hls_folder import HlsFolder, HlsStoreError


@pytest.fixture
def folder(tmp_path: Path) -> HlsFolder:
    return HlsFolder(tmp_path / "data" / "hls")


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


def test_a_file_in_the_folders_place_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "hls").write_text("not a folder")
    folder = HlsFolder(tmp_path / "hls")
    with pytest.raises(HlsStoreError):
        folder.write("s1", "a.ts", b"one")


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
