"""Child processes for hostile work: decoding media of strangers, with limits, away from a service's own process.

Children come from a fork server that has the heavy imports loaded, so that one stream costs little memory and
starts in milliseconds. A child dies with the service that asked for it: it watches that process, which is not its
parent (the fork server is, and that one lives as long as its children).
"""

import ctypes
import multiprocessing
import os
import resource
import select
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Literal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use at most."""

    address_space_bytes: int = 4 * 1024**3
    """Virtual memory. Thread stacks and mapped libraries alone take about 1.5 GB of it."""
    open_files: int = 256
    cpu_seconds: int | None = None
    """For bounded work such as one photo; None for a live stream."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended."""

    kind: Literal["clean", "error", "signal"]
    code: int
    """Exit status, or the signal's number."""

    @property
    def text(self) -> str:
        """A few words for a log: `exit 3`, `SIGSEGV`."""
        if self.kind != "signal":
            return f"exit {self.code}"
        try:
            return signal.Signals(self.code).name
        except ValueError:
            return f"signal {self.code}"

    @property
    def crashed(self) -> bool:
        """Whether this was anything but a clean end."""
        return self.kind != "clean"


class ForkServer:
    """Makes children. One per service, built in its composition root.

    Args:
        preload: modules that every child needs, imported once in the fork server.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))

    def spawn(
        self,
        target: Callable[..., None],
        args: tuple[Any, ...] = (),
        *,
        name: str,
        limits: Limits | None = None,
    ) -> "ChildProcess":
        """Start `target(connection, *args)` in a child and return its handle.

        `target` and `args` must be picklable. The child ignores SIGINT (the parent decides) and sees the end of
        its connection when the parent goes.
        """
        ours, theirs = self._context.Pipe(duplex=True)
        process = self._context.Process(
            target=_child_main, args=(os.getpid(), target, theirs, limits or Limits(), args), name=name, daemon=True
        )
        process.start()
        theirs.close()
        return ChildProcess(process, ours)


class ChildProcess:
    """A running child and the parent's end of its pipe."""

    def __init__(self, process: ForkServerProcess, connection: "Connection[Any, Any]") -> None:
        self._process = process
        self.connection = connection

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid or 0

    @property
    def sentinel(self) -> int:
        """A handle that becomes ready when the child ends (for `multiprocessing.connection.wait`)."""
        return self._process.sentinel

    def is_alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.is_alive()

    def wait(self, timeout_s: float) -> Exit | None:
        """Wait for the end at most `timeout_s`; return how it ended, or None while it runs."""
        self._process.join(timeout_s)
        return self.exit

    @property
    def exit(self) -> Exit | None:
        """How the child ended, or None while it runs."""
        code = self._process.exitcode
        if code is None:
            return None
        if code < 0:
            return Exit("signal", -code)
        return Exit("clean" if code == 0 else "error", code)

    def stop(self, grace_s: float = 2.0) -> Exit | None:
        """End the child: close its pipe and send SIGTERM, SIGKILL after `grace_s`."""
        self.connection.close()
        if self._process.is_alive():
            self._process.terminate()
        if self.wait(grace_s) is None:
            self.kill()
        return self.exit

    def kill(self) -> None:
        """End the child at once."""
        self._process.kill()
        self._process.join(5.0)


def _child_main(
    service_pid: int,
    target: Callable[..., None],
    connection: "Connection[Any, Any]",
    limits: Limits,
    args: tuple[Any, ...],
) -> None:
    die_with_parent()
    _die_with(service_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    apply_limits(limits)
    target(connection, *args)


def _die_with(pid: int) -> None:
    """Kill this process when process `pid` ends."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
        return

    def watch() -> None:
        select.select([handle], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch-service", daemon=True).start()


def apply_limits(limits: Limits) -> None:
    """Limit this process for good: memory, files, CPU, no core file (a core would hold strangers' pictures)."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_AS, limits.address_space_bytes)
    if limits.cpu_seconds is not None:
        _lower(resource.RLIMIT_CPU, limits.cpu_seconds)


def taken_along(command: Sequence[str], number: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return a command line that runs `command`, and has the kernel send it `number` when its parent ends.

    By util-linux' `setpriv`, which turns into the command: Python code between fork and exec (`preexec_fn`) hangs
    now and then in a process that has threads. Where there is no `setpriv`, the command itself is returned.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--", *command] if setpriv else list(command)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends. No effect outside Linux."""
    parent = os.getppid()
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it went between the two calls
        os.kill(os.getpid(), signal.SIGKILL)


def _lower(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (limit, limit))
