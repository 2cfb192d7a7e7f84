"""What a running edge lets in, and what it does not."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from mosaicast.adapters.av_sink import FlvSink, SinkError
from mosaicast.adapters.hls_folder import PLAYLIST, HlsFolder
from services.api.edge_control import EdgeControl
from services.cli.edge import EdgeMissingError
from tests.contract.rtmp_edge import Edge, running_edge
from tests.contract.sink_tools import VIDEO, push


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
