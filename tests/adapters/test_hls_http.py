"""An edge that takes HLS by HTTP: who may, what may, and what its failures are to us."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsStoreError
from mosaicast.adapters.media.hls_http import HlsHttp
from mosaicast.runtime.ports import free_port
from tests.adapters.hls_stores import Place, edge_or_skip, store_on
from tests.adapters.rtmp_edge import Edge
from tests.files import files_under

RIGHT = "Bearer h"
WAIT_S = 30.0


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge_or_skip(tmp_path_factory.mktemp("edge")) as edge:
        yield edge


@pytest.fixture
def held(edge: Edge) -> Iterator[Place]:
    with store_on(edge) as store:
        store.claim()
        store.write("s1", "live.ts", b"live")
        yield Place(store, edge.config.hls_folder)
        store.remove("s1")


def ask(port: int, method: str, path: str, secret: str = RIGHT, body: bytes = b"") -> int:
    """Ask for a path exactly as it is written; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.putrequest(method, path, skip_host=False)
        connection.putheader("Authorization", secret)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


def everything(edge: Edge) -> set[Path]:
    return {path for path in files_under(edge.config.folder.parent) if path.parent.name != "tmp"}


@pytest.mark.parametrize("secret", ["", "Bearer", "Bearer ", "Bearer wrong", "h", "Bearer hh", "bearer h"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/hls/s1/live.ts"), ("PUT", "/hls/s1/new.ts"), ("PUT", "/hls.claim"), ("DELETE", "/hls/s1/live.ts"),
     ("DELETE", "/hls/s1/"), ("DELETE", "/hls/"), ("GET", "/hls.claim")],
)  # fmt: skip
def test_without_the_secret_nothing_happens(edge: Edge, held: Place, secret: str, method: str, path: str) -> None:
    body = b"x" if method == "PUT" else b""
    assert ask(edge.config.control_port, method, path, secret, body) == httpx.codes.FORBIDDEN
    assert held.files == {"s1/live.ts"}
    assert (held.root / "s1" / "live.ts").read_bytes() == b"live"


@pytest.mark.parametrize("secret", ["", "Bearer", "Bearer ", "Bearer  ", RIGHT])
def test_an_edge_without_a_secret_takes_nothing_from_anybody(tmp_path: Path, secret: str) -> None:
    with edge_or_skip(tmp_path / "edge", hls_token="") as closed:
        for method, path in (("PUT", "/hls/s1/a.ts"), ("DELETE", "/hls/"), ("GET", "/hls.claim")):
            assert ask(closed.config.control_port, method, path, secret) == httpx.codes.FORBIDDEN
        assert not closed.config.hls_folder.exists()


def test_a_wrong_secret_is_told_without_it(edge: Edge, held: Place) -> None:
    with store_on(edge, "not-the-secret") as store:
        for call in (store.claim, lambda: store.write("s1", "a.ts", b""), lambda: store.remove("s1")):
            with pytest.raises(HlsStoreError, match=r"refuses the secret \(403\)") as refused:
                call()
            assert "not-the-secret" not in repr(refused.value) + repr(store)
    assert held.files == {"s1/live.ts"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "MKCOL", "MOVE", "COPY", "PROPFIND", "PATCH"])
def test_from_outside_nobody_writes_even_with_the_secret(edge: Edge, held: Place, method: str) -> None:
    for path in ("/hls/s1/live.ts", "/hls/s1/new.ts", "/hls/s1.m3u8", "/hls/s1/", "/hls/", "/hls.claim"):
        assert ask(edge.config.http_port, method, path) in {400, 403, 404, 405}
    assert held.files == {"s1/live.ts"}


@pytest.mark.parametrize(
    "path",
    ["/hls/../x.ts", "/hls/%2e%2e/x.ts", "/hls/s1/../../x.ts", "/hls/s1/..%2f..%2fx.ts", "/hls/..%2fx.ts", "/hls/x.ts",
     "/hls/.hidden/x.ts", "/hls/s1/.x.ts", "/hls/s1/x.sh", "/hls/s1/other.m3u8", "/hls/s1/deep/x.ts", "/hls/s1/x.ts/",
     "/hls/s1/x%00.ts", "/hls//x.ts", "/hls/s1", "/x.ts", "/nginx.conf", "/../nginx.conf", "/hls.claim/../nginx.conf",
     "/hls/s1/a%0ab.ts", "/hls/s%2f1/../../../x.ts"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_edge_takes_only_names_that_we_make(edge: Edge, held: Place, method: str, path: str) -> None:
    before = everything(edge)
    assert ask(edge.config.control_port, method, path, body=b"x" if method == "PUT" else b"") >= 400
    assert everything(edge) == before


@pytest.mark.parametrize("method", ["POST", "MKCOL", "MOVE", "COPY", "PATCH", "PROPFIND", "GET"])
def test_it_does_nothing_else_and_lists_nothing(edge: Edge, held: Place, method: str) -> None:
    for path in ("/hls/s1/live.ts", "/hls/s1/", "/hls/"):
        assert ask(edge.config.control_port, method, path) >= 400
    assert held.files == {"s1/live.ts"}


def test_a_file_is_there_when_it_is_whole_and_not_before(edge: Edge, held: Place) -> None:
    with socket.create_connection(("127.0.0.1", edge.config.control_port), WAIT_S) as half:
        head = f"PUT /hls/s1/live.ts HTTP/1.1\r\nHost: e\r\nAuthorization: {RIGHT}\r\nContent-Length: 200000\r\n\r\n"
        half.sendall(head.encode() + b"n" * 150_000)
        assert ask(edge.config.control_port, "PUT", "/hls/s1/b.ts", body=b"x") == httpx.codes.CREATED
        assert (held.root / "s1" / "live.ts").read_bytes() == b"live"
        half.sendall(b"n" * 50_000)
        assert half.recv(12) == b"HTTP/1.1 204"
    assert (held.root / "s1" / "live.ts").read_bytes() == b"n" * 200_000


def test_what_is_written_is_served_to_viewers(edge: Edge, held: Place) -> None:
    held.store.write("s1", PLAYLIST, b"#EXTM3U\n")
    site = f"http://127.0.0.1:{edge.config.http_port}"
    assert httpx.get(f"{site}/hls/s1.m3u8", trust_env=False).content == b"#EXTM3U\n"
    assert httpx.get(f"{site}/hls/s1/live.ts", trust_env=False).content == b"live"


def test_who_has_claimed_already_sweeps_nothing_that_is_live(edge: Edge, held: Place) -> None:
    held.store.claim()
    assert held.files == {"s1/live.ts"}


def test_of_two_compositors_the_one_that_came_last_writes(edge: Edge, held: Place) -> None:
    with store_on(edge) as newer:
        newer.claim()
        assert held.files == set(), "swept"
        newer.write("s1", "new.ts", b"new")
        with pytest.raises(HlsStoreError, match="another compositor"):
            held.store.write("s1", "a.ts", b"old")
        held.store.delete("s1", ["new.ts"])
        held.store.remove("s1")
        assert held.files == {"s1/new.ts"}, "nothing of it is there any more"
        newer.remove("s1")


def test_an_edge_that_lost_its_disk_is_filled_anew_and_every_stream_is_told(edge: Edge, held: Place) -> None:
    held.store.write("s2", "a.ts", b"other")
    for path in (*files_under(held.root), edge.config.folder / "hls.claim"):
        path.unlink()
    for stream_id in ("s1", "s2"):
        with pytest.raises(HlsStoreError, match="lost what was there"):
            held.store.write(stream_id, "b.ts", b"new")
        held.store.remove(stream_id)
        held.store.write(stream_id, "b.ts", b"new")
    assert held.files == {"s1/b.ts", "s2/b.ts"}
    held.store.remove("s2")


def test_an_edge_that_began_again_costs_nothing(tmp_path: Path) -> None:
    with edge_or_skip(tmp_path / "edge") as edge, store_on(edge) as store:
        store.write("s1", "a.ts", b"one")
        edge.kill()
        with pytest.raises(HlsStoreError, match="no connection"):
            store.write("s1", "b.ts", b"two")
        edge.start_again()
        store.write("s1", "b.ts", b"two")
        assert Place(store, edge.config.hls_folder).files == {"s1/a.ts", "s1/b.ts"}


def test_a_dead_address_is_our_error() -> None:
    store = HlsHttp(f"http://127.0.0.1:{free_port()}", "t")
    with pytest.raises(HlsStoreError, match="no connection"):
        store.claim()
    store.close()


@contextmanager
def answering(status: str, *, keeps: bool) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that answers every request alike; unless it `keeps` connections, it closes them without a word."""
    listening, asked = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, client.makefile("rb") as reader:
                while line := reader.readline():
                    size = 0
                    while (header := reader.readline()).strip():
                        if header.lower().startswith(b"content-length:"):
                            size = int(header.partition(b":")[2])
                    asked.append(line + reader.read(size))
                    client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                    if not keeps:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(WAIT_S)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("507 Insufficient Storage", r"its disk is full \(507\)"),
        ("500 Internal Server Error", r"is its disk full \(500\)"),
        ("413 Too Large", r"too large for it \(413\)"),
        ("404 Not Found", r"takes no HLS at this address \(404\)"),
        ("302 Found", r"it refuses \(302\)"),
        ("599 Whatever", r"it refuses \(599\)"),
    ],
)
def test_what_the_edge_answers_is_a_sentence(status: str, words: str) -> None:
    with answering(status, keeps=True) as (url, _):
        store = HlsHttp(url, "t")
        with pytest.raises(HlsStoreError, match=words):
            store.claim()
        store.close()


def test_an_idle_connection_that_the_edge_has_closed_is_opened_again() -> None:
    with answering("204 No Content", keeps=False) as (url, asked):
        store = HlsHttp(url, "t")
        store.claim()
        store.close()
    assert [line.split()[0] for line in asked] == [b"PUT", b"DELETE"]
    assert len(asked[0].splitlines()[1]) >= 16, "the claim went whole"


@contextmanager
def swallowing(*, every_s: float) -> Iterator[str]:
    """Run a server that takes a little of what it is sent now and then, and answers nothing."""
    listening, over = socket.create_server(("127.0.0.1", 0)), threading.Event()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            while not over.wait(every_s) and client.recv(65536):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.close()
        thread.join(WAIT_S)


@pytest.mark.parametrize("every_s", [0.02, WAIT_S], ids=["trickles", "takes nothing"])
def test_a_slow_edge_holds_nobody_for_longer_than_its_time(every_s: float) -> None:
    with swallowing(every_s=every_s) as url:
        store = HlsHttp(url, "t", timeout_s=0.4)
        with pytest.raises(HlsStoreError, match=r"does not answer within 0\.4 s"):
            store._put("/hls/s1/a.ts", bytes(64 * 1024 * 1024))
        store.close()
