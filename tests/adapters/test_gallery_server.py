"""A Qdrant server that is away, slow, wrong, or comes back: by a small stand-in that speaks its HTTP."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from mosaicast.adapters.gallery.qdrant import GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.gallery.store import MOST_MATCHES
from mosaicast.core.types import OwnerId

ME = OwnerId("owner-1")
ONE = np.eye(4, dtype=np.float32)[:1]


T = TypeVar("T")


class StandIn(ThreadingHTTPServer):
    """Answers as `mode` says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = "well"
        self.collections: set[str] = set()
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: set[str | None] = set()
        self.hung = threading.Event()

    def answer(self, method: str, path: str) -> object:
        path = path.partition("?")[0]
        if path == "/collections":
            return {"collections": [{"name": name} for name in sorted(self.collections)]}
        name = path.split("/")[2]
        if path.endswith("/exists"):
            return {"exists": name in self.collections}
        if method == "PUT" and path.endswith(name):
            self.collections.add(name)
            return True
        if path.endswith("/points/query/batch"):
            points = [{"id": 1, "version": 1, "score": 0.9, "payload": {"owner": ME, "person": "ana"}}]
            return [{"points": points}]
        return {"operation_id": 1, "status": "completed"}


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        self.server.keys.add(self.headers.get("api-key"))
        if self.server.mode == "hangs":
            self.server.hung.wait(30)
            return
        failed = self.server.mode == "fails"
        text = b"<html>" if self.server.mode == "garbage" else json.dumps(
            {"result": self.server.answer(self.command, self.path), "status": "ok", "time": 0.0}
        ).encode()  # fmt: skip
        self.send_response(500 if failed else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = handle_any  # noqa: N815 - the library's names

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.hung.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def config(server: StandIn, tmp_path: Path) -> GalleryConfig:
    return GalleryConfig("test", "1", 4, tmp_path, url=f"http://127.0.0.1:{server.server_address[1]}", timeout_s=30.0)


@pytest.fixture
def gallery(config: GalleryConfig) -> Iterator[QdrantGallery]:
    gallery = QdrantGallery(config)
    yield gallery
    gallery.close()


def until_it_answers(call: Callable[[], T]) -> T:
    """A busy machine may answer later than the half second after which this client gives up."""
    for _ in range(30):
        with contextlib.suppress(GalleryUnavailable):
            return call()
    return call()


def test_the_collection_is_made_once_with_the_owner_as_tenant(gallery: QdrantGallery, server: StandIn) -> None:
    gallery.check()
    gallery.check()
    puts = [(path.split("?")[0], body) for method, path, body in server.asked if method == "PUT"]
    assert [path for path, _ in puts] == ["/collections/faces-test-1", "/collections/faces-test-1/index"]
    assert puts[0][1]["vectors"] == {"size": 4, "distance": "Cosine"}
    assert puts[1][1] == {"field_name": "owner", "field_schema": {"type": "keyword", "is_tenant": True}}


def test_all_faces_are_asked_for_at_once_and_only_among_the_owners_people(
    gallery: QdrantGallery, server: StandIn
) -> None:
    assert gallery.search(ME, ONE)[0][0].person_id == "ana"
    [batch] = [body for _, path, body in server.asked if "query/batch" in path]
    [search] = batch["searches"]
    assert search["filter"]["must"] == [{"key": "owner", "match": {"value": ME}}]
    assert search["limit"] == MOST_MATCHES


def test_erased_in_every_collection_of_ours(gallery: QdrantGallery, server: StandIn) -> None:
    server.collections |= {"faces-older-7", "faces-test-1", "somebody-elses"}
    gallery.erase_person(ME, "ana")
    deletes = {path.split("/")[2]: body for _, path, body in server.asked if "/points/delete" in path}
    assert deletes.keys() == {"faces-older-7", "faces-test-1"}
    for body in deletes.values():
        assert body["filter"]["must"] == [
            {"key": "owner", "match": {"value": ME}},
            {"key": "person", "match": {"value": "ana"}},
        ]


def test_erasing_and_listing_make_no_collection(gallery: QdrantGallery, server: StandIn) -> None:
    gallery.erase_person(ME, "ana")
    gallery.everybody()
    assert [path for method, path, _ in server.asked if method == "PUT"] == []
    gallery.check()
    assert [path for method, path, _ in server.asked if method == "PUT"] != []


def test_the_key_of_the_folder_is_of_no_use_here(gallery: QdrantGallery, server: StandIn, tmp_path: Path) -> None:
    """What the server compares it must have as it is (docs/privacy.md)."""
    port = server.server_address[1]
    keyed = QdrantGallery(GalleryConfig("test", "1", 4, tmp_path, url=f"http://127.0.0.1:{port}", key=bytes(32)))
    keyed.upsert_templates(ME, "ana", ONE)
    keyed.close()
    (body,) = [body for method, path, body in server.asked if method == "PUT" and "/points" in path]
    assert body["points"][0]["vector"] == ONE[0].tolist()


@pytest.mark.parametrize("mode", ["fails", "garbage", "hangs"])
def test_a_server_that_does_not_answer_well_is_unavailable_and_heals(
    config: GalleryConfig, server: StandIn, mode: str, request: pytest.FixtureRequest
) -> None:
    gallery = QdrantGallery(replace(config, timeout_s=0.5) if mode == "hangs" else config)
    request.addfinalizer(gallery.close)
    until_it_answers(gallery.check)
    server.mode = mode
    for call in (gallery.check, lambda: gallery.search(ME, ONE), lambda: gallery.upsert_templates(ME, "ana", ONE)):
        with pytest.raises(GalleryUnavailable):
            call()
    server.mode = "well"
    assert not until_it_answers(gallery.check)
    assert len(until_it_answers(lambda: gallery.search(ME, ONE))[0]) == 1


def test_a_server_that_lost_everything_is_unavailable_once_and_empty_then(
    gallery: QdrantGallery, server: StandIn
) -> None:
    gallery.check()
    server.collections.clear()
    with pytest.raises(GalleryUnavailable, match="no_collection"):
        gallery.check()
    assert not gallery.check()
    assert server.collections == {"faces-test-1"}


def test_nobody_listens(tmp_path: Path, server: StandIn) -> None:
    port = server.server_address[1]
    gallery = QdrantGallery(GalleryConfig("test", "1", 4, tmp_path, url=f"http://127.0.0.1:{port}"))
    server.server_close()
    with pytest.raises(GalleryUnavailable):
        gallery.check()


def test_the_key_is_sent(server: StandIn, tmp_path: Path) -> None:
    port = server.server_address[1]
    config = GalleryConfig("test", "1", 4, tmp_path, url=f"http://127.0.0.1:{port}", api_key="secret")
    gallery = QdrantGallery(config)
    with pytest.warns(UserWarning, match="insecure connection"):
        gallery.check()
    gallery.close()
    assert server.keys == {"secret"}
