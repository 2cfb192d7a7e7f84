"""What children try in `test_sandbox.py`."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def attempt(connection: "Connection[Any, Any]", *attempts: tuple[str, Any]) -> None:
    """Try each, and tell "done" or the name of the error."""
    for name, argument in attempts:
        try:
            TRIES[name](argument)
        except Exception as exc:
            connection.send(type(exc).__name__)
        else:
            connection.send("done")


def tell(connection: "Connection[Any, Any]") -> None:
    """Send the environment, the server's process id and what the kernel says of this process; then wait."""
    connection.send((dict(os.environ), os.getppid(), Path("/proc/self/status").read_text()))
    connection.poll(None)


def _read(path: str) -> None:
    Path(path).read_bytes()


def _write(path: str) -> None:
    Path(path).write_bytes(b"x")


def _rename(path: str) -> None:
    Path(path + ".tmp").write_bytes(b"x")
    Path(path + ".tmp").replace(path)
    Path(path).unlink()


def _connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5):
        pass


def _connect_fast(port: int) -> None:
    with socket.socket() as sending:
        sending.sendto(b"x", 0x20000000, ("127.0.0.1", port))


def _datagram(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"x", ("127.0.0.1", port))


def _listen(_: object) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass


def _unix(_: object) -> None:
    socket.socket(socket.AF_UNIX).close()


def _run(_: object) -> None:
    subprocess.run(["/bin/true"], check=True)


def _signal(pid: int) -> None:
    os.kill(pid, 0)


def _raise_limits(_: object) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))


def _look_into(pid: int) -> None:
    Path(f"/proc/{pid}/environ").read_bytes()


def _from_a_thread(path: str) -> None:
    errors: list[Exception] = []

    def read() -> None:
        try:
            _read(path)
        except Exception as exc:
            errors.append(exc)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def _old_calls(_: object) -> None:
    """The second table of calls of x86-64: x32's `getpid`."""
    if ctypes.CDLL(None, use_errno=True).syscall(0x40000000 + 39) >= 0:
        return
    raise OSError(ctypes.get_errno(), "refused")


def _abort(_: object) -> None:
    signal.raise_signal(signal.SIGCHLD)  # by tgkill, as abort() does


def _import(name: str) -> None:
    sys.modules.pop(name, None)
    __import__(name)


TRIES: dict[str, Callable[[Any], object]] = {
    "read": _read, "write": _write, "rename": _rename, "connect": _connect, "connect_fast": _connect_fast,
    "datagram": _datagram, "listen": _listen, "unix": _unix, "run": _run, "signal": _signal, "limits": _raise_limits,
    "look": _look_into, "thread": _from_a_thread, "x32": _old_calls, "raise": _abort, "import": _import,
}  # fmt: skip
