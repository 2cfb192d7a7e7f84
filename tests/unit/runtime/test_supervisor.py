"""Processes are kept running: restarted when they end, replaced when they hang, taken along."""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mosaicast.runtime import supervisor
from mosaicast.runtime.ports import free_port
from mosaicast.runtime.processes import ManagedProcess, ProcessSpec
from mosaicast.runtime.supervisor import Supervisor
from synthetic.session import wait_until

WAIT_S = 60

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def spec(tmp_path: Path) -> ProcessSpec:
    port = free_port()
    return ProcessSpec(
        name="thing",
        command=[sys.executable, "-c", SERVER, str(port)],
        log_path=tmp_path / "thing.log",
        health_url=f"http://127.0.0.1:{port}/healthz",
    )


def alive(process: ManagedProcess) -> bool:
    return process.poll() is None and process.pid > 0


def test_a_killed_process_is_started_again(spec: ProcessSpec) -> None:
    keeper = Supervisor(ManagedProcess(spec))
    keeper.start()
    try:
        wait_until(lambda: alive(keeper.process), WAIT_S, "the start")
        first = keeper.process.pid
        keeper.process.kill()
        wait_until(lambda: alive(keeper.process) and keeper.process.pid != first, WAIT_S, "the restart")
        assert keeper.restarts == 1
    finally:
        keeper.stop(2.0)
    assert not alive(keeper.process)


def test_a_stopped_process_is_replaced(spec: ProcessSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PROBE_EVERY_S", 0.2)
    monkeypatch.setattr(supervisor, "PROBE_TIMEOUT_S", 0.5)
    keeper = Supervisor(ManagedProcess(spec))
    keeper.start()
    try:
        wait_until(lambda: keeper.answered, WAIT_S, "an answer")
        first = keeper.process.pid
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: alive(keeper.process) and keeper.process.pid != first, WAIT_S, "the replacement")
    finally:
        keeper.stop(2.0)


def test_a_deaf_process_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    spec = ProcessSpec("deaf", [sys.executable, "-c", deaf], tmp_path / "deaf.log", os.environ)
    process = ManagedProcess(spec)
    process.start()
    wait_until(lambda: "deaf" in process.log_tail(), WAIT_S, "its word")
    process.stop(grace_s=0.2)
    assert process.poll() == -signal.SIGKILL


def test_a_probe_wants_200() -> None:
    class Sick(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sick)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert not supervisor._lives(f"http://127.0.0.1:{server.server_address[1]}/healthz")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
