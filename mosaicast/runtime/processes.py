"""One program that we own: started with its log file, ended in order, and killed when we die."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mosaicast.runtime.children import die_with_parent


class StartError(Exception):
    """A program can't be started now; the text says why. Another try later may succeed."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run a process."""

    name: str
    command: Sequence[str]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of it: nothing is inherited, because ours holds what each process may not see."""
    ready_url: str | None = None
    """Answers 200 when it can work; None: ready when started."""
    health_url: str | None = None
    """Answers 200 while it lives; one that stops answering is killed and started again."""
    inherit_stdout: bool = False
    """Its standard output is for the user (the api prints the first token)."""
    umask: int = -1
    """Of the files that it makes; -1: ours."""
    death_signal: signal.Signals = signal.SIGTERM
    """What the kernel sends it when we die."""


class ManagedProcess:
    """A process that we own. It has its own process group, so that Ctrl-C reaches it through us, in order."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before the first start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it.

        Raises:
            OSError: the program can't be run.
        """
        self.spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.spec.log_path, "ab", opener=_private) as log:
            self._process = self._spawn(log)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            die_with_parent(self.spec.command, self.spec.death_signal),
            stdin=subprocess.DEVNULL,
            stdout=None if self.spec.inherit_stdout else log,
            stderr=log,
            env=dict(self.spec.environment),
            umask=self.spec.umask,
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """Return how it ended (as `subprocess` does), or None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end at most so long and return how it ended (as `subprocess` does), None while it runs."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and its group at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self, grace_s: float) -> None:
        """Ask it to end, and kill it and its group when it has not after `grace_s`."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def log_tail(self, lines: int = 8, *, without: str | None = None) -> str:
        """Return the last lines of its log, without those that begin with `without`."""
        try:
            text = self.spec.log_path.read_text(errors="replace")
        except OSError:
            return ""
        told = [line for line in text.splitlines() if without is None or not line.startswith(without)]
        return "\n".join(told[-lines:])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
