"""Children: limits hold, crashes are told apart from clean ends, nobody outlives the parent."""

import os
import shutil
import signal
import subprocess
import sys
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from mosaicast.runtime.children import Exit, ForkServer, Limits, die_with_parent

WAIT_S = 30.0


def _echo(connection: "Connection[Any, Any]", factor: int) -> None:
    while True:
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(message * factor)


def _abort(connection: "Connection[Any, Any]") -> None:
    os.abort()


def _fail(connection: "Connection[Any, Any]") -> None:
    os._exit(7)


def _eat_memory(connection: "Connection[Any, Any]") -> None:
    try:
        held = bytearray(3 * 1024**3)
    except MemoryError:
        connection.send_bytes(b"refused")
        return
    connection.send_bytes(b"got it" + held[:0])


def _deaf(connection: "Connection[Any, Any]") -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send_bytes(b"deaf")
    signal.pause()


@pytest.fixture(scope="module")
def server() -> ForkServer:
    return ForkServer()


def test_a_child_talks_over_its_pipe_and_ends_with_it(server: ForkServer) -> None:
    child = server.spawn(_echo, (3,), name="echo")
    child.connection.send_bytes(b"ab")
    assert child.connection.recv_bytes() == b"ababab"
    assert child.exit is None
    child.connection.close()
    assert child.wait(WAIT_S) == Exit("clean", 0)


def test_a_crash_is_a_signal(server: ForkServer) -> None:
    child = server.spawn(_abort, name="abort")
    ended = child.wait(WAIT_S)
    assert ended == Exit("signal", signal.SIGABRT)
    assert ended.crashed
    assert ended.text == "SIGABRT"


def test_an_error_is_an_exit_status(server: ForkServer) -> None:
    ended = server.spawn(_fail, name="fail").wait(WAIT_S)
    assert ended == Exit("error", 7)
    assert ended.crashed


def test_memory_is_limited(server: ForkServer) -> None:
    child = server.spawn(_eat_memory, name="eat", limits=Limits(address_space_bytes=2 * 1024**3))
    assert child.connection.recv_bytes() == b"refused"
    child.wait(WAIT_S)


def test_the_sentinel_tells_the_end(server: ForkServer) -> None:
    child = server.spawn(_echo, (1,), name="echo")
    child.kill()
    assert wait([child.sentinel], timeout=WAIT_S)
    assert child.wait(WAIT_S) == Exit("signal", signal.SIGKILL)


def test_a_deaf_child_is_killed(server: ForkServer) -> None:
    child = server.spawn(_deaf, name="deaf")
    assert child.connection.recv_bytes() == b"deaf"
    assert child.stop(grace_s=0.2) == Exit("signal", signal.SIGKILL)


_PARENT = """
import sys
from tests_child_target import hold
from mosaicast.runtime.children import ForkServer
if __name__ == "__main__":
    child = ForkServer().spawn(hold, name="hold")
    child.connection.recv_bytes()
    print(child.pid, flush=True)
    sys.stdin.read()
"""
_TARGET = """
import signal
def hold(connection):
    connection.send_bytes(b"up")
    signal.pause()
"""


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "tests_child_target.py").write_text(_TARGET)
    (tmp_path / "parent.py").write_text(_PARENT)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        handle = os.pidfd_open(pid)
        parent.kill()
        assert wait([handle], timeout=WAIT_S), "the child outlived its parent"
        os.close(handle)


_TAKING = """
import signal, subprocess, sys
from mosaicast.runtime.children import die_with_parent
number = signal.Signals(int(sys.argv[1]))
command = die_with_parent([sys.executable, "-c", sys.argv[2], sys.argv[3]], number)
with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
    assert child.stdout.readline() == b"up\\n"
    print(child.pid, flush=True)
    sys.stdin.read()
"""
_TAKEN = """
import pathlib, signal, sys
def note(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number))
    sys.exit()
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, note)
print("up", flush=True)
signal.pause()
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv (package util-linux) on this machine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_process_that_is_taken_along_gets_the_signal_of_a_killed_parent(tmp_path: Path, number: int) -> None:
    noted = tmp_path / "noted"
    command = [sys.executable, "-c", _TAKING, str(int(number)), _TAKEN, str(noted)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        handle = os.pidfd_open(int(parent.stdout.readline()))
        assert not wait([handle], timeout=0), "it runs"
        parent.kill()
        assert wait([handle], timeout=WAIT_S), "it outlived its parent"
        os.close(handle)
    assert (noted.read_text() if noted.exists() else "") == ("" if number == signal.SIGKILL else str(int(number)))


def test_what_is_taken_along_is_the_command_itself() -> None:
    """Its pid, its arguments (also those that look like options) and its status are the command's."""
    code = "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)"
    command = die_with_parent([sys.executable, "-c", code, "--help", "a b"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=WAIT_S)
    assert out == f"{process.pid} ['--help', 'a b']\n"
    assert process.returncode == 7


def test_without_setpriv_the_command_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert die_with_parent(("nginx", "-c", "x")) == ["nginx", "-c", "x"]
