"""A small HTTP server for probes and Prometheus: /metrics, /healthz, /readyz."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_LOOK_S = 0.05


class HealthServer:
    """Serves one process's health from a daemon thread.

    Args:
        port: 0 lets the system choose; see `port`.
        registry: what /metrics shows.
        ready: whether the service can do its work now; /readyz answers 503 while not.
        healthy: whether the process should live; /healthz answers 503 when it should be restarted.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        ready: Callable[[], bool],
        healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(registry, ready, healthy))
        self._server.daemon_threads = True
        # It notices its end at the next look; the library's own 0.5 s would be in every stop of every service.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_LOOK_S,), name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_address[1]

    def start(self) -> "HealthServer":
        """Begin to answer and return self."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(
    registry: CollectorRegistry, ready: Callable[[], bool], healthy: Callable[[], bool]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif path == "/healthz":
                self._probe(healthy())
            elif path == "/readyz":
                self._probe(ready())
            else:
                self._answer(404, b"not found\n", "text/plain")

        def _probe(self, good: bool) -> None:
            self._answer(200 if good else 503, b"ok\n" if good else b"not now\n", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Probes come every second; they are not news."""

    return Handler
