"""Keeps one process running: starts it, asks whether it lives, and starts it again with back-off when it does not."""

import threading
from collections.abc import Callable

from mosaicast.core.restarts import Quarantine, RestartPolicy, RestartState
from mosaicast.runtime import logs
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.probes import answers
from mosaicast.runtime.processes import ManagedProcess, StartError

FOR_EVER = RestartPolicy(quarantine_crashes=None)
"""What is ours is never given up: without it everything is masked, which is safe but not the product."""

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 3.0
"""A busy process on a busy machine answers late; a stopped or hung one never."""
PROBES_MISSED = 2
"""Then it is killed: with the time-outs, a process that hangs is replaced within ten seconds."""
_STARTING_S = 60.0
"""Until its first answer a process may take so long: models are rebuilt at the very first start."""


class Supervisor:
    """Owns the restarts of one process.

    The thread that starts a process lives as long as the process does: the kernel sends the death signal of
    `PR_SET_PDEATHSIG` when the starting *thread* ends.

    Args:
        process: the program.
        policy: how long to pause between its end and its next start; one that never gives up.
        prepare: called before each start; StartError or OSError: it is tried again after the pause.
    """

    def __init__(
        self, process: ManagedProcess, policy: RestartPolicy = FOR_EVER, prepare: Callable[[], None] = lambda: None
    ) -> None:
        self.process = process
        self._prepare = prepare
        self.restarts = 0
        self.answered = False
        """Whether the process that runs now has answered a probe."""
        self._stopping = threading.Event()
        self._state = RestartState(policy)
        self._log = logs.get_logger(__name__)
        self._thread = threading.Thread(target=self._run, name=f"supervise-{process.spec.name}", daemon=True)

    def start(self) -> None:
        """Start the process and watch it."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """End the process for good."""
        self._stopping.set()
        self.process.stop(grace_s)
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._start():
                status = self._attend()
                if self._stopping.is_set():
                    return
                self._log.error("process_ended", process=self.process.spec.name, status=status)
                self.restarts += 1
            self._pause()

    def _start(self) -> bool:
        """Start the process; return whether it could be."""
        try:
            self._prepare()
            self.process.start()
        except (StartError, OSError) as exc:  # a full disk, for instance
            self._log.error("process_not_started", process=self.process.spec.name, error=str(exc))
            return False
        self._state.started(monotonic_s())
        if self._stopping.is_set():  # stop() came before there was a process to stop
            self.process.stop(0)
        return True

    def _attend(self) -> int:
        """Probe the process until it ends; kill it when it does not answer. Return how it ended."""
        started_s, missed = monotonic_s(), 0
        self.answered = False
        while (status := self.process.wait(PROBE_EVERY_S)) is None:
            if self._stopping.is_set() or self.process.spec.health_url is None:
                continue
            if answers(self.process.spec.health_url, PROBE_TIMEOUT_S):
                self.answered, missed = True, 0
                continue
            missed += self.answered or monotonic_s() - started_s > _STARTING_S
            if missed >= PROBES_MISSED:
                self._log.error("process_hangs", process=self.process.spec.name)
                self.process.kill()
        return status

    def _pause(self) -> None:
        step = self._state.crashed(monotonic_s())
        assert not isinstance(step, Quarantine), "this policy never gives up"
        self._stopping.wait(max(0.0, step.at_s - monotonic_s()))
