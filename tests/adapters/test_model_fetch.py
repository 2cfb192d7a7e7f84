"""Downloads of weights from servers that break off, lie, or are not there."""

import fcntl
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from tenacity import wait_none

from mosaicast.adapters.models import fetch, load
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.fetch import DownloadError, pull
from mosaicast.adapters.models.registry import Download, Model, Normalisation
from tests.adapters.model_server import FileServer, serving

CONTENT = np.random.default_rng(1).bytes(300_000)
HALF = len(CONTENT) // 2


def model(url: str, content: bytes = CONTENT) -> Model:
    return Model(
        name="tried",
        role="embedder",
        licence="MIT",
        format="onnx",
        source=Download(url, "tried.onnx", len(content), hashlib.sha256(content).hexdigest()),
        normalisation=Normalisation("rgb", 127.5, 127.5),
        alignment="arcface_5",
    )


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as state:
        yield state


def fetched(server: FileServer, folder: Path, seen: list[tuple[int, int]] | None = None) -> Path:
    report = None if seen is None else lambda done, whole: seen.append((done, whole))
    return pull(model(server.url), folder, report, client=httpx.Client(trust_env=False), wait=wait_none())


def test_a_file_comes_whole_and_alone(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetched(server, tmp_path / "models", seen)
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["tried.onnx"]
    assert server.ranges == [None]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_what_is_there_and_right_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx").write_bytes(CONTENT)
    seen: list[tuple[int, int]] = []
    fetched(server, tmp_path, seen)
    assert server.ranges == []
    assert seen == [(len(CONTENT), len(CONTENT))]


def test_what_is_there_and_wrong_is_replaced(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx").write_bytes(CONTENT[::-1])
    assert fetched(server, tmp_path).read_bytes() == CONTENT


def test_a_download_that_broke_off_goes_on_where_it_ended(server: FileServer, tmp_path: Path) -> None:
    server.faults = ["cut"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_an_earlier_run_is_resumed(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx.part").write_bytes(CONTENT[:1000])
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_whole_part_is_only_checked(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx.part").write_bytes(CONTENT)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_a_part_of_something_else_is_thrown_away(server: FileServer, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "tried.onnx.part").write_bytes(left)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_a_server_that_ignores_the_range_is_read_from_the_beginning(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx.part").write_bytes(CONTENT[:1000])
    server.faults = ["ignore-range"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_part_from_elsewhere_is_not_appended(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tried.onnx.part").write_bytes(CONTENT[:1000])
    server.faults = ["wrong-range"]
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("fault", ["500", "429", "close", "cut"])
def test_passing_troubles_are_tried_again(server: FileServer, tmp_path: Path, fault: str) -> None:
    server.faults = [fault] * (fetch.ATTEMPTS - 1)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == fetch.ATTEMPTS


@pytest.mark.parametrize(("fault", "word"), [("500", "answers 500"), ("close", "does not answer"), ("cut", "answer")])
def test_lasting_troubles_end_with_advice(server: FileServer, tmp_path: Path, fault: str, word: str) -> None:
    server.always = fault
    with pytest.raises(DownloadError, match=word) as caught:
        fetched(server, tmp_path)
    assert len(server.ranges) == fetch.ATTEMPTS
    assert str(tmp_path / "tried.onnx") in str(caught.value)
    assert hashlib.sha256(CONTENT).hexdigest() in str(caught.value)
    assert not (tmp_path / "tried.onnx").exists()


def test_what_came_is_kept_for_the_next_time(server: FileServer, tmp_path: Path) -> None:
    server.faults = ["cut", *["500"] * 9]
    with pytest.raises(DownloadError):
        fetched(server, tmp_path)
    assert (tmp_path / "tried.onnx.part").read_bytes() == CONTENT[:HALF]


def test_a_refusal_is_not_repeated(server: FileServer, tmp_path: Path) -> None:
    server.always = "404"
    with pytest.raises(DownloadError, match="answers 404"):
        fetched(server, tmp_path)
    assert len(server.ranges) == 1


def test_offline_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/model.onnx"
        with pytest.raises(DownloadError, match="on another machine") as caught:
            pull(model(url), tmp_path, client=httpx.Client(trust_env=False), wait=wait_none())
    assert caught.value.retry
    assert caught.value.fault == "operator"


@pytest.mark.parametrize("sent", [CONTENT[::-1], CONTENT + b"more", b"x" * len(CONTENT)])
def test_another_file_is_refused_and_nothing_of_it_is_kept(server: FileServer, tmp_path: Path, sent: bytes) -> None:
    server.content = sent
    with pytest.raises(ModelBrokenError, match="another file"):
        fetched(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.ranges) == 1


def test_a_shorter_file_is_never_taken(server: FileServer, tmp_path: Path) -> None:
    server.content = b"version https://git-lfs.github.com/spec/v1"
    with pytest.raises(DownloadError):
        fetched(server, tmp_path)
    assert not (tmp_path / "tried.onnx").exists()


def test_a_right_file_outlives_a_server_that_turned_bad(server: FileServer, tmp_path: Path) -> None:
    fetched(server, tmp_path)
    server.content = CONTENT[::-1]
    assert fetched(server, tmp_path).read_bytes() == CONTENT


def test_two_downloads_do_not_write_into_one_file(server: FileServer, tmp_path: Path) -> None:
    with (tmp_path / "tried.onnx.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            fetched(server, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetched(server, tmp_path / "models")


@pytest.mark.parametrize("name", ["centerface", "taguchi-resnet"])
def test_what_is_not_downloaded_says_where_it_comes_from(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelUnavailableError, match=r"takes it out|unpack"):
        pull(load().get(name), tmp_path)
