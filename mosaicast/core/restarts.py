"""When a crashed child is started again, and when it is left alone: back-off and quarantine, pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Limits of restarting.

    A crash doubles the pause up to `longest_pause_s`; `healthy_s` of running forgets earlier pauses.
    `quarantine_crashes` within `quarantine_window_s` stop it for good: what crashes FFmpeg five times a minute is
    no accident.
    """

    first_pause_s: float = 0.2
    factor: float = 2.0
    longest_pause_s: float = 5.0
    healthy_s: float = 10.0
    quarantine_crashes: int | None = 5
    """None: never give up (a service of ours, not a stranger's media)."""
    quarantine_window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RestartAt:
    """Start again at this monotonic time."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Do not start again until told to."""

    crashes: int


class RestartState:
    """Counts the crashes of one child. Clean ends are not crashes and are not reported here."""

    def __init__(self, policy: RestartPolicy | None = None) -> None:
        self.policy = policy or RestartPolicy()
        self._started_s: float | None = None
        self._pause_s = self.policy.first_pause_s
        self._crashes_s: list[float] = []

    def started(self, now: float) -> None:
        """Note that the child was started."""
        self._started_s = now

    def crashed(self, now: float) -> RestartAt | Quarantine:
        """Return what to do after a crash at `now`."""
        policy = self.policy
        if self._started_s is not None and now - self._started_s >= policy.healthy_s:
            self._pause_s = policy.first_pause_s
        self._crashes_s = [at for at in self._crashes_s if now - at < policy.quarantine_window_s] + [now]
        if policy.quarantine_crashes is not None and len(self._crashes_s) >= policy.quarantine_crashes:
            return Quarantine(len(self._crashes_s))
        pause_s = self._pause_s
        self._pause_s = min(pause_s * policy.factor, policy.longest_pause_s)
        return RestartAt(now + pause_s)

    def lifted(self) -> None:
        """Forget everything: a new publication deserves a new start."""
        self._started_s = None
        self._pause_s = self.policy.first_pause_s
        self._crashes_s = []
