"""A real edge on free ports, with hooks that a test decides."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mosaicast.runtime.children import ChildProcess, ForkServer, die_with_parent
from mosaicast.runtime.ports import free_ports
from services.cli.edge import EdgeConfig, find_nginx, prepare

START_S = 30.0


class Edge:
    """A running nginx. Publishing and playing is allowed until `refuse`."""

    def __init__(self, process: "subprocess.Popen[bytes]", config: EdgeConfig, hooks: ChildProcess) -> None:
        self.url = f"rtmp://127.0.0.1:{config.services_port}/masked/s1?token=t"
        """Where the compositor publishes."""
        self.public_url = f"rtmp://127.0.0.1:{config.rtmp_port}/masked/s1"
        """Where viewers play."""
        self.config = config
        self.hls_token = config.hls_token
        self._process, self._hooks = process, hooks

    def refuse(self) -> None:
        """Answer every hook with 403 from now on."""
        self._hooks.connection.send(403)
        assert self._hooks.connection.recv() == 403

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(START_S)

    def start_again(self) -> None:
        """Start it on the same ports, after it was killed."""
        self._process = _start(self.config)

    def freeze(self) -> None:
        """Let it take connections and bytes, and answer nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)


class _Hooks(ThreadingHTTPServer):
    daemon_threads = True
    status = 200


class _Answer(BaseHTTPRequestHandler):
    server: _Hooks

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


def _serve_hooks(connection: "Connection[Any, Any]") -> None:
    """Answer the edge's questions. A process: FFmpeg keeps the interpreter's lock while it connects to the edge."""
    hooks = _Hooks(("127.0.0.1", 0), _Answer)
    threading.Thread(target=hooks.serve_forever, daemon=True).start()
    connection.send(hooks.server_port)
    while True:
        hooks.status = connection.recv()
        connection.send(hooks.status)


@contextmanager
def running_edge(folder: Path, *, hls_folder: Path | None = None, hls_token: str = "h") -> Iterator[Edge]:
    """Run an edge. Raises EdgeMissingError without nginx."""
    find_nginx()
    hooks = ForkServer().spawn(_serve_hooks, name="hooks")
    ports = free_ports(5)
    assert hooks.connection.poll(START_S)
    config = EdgeConfig(
        folder=folder, hls_folder=hls_folder or folder / "segments", host="127.0.0.1", rtmp_port=ports[0],
        services_port=ports[1], inner_port=ports[2], http_port=ports[3], control_port=ports[4],
        control_token="c", hooks_url=f"http://127.0.0.1:{hooks.connection.recv()}", token="t", hls_token=hls_token,
    )  # fmt: skip
    try:
        edge = Edge(_start(config), config, hooks)
        try:
            yield edge
        finally:
            edge.kill()
    finally:
        hooks.kill()
        hooks.stop()


def _start(config: EdgeConfig) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(die_with_parent(prepare(config)), stderr=subprocess.DEVNULL)
    try:
        _await_port(config.rtmp_port, process)
    except BaseException:
        process.kill()
        process.wait(START_S)
        raise
    return process


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    pause = threading.Event()
    for _ in range(int(START_S / 0.05)):
        assert process.poll() is None, "the edge did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    raise AssertionError("the edge does not listen")
