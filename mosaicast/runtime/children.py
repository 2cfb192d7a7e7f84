"""Child processes for hostile work: decoding media of strangers, with limits, away from a service's own process.

Children come from a fork server that has the heavy imports loaded, so that one stream costs little memory and
starts in milliseconds. A child dies with the service that asked for it: it watches that process, which is not its
parent (the fork server is, and that one lives as long as its children).
"""

import contextlib
import ctypes
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Literal

from mosaicast.runtime import sandbox
from mosaicast.runtime.log_events import Log
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.sandbox import Access, Support

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_KEPT = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV"})
_KEPT_PREFIXES = ("LC_", "PYTHON", "OMP_", "OPENBLAS_", "MALLOC_")
"""Of the environment, children get what the loader, Python and numeric libraries read; never a setting of ours."""


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
        """One word for a log and a label of metrics: `exit_3`, `SIGSEGV`."""
        if self.kind != "signal":
            return f"exit_{self.code}"
        try:
            return signal.Signals(self.code).name
        except ValueError:
            return f"signal_{self.code}"

    @property
    def crashed(self) -> bool:
        """Whether this was anything but a clean end."""
        return self.kind != "clean"


class ForkServer:
    """Makes children. One per service, built in its composition root, before anything that starts a thread.

    It starts at once, without the environment of the service, which holds secrets: children are copies of it.

    Args:
        preload: modules that every child needs, imported once in the fork server.
        layers: what the kernel has to hold children back; None: asked here.
    """

    def __init__(self, preload: Sequence[str] = (), *, layers: Support | None = None) -> None:
        self.layers = sandbox.support() if layers is None else layers
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        with _cleared_environment():
            multiprocessing.forkserver.ensure_running()

    def tell_layers(self, log: Log, metrics: Metrics) -> None:
        """Log once, and show, how children are held back and what this kernel lacks for it."""
        metrics.child_layers.labels("landlock").set(self.layers.landlock_abi)
        metrics.child_layers.labels("seccomp").set(self.layers.seccomp)
        landlock, seccomp, missing = self.layers.landlock_abi, self.layers.seccomp, self.layers.missing
        if missing:
            log.warning("children_held_back_in_part", landlock_abi=landlock, seccomp=seccomp, missing=missing)
        else:
            log.info("children_held_back", landlock_abi=landlock, seccomp=seccomp)

    def spawn(
        self,
        target: Callable[..., None],
        args: tuple[Any, ...] = (),
        *,
        name: str,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> "ChildProcess":
        """Start `target(connection, *args)` in a child and return its handle.

        `target` and `args` must be picklable. The child ignores SIGINT (the parent decides) and sees the end of
        its connection when the parent goes.

        Args:
            target: what it does.
            args: what it is told.
            name: for a list of processes.
            limits: what it may use at most.
            access: what it may reach, as far as the kernel can hold it to that; None: everything (for tests' helpers;
                whatever touches strangers' media says what it needs).
        """
        ours, theirs = self._context.Pipe(duplex=True)
        bounds = _Bounds(limits or Limits(), access, self.layers)
        process = self._context.Process(
            target=_child_main, args=(os.getpid(), target, theirs, bounds, args), name=name, daemon=True
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


@dataclass(frozen=True, slots=True)
class _Bounds:
    limits: Limits
    access: Access | None
    layers: Support


def _child_main(
    service_pid: int,
    target: Callable[..., None],
    connection: "Connection[Any, Any]",
    bounds: "_Bounds",
    args: tuple[Any, ...],
) -> None:
    be_killed_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    apply_limits(bounds.limits)
    if bounds.access is not None:
        sandbox.enter(bounds.access, bounds.layers)  # before the first thread, which would stay outside
    _die_with(service_pid)
    target(connection, *args)


@contextlib.contextmanager
def _cleared_environment() -> Iterator[None]:
    """Leave in the environment what children may see."""
    whole = dict(os.environ)
    kept = {name: text for name, text in whole.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    os.environ.clear()
    os.environ.update(kept)
    try:
        yield
    finally:
        os.environ.update(whole)


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


def die_with_parent(command: Sequence[str], number: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return a command line that runs `command`, and has the kernel send it `number` when its parent ends.

    By util-linux' `setpriv`, which turns into the command: Python code between fork and exec (`preexec_fn`) hangs
    now and then in a process that has threads. Where there is no `setpriv`, the command itself is returned.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--", *command] if setpriv else list(command)


def limited(command: Sequence[str], address_space_bytes: int, *, open_files: int) -> list[str]:
    """Return a command line that runs `command` with a limit on its virtual memory and with room for open files.

    By util-linux' `prlimit`, which turns into the command. Where there is none, the command itself is returned.

    Args:
        command: what to run.
        address_space_bytes: the most virtual memory.
        open_files: how many files it may have open; fewer where this user may not have so many.
    """
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        return list(command)
    soft = _at_most(resource.RLIMIT_NOFILE, open_files)
    return [prlimit, f"--as={address_space_bytes}", f"--nofile={soft}:", "--", *command]


def be_killed_with_parent() -> None:
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
    limit = _at_most(what, value)
    resource.setrlimit(what, (limit, limit))


def _at_most(what: int, value: int) -> int:
    _, hard = resource.getrlimit(what)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
