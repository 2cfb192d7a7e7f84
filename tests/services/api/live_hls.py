"""A live stream without its makers: segments made before appear one by one, in real time, behind a small server."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.hls_folder import HlsFolder
from mosaicast.adapters.media.sink import FlvSink
from mosaicast.runtime.clocks import wall_ms
from services.compositor.hls import HlsFiles
from services.compositor.wire import Segment
from tests.adapters.av_clips import SAMPLE_RATE
from tests.adapters.sink_tools import frame, make_sound

SIZE = (256, 144)
SHUT_S = 60.0


class Part(NamedTuple):
    """A stretch of a programme; sound comes or goes with it."""

    seconds: float
    fps: float = 12.0
    sound: bool = True


def programme(folder: Path, parts: Sequence[Part]) -> list[HlsSegment]:
    """Return the segments of a programme, as a compositor's child cuts them: each part is a push of its own."""
    made: list[HlsSegment] = []
    segmenter, sound = Segmenter(made.append, int), make_sound(folder)
    for part in parts:
        format_ = sound.format if part.sound else None
        sink = FlvSink(str(folder / "out.flv"), VideoFormat(*SIZE, 12.0, "veryfast"), format_, segmenter)
        heard = 0
        for number in range(round(part.seconds * part.fps)):
            time_s = number / part.fps
            sink.write_frame(frame(round(time_s * 12), SIZE), time_s)
            while part.sound and (at_s := heard * 1024 / SAMPLE_RATE) <= time_s:
                sink.write_audio(sound.packets[heard % len(sound.packets)], at_s)
                heard += 1
        sink.close()
    return made


class Broadcast:
    """Lets segments appear when they would. `begin` may be called again once it has ended.

    Args:
        root: the folder of HLS.
        stream_id: whose segments these are.
    """

    def __init__(self, root: Path, stream_id: str) -> None:
        self._files = HlsFiles(stream_id, HlsFolder(root), wall_ms() // 1000)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, made: Sequence[HlsSegment], *, there: int = 3) -> None:
        """Let the first segments be there, and the others come in their time."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(made, there), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nothing more comes, and players are told."""
        self.stop()
        self._files.end()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, made: Sequence[HlsSegment], there: int) -> None:
        for number, one in enumerate(made):
            if number >= there and self._stop.wait(one.duration_s):
                return
            ago_s = sum(each.duration_s for each in made[number : max(there, number + 1)])
            began_ms = wall_ms() - round(ago_s * 1000)
            self._files.add(Segment(0, began_ms, one.duration_s, one.discontinuity, one.data))


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder as the edge does."""

    server: "Edge"
    extensions_map = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}  # noqa: RUF012 - the base class'

    def translate_path(self, path: str) -> str:
        stream, _, segment = path.partition("?")[0].removeprefix("/hls/").partition("/")
        return str(Path(self.directory) / stream.removesuffix(".m3u8") / (segment or "index.m3u8"))

    def do_GET(self) -> None:
        self.server.door.wait(SHUT_S)
        super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


class Edge(ThreadingHTTPServer):
    """Serves HLS; while `door` is not set, everybody waits."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))
        self.door = threading.Event()
        self.door.set()
        self.url = f"http://127.0.0.1:{self.server_port}/hls"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser hangs up when it has seen enough."""


@contextmanager
def edge(root: Path) -> Iterator[Edge]:
    """Run an edge."""
    with Edge(root) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.door.set()
        server.shutdown()
        thread.join()
