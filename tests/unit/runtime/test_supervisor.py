"""Processes are kept running: restarted when they end, replaced when they hang, taken along."""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mosaicast.runtime import supervisor
from mosaicast.runtime.ports import free_port, free_ports, require_free
from mosaicast.runtime.probes import answers
from mosaicast.runtime.processes import ManagedProcess, ProcessSpec, StartError
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


def test_what_can_not_be_started_is_tried_again(spec: ProcessSpec) -> None:
    refusals = [StartError("a full disk"), PermissionError("not now")]

    def prepare() -> None:
        if refusals:
            raise refusals.pop()

    keeper = Supervisor(ManagedProcess(spec), prepare=prepare)
    keeper.start()
    try:
        wait_until(lambda: alive(keeper.process), WAIT_S, "the start after two refusals")
        assert (refusals, keeper.restarts) == ([], 0)
    finally:
        keeper.stop(2.0)


def test_a_supervisor_of_what_can_not_be_started_ends_when_told(spec: ProcessSpec) -> None:
    asked = threading.Event()

    def prepare() -> None:
        asked.set()
        raise StartError("never")

    keeper = Supervisor(ManagedProcess(spec), prepare=prepare)
    keeper.start()
    assert asked.wait(WAIT_S)
    keeper.stop(2.0)
    assert not alive(keeper.process)


def test_its_log_and_its_files_are_private(tmp_path: Path) -> None:
    made = tmp_path / "made"
    spec = ProcessSpec(
        "writer", [sys.executable, "-c", f"open({str(made)!r}, 'w'); print('a\\n\\tat b\\nc')"], tmp_path / "log",
        os.environ, umask=0o077,
    )  # fmt: skip
    before = os.umask(0o022)
    try:
        process = ManagedProcess(spec)
        process.start()
        assert process.wait(WAIT_S) == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in (made, tmp_path / "log")} == {0}
    assert process.log_tail(without="\tat ") == "a\nc"
    assert process.log_tail(1) == "c"


def test_free_ports_are_free_and_no_two_alike() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert [require_free("127.0.0.1", port, "--port") for port in ports] == list(ports)


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
        assert not answers(f"http://127.0.0.1:{server.server_address[1]}/healthz", WAIT_S)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
