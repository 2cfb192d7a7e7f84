"""What a running edge lets in, and what it does not."""

import asyncio
import contextlib
import os
import resource
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsFolder
from mosaicast.adapters.media.sink import FlvSink, SinkError
from services.api.edge_control import EdgeControl
from services.cli.edge import EdgeMissingError
from tests.adapters.rtmp_edge import Edge, running_edge
from tests.adapters.sink_tools import VIDEO, WAIT_S, Player, frame, push

ONE_ADDRESS, EVERYBODY = 64, 960
"""How many RTMP connections the door lets in at once."""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    try:
        with running_edge(tmp_path_factory.mktemp("edge")) as edge:
            yield edge
    except EdgeMissingError as exc:
        pytest.skip(str(exc))


def site(edge: Edge, path: str) -> str:
    return f"http://127.0.0.1:{edge.config.http_port}{path}"


def control(edge: Edge, path: str = "") -> str:
    return f"http://127.0.0.1:{edge.config.control_port}{path}"


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False)


@pytest.fixture
def stored(edge: Edge) -> HlsFolder:
    folder = HlsFolder(edge.config.hls_folder)
    folder.write("st-1", PLAYLIST, b"#EXTM3U\n")
    folder.write("st-1", "Some_name-1.ts", b"G" * 188)
    folder.write("st-1", "half.part", b"x")
    (folder.root.parent / "secret.ts").write_text("x")
    return folder


def test_hls_is_served_as_files_to_any_page(edge: Edge, stored: HlsFolder) -> None:
    playlist, segment = get(site(edge, "/hls/st-1.m3u8")), get(site(edge, "/hls/st-1/Some_name-1.ts"))
    assert (playlist.content, segment.content) == (b"#EXTM3U\n", b"G" * 188)
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert segment.headers["content-type"] == "video/mp2t"
    for answer in (playlist, segment, get(site(edge, "/hls/none.m3u8"))):
        assert answer.headers["access-control-allow-origin"] == "*", "players shall see that it is not there"
        assert answer.headers["cache-control"] == "no-store"
    stored.remove("st-1")
    assert get(site(edge, "/hls/st-1/Some_name-1.ts")).status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize(
    "path",
    ["/", "/hls/", "/hls/st-1/", "/hls/st-1/index.m3u8", "/hls/st-1/half.part", "/hls/st-1/.half.ts",
     "/hls/../secret.ts", "/hls/%2e%2e/secret.ts", "/hls/..%2fsecret.ts", "/hls/st-1/..%2f..%2fsecret.ts",
     "/stat", "/control/drop/publisher?app=masked&name=s1", "/healthz"],
)  # fmt: skip
def test_nothing_else_is_served_to_the_public(edge: Edge, stored: HlsFolder, path: str) -> None:
    answer = get(site(edge, path), Authorization=f"Bearer {edge.config.control_token}")
    assert answer.status_code in {400, 403, 404}
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "MKCOL"])
def test_nobody_writes(edge: Edge, stored: HlsFolder, method: str) -> None:
    answer = httpx.request(method, site(edge, "/hls/st-1.m3u8"), content=b"x", trust_env=False)
    assert answer.status_code in {403, 405}
    assert (stored.root / "st-1" / PLAYLIST).read_bytes() == b"#EXTM3U\n"


@pytest.mark.parametrize("secret", ["", "Bearer", "Bearer wrong", "c", "Bearer cc"])
@pytest.mark.parametrize("path", ["/stat", "/control/drop/publisher?app=masked&name=s1"])
def test_who_comes_from_this_machine_is_nobody_yet(edge: Edge, path: str, secret: str) -> None:
    sink = FlvSink(edge.url, VIDEO, None)
    assert get(control(edge, path), Authorization=secret).status_code == httpx.codes.FORBIDDEN
    push(sink, 5)
    sink.close()


def test_health_needs_no_secret(edge: Edge) -> None:
    assert get(control(edge, "/healthz")).text == "ok\n"


def test_the_api_sees_publishers_and_cuts_them_off(edge: Edge) -> None:
    async def ask(token: str) -> frozenset[str] | None:
        api = EdgeControl(control(edge), token)
        publishers = await api.publishers()
        await api.drop_publisher("s1")
        await api.close()
        return publishers

    url = edge.url.replace("/masked/", "/live/")
    sink = FlvSink(url, VIDEO, None)
    push(sink, 5)
    assert asyncio.run(ask("wrong")) is None
    push(sink, 5)
    assert asyncio.run(ask(edge.config.control_token)) == frozenset({"s1"})

    def go_on() -> None:
        for _ in range(100):
            push(sink, 30)

    with pytest.raises(SinkError):
        go_on()
    sink.close()


class OnAir:
    """A stream that is pushed picture by picture, and somebody who watches it."""

    def __init__(self, edge: Edge, viewer: str = "127.0.0.1") -> None:
        self._sink = FlvSink(edge.url, VIDEO, None)
        self._player = Player(edge.public_url, viewer)
        self._sent_ms: list[int] = []
        pause = threading.Event()
        while len(self._player.seen.video) < 10:
            self.go_on()
            pause.wait(0.01)
            assert len(self._sent_ms) < 5000, "the player sees nothing"

    def go_on(self) -> None:
        """Push the next picture."""
        number = len(self._sent_ms)
        self._sink.write_frame(frame(number), number / 30, force_keyframe=number % 20 == 0)
        self._sent_ms.append(round(number * 1000 / 30))

    def end(self) -> None:
        """Hang up, once the player has seen every picture from its first one on."""
        self._sink.close()
        seen = self._player.until(lambda seen: seen.video[-1][0] == self._sent_ms[-1])
        assert [at_ms for at_ms, _ in seen.video] == self._sent_ms[-len(seen.video) :]


def knock(edge: Edge, address: str) -> socket.socket:
    """Connect from an address of this machine, and say what an RTMP client says first."""
    client = socket.create_connection(("127.0.0.1", edge.config.rtmp_port), WAIT_S, (address, 0))
    with contextlib.suppress(OSError):  # it may have hung up
        client.sendall(b"\x03" + bytes(8) + os.urandom(1528))
    return client


def is_let_in(client: socket.socket) -> bool:
    """Return whether the RTMP server answers, and does not hang up without a word."""
    try:
        return client.recv(1) == b"\x03"
    except ConnectionResetError:
        return False


def test_an_address_gets_so_many_rtmp_connections_and_a_stream_on_air_goes_on(edge: Edge) -> None:
    with contextlib.ExitStack() as clients:
        on_air, let_in = OnAir(edge), []
        for _ in range(ONE_ADDRESS + 10):
            let_in.append(is_let_in(clients.enter_context(knock(edge, "127.0.0.2"))))
            on_air.go_on()
        assert let_in == [True] * ONE_ADDRESS + [False] * 10
        assert is_let_in(clients.enter_context(knock(edge, "127.0.0.3"))), "others are not counted with it"
        on_air.end()


def test_who_hung_up_is_not_counted(edge: Edge) -> None:
    for _ in range(3):
        with contextlib.ExitStack() as clients:
            knocking = [clients.enter_context(knock(edge, "127.0.0.4")) for _ in range(ONE_ADDRESS)]
            assert all(map(is_let_in, knocking))
            for client in knocking:
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5 * EVERYBODY:
        pytest.skip("this user may not open as many files as connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * EVERYBODY), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_full_door_leaves_room_for_our_services(edge: Edge) -> None:
    """From an address of its own nobody fills it: 127.0.0.1 may be a proxy, behind which everybody has that address."""
    with contextlib.ExitStack() as clients:
        knocking = [clients.enter_context(knock(edge, "127.0.0.1")) for _ in range(EVERYBODY + 10)]
        let_in = [is_let_in(client) for client in knocking]
        assert EVERYBODY - 10 < sum(let_in) <= EVERYBODY, "players of other tests may still be there"
        assert not any(let_in[EVERYBODY:])
        sink = FlvSink(edge.url, VIDEO, None)
        push(sink, 5)
        sink.close()


def test_the_edge_knows_addresses_of_clients_behind_its_door(edge: Edge) -> None:
    on_air = OnAir(edge, "127.0.0.5")
    page = get(control(edge, "/stat"), Authorization=f"Bearer {edge.config.control_token}")
    assert "<address>127.0.0.5</address>" in page.text
    on_air.end()
