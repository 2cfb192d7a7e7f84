"""A file server for tests of downloads, with the faults of real ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `content` at every path. Each request takes the next fault, or none.

    Faults: `500`, `404`, `429`, `cut` (breaks off after half), `close` (no answer), `ignore-range`, `wrong-range`.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.faults: list[str] = []
        self.always: str | None = None
        self.ranges: list[str | None] = []
        self.url = ""


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """Run a server of its own on a free port."""
    state = FileServer(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/model.onnx"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            fault = state.faults.pop(0) if state.faults else state.always
            if fault == "close":
                self.close_connection = True
            elif fault in {"500", "404", "429"}:
                self.send_error(int(fault))
            else:
                self.send_file(wanted, fault)

        def send_file(self, wanted: str | None, fault: str | None) -> None:
            first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            if first >= len(state.content) and first:
                return self.send_error(416)
            if fault == "ignore-range":
                first = 0
            body = state.content[first:]
            self.send_response(206 if first else 200)
            if first:
                shift = 1 if fault == "wrong-range" else 0
                self.send_header("Content-Range", f"bytes {first - shift}-{len(state.content) - 1}/*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
            return None

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler
