"""When a frame of a live stream is due: media time tied to monotonic time."""

from dataclasses import dataclass

from mosaicast.core.types import MediaTime


@dataclass(frozen=True, slots=True)
class PacingPolicy:
    """How the tie follows a source whose clock or network is not ours."""

    delay_s: float = 1.0
    window_s: float = 5.0
    """Arrivals of so long decide whether everything has become later."""
    slack_s: float = 0.1
    """Lateness that is jitter: the delay absorbs it."""


class Pacer:
    """Ties media time to monotonic time for one epoch.

    The tie is the smallest `arrival - media time` seen: a reader that joins late gets a burst of old packets first,
    and only packets that did not wait show the real difference. If for a whole window every packet is later than
    the tie by more than the slack (the source's clock is slow, it stalled, or one packet lied about its time), the tie
    moves to the earliest of them. It never moves beyond what has arrived, so that no frame waits longer than the delay.
    """

    def __init__(self, policy: PacingPolicy | None = None) -> None:
        self.policy = policy or PacingPolicy()
        self._tie_s: float | None = None
        self._window_start_s = 0.0
        self._window_least_s = float("inf")

    def observe(self, time: MediaTime, now: float) -> None:
        """Take note that the packet with presentation (better: decoding) `time` arrived at `now`."""
        offset = now - float(time)
        if self._tie_s is None or offset < self._tie_s:
            self._tie_s = offset
            self._open_window(now)
            return
        self._window_least_s = min(self._window_least_s, offset)
        if now - self._window_start_s >= self.policy.window_s:
            self._follow(now)

    def due(self, time: MediaTime) -> float:
        """Return the monotonic second at which the frame at `time` leaves.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self._tie_s is None:
            raise ValueError("no packet was observed")
        return self._tie_s + float(time) + self.policy.delay_s

    def set_delay(self, delay_s: float) -> None:
        """Use another delay from now on."""
        self.policy = PacingPolicy(delay_s, self.policy.window_s, self.policy.slack_s)

    def _follow(self, now: float) -> None:
        assert self._tie_s is not None
        if self._window_least_s - self._tie_s > self.policy.slack_s:
            self._tie_s = self._window_least_s
        self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._window_start_s = now
        self._window_least_s = float("inf")
