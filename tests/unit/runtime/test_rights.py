"""What is kept is for its owner alone: from the first file on, and after a start where it was not."""

import importlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.runtime import rights
from mosaicast.runtime.rights import looser, make_private, mend
from services import wiring

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def loose_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def filled(folder: Path) -> list[Path]:
    files = [
        "mosaicast.db", "mosaicast.db-wal", "vault/ann/p1-photo", "gallery/abc/faces-x/templates.sqlite",
        "qdrant/abc/faces-x/storage.sqlite",
        "secrets/vault_key", "logs/api.log", "edge/hls/s.m3u8", "edge.token",
    ]  # fmt: skip
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return [folder, *(folder / name for name in files), *(path for path in folder.rglob("*") if path.is_dir())]


def test_a_loose_folder_is_mended_and_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    paths = filled(data)
    assert any(mode(path) & 0o077 for path in paths)
    (sentence,) = mend(data)
    assert f"{len(paths)} of ours" in sentence
    assert [path for path in paths if mode(path) & 0o077] == []
    assert mode(data) == 0o700
    assert mode(data / "vault" / "ann" / "p1-photo") == 0o600
    assert mend(data) == []


def test_a_new_folder_is_private_and_not_worth_a_word(tmp_path: Path) -> None:
    assert mend(tmp_path / "a" / "data") == []
    assert mode(tmp_path / "a" / "data") == 0o700


def test_what_is_not_ours_is_left_and_links_are_not_followed(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    filled(data)
    elsewhere.mkdir()
    elsewhere.joinpath("file").write_text("x")
    data.joinpath("clips").mkdir()
    data.joinpath("vault", "link").symlink_to(elsewhere)
    data.joinpath("logs.old").write_text("x")
    mend(data)
    assert mode(elsewhere) == 0o755
    assert mode(elsewhere / "file") == 0o644
    assert mode(data / "clips") == 0o755


def test_a_shared_folder_is_not_closed_to_everybody_but_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "tmp"
    data.mkdir()
    data.chmod(0o1777)
    (sentence,) = mend(data)
    assert "can't be changed" in sentence
    assert mode(data) == 0o1777
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert "can't be changed" in mend(home)[0]
    assert mode(home) == 0o755
    assert list(looser(home)) == [home]


@pytest.mark.parametrize(
    "service", ["api.__main__", "ingest.__main__", "detector.__main__", "recognizer.__main__", "compositor.__main__"]
)
def test_every_service_is_private_before_it_does_anything(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"services.{service}")
    seen: list[int] = []

    def load_or_exit(_: object) -> None:
        seen.append(os.umask(0o022))
        sys.exit(1)

    monkeypatch.setattr(wiring, "load_or_exit", load_or_exit)
    monkeypatch.setattr(wiring, "forbid_dumps", lambda: None)
    with pytest.raises(SystemExit):
        module.main()
    assert seen == [rights.PRIVATE_UMASK]


def test_up_is_private_too_and_its_children_with_it(tmp_path: Path) -> None:
    """It fails at a taken option, after its first line; what it made by then is what counts."""
    code = (
        "import os, sys, subprocess\n"
        "from services.cli import main, stack\n"
        "class Stop(Exception): pass\n"
        "def start(self, *_):\n"
        "    subprocess.run(['touch', str(self.options.data_dir / 'made')], check=True)\n"
        "    raise stack.StackError('enough')\n"
        "stack.Stack.start = start\n"
        "main.main()\n"
    )
    data = tmp_path / "data"
    data.mkdir()
    (data / "logs").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = ["up", "--data-dir", str(data), "--rtmp-port", "0", "--http-port", "0", "--api-port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, check=False, capture_output=True, text=True
    )
    assert "enough" in done.stderr, done.stderr
    assert "2 of ours" in done.stderr, "it says what it mended"
    assert mode(data / "made") == 0o600
    assert (mode(data), mode(data / "edge.token")) == (0o700, 0o600)


def test_make_private_holds_for_what_is_made_next(tmp_path: Path) -> None:
    make_private()
    (tmp_path / "file").write_text("x")
    assert mode(tmp_path / "file") == 0o600


def test_a_folder_that_goes_during_the_look_is_no_error(tmp_path: Path) -> None:
    inner = tmp_path / "data" / "hls" / "st-1" / "old"
    inner.mkdir(parents=True)
    seen = []
    for path in looser(tmp_path / "data"):
        seen.append(path)
        if path == inner.parent:
            inner.rmdir()
            inner.parent.rmdir()
    assert inner.parent in seen
