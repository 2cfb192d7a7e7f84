"""Where HLS goes by the settings, and that what an earlier run has left is swept."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mosaicast.adapters.media import hls_http
from mosaicast.adapters.media.hls_folder import HlsFolder, HlsStoreError
from mosaicast.adapters.media.hls_http import HlsHttp
from mosaicast.runtime.settings import CompositorServiceSettings, HlsSettings
from services.compositor.hls import FIRST_PAUSE_S, LONGEST_PAUSE_S, HlsOutput
from services.compositor.hls_store import claim_when_it_answers, hls_maker
from services.compositor.wire import Segment
from tests.adapters.hls_stores import control, edge_or_skip
from tests.adapters.rtmp_edge import Edge
from tests.files import files_under

OLD = b"pictures of an earlier run"


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """An edge; what connects to it, which lives as long as its process, is closed after the test."""
    with edge_or_skip(tmp_path / "edge") as edge, contextlib.ExitStack() as opened:

        def connected(url: str, token: str) -> HlsHttp:
            store = HlsHttp(url, token)
            opened.callback(store.close)
            return store

        monkeypatch.setattr(hls_http, "HlsHttp", connected)
        yield edge


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    stop = threading.Event()
    yield stop
    stop.set()


def settings(data: Path, url: str | None = None, token: str = "h") -> CompositorServiceSettings:
    return CompositorServiceSettings(data_dir=data, hls=HlsSettings(url=url, token=SecretStr(token)))


def leave(root: Path) -> Path:
    (root / "s-old").mkdir(parents=True)
    (root / "s-old" / "old.ts").write_bytes(OLD)
    return root / "s-old" / "old.ts"


def written(hls: HlsOutput | None) -> HlsOutput:
    assert hls is not None
    hls.on_segment(Segment(1, 1_700_000_000_000, 2.0, False, b"G" * 188))
    assert hls.settle(30.0)
    return hls


def test_without_an_address_it_goes_into_the_data_folder(tmp_path: Path, stop: threading.Event) -> None:
    old = leave(tmp_path / "hls")
    hls = written(hls_maker(settings(tmp_path), stop)("s1"))
    assert not old.exists()
    assert len(files_under(tmp_path / "hls" / "s1", ".ts")) == 1
    assert hls.close()


def test_with_an_address_it_goes_there_and_both_places_are_swept(
    edge: Edge, tmp_path: Path, stop: threading.Event
) -> None:
    there, here = leave(edge.config.hls_folder), leave(tmp_path / "data" / "hls")
    hls = written(hls_maker(settings(tmp_path / "data", control(edge)), stop)("s1"))
    assert not here.exists()
    assert not there.exists()
    assert len(files_under(edge.config.hls_folder / "s1", ".ts")) == 1
    assert files_under(tmp_path / "data", ".ts") == []
    assert hls.close(30.0)
    assert files_under(edge.config.hls_folder) == []


def test_an_edge_that_is_away_is_told_in_its_own_words(edge: Edge, tmp_path: Path, stop: threading.Event) -> None:
    edge.kill()
    hls = written(hls_maker(settings(tmp_path / "data", control(edge)), stop)("s1"))
    assert hls.note.startswith("HLS pauses: its edge does not take it (no connection")
    hls.close(30.0)


def test_a_folder_that_another_compositor_has_means_no_hls(tmp_path: Path, stop: threading.Event) -> None:
    HlsFolder(tmp_path / "hls").claim()
    assert hls_maker(settings(tmp_path), stop)("s1") is None


class Pauses(threading.Event):
    """Remembers how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout or 0.0)
        return self.is_set()


def test_an_edge_is_claimed_as_soon_as_it_answers() -> None:
    pauses, tries = Pauses(), iter([True] * 8 + [False])

    def claim() -> None:
        if next(tries):
            raise HlsStoreError("no connection")

    claim_when_it_answers(claim, pauses)
    assert pauses.waited_s[0] == FIRST_PAUSE_S
    assert pauses.waited_s == sorted(pauses.waited_s)
    assert pauses.waited_s[-1] == LONGEST_PAUSE_S
    assert list(tries) == []


def test_who_is_told_to_stop_tries_no_longer() -> None:
    pauses = Pauses()

    def claim() -> None:
        pauses.set()
        raise HlsStoreError("no connection")

    claim_when_it_answers(claim, pauses)
    assert len(pauses.waited_s) == 1
