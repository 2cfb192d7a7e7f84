"""What librdkafka says, in Python's logs, without its flood: a broker that is away is 40 lines a second to it."""

import logging
import time

LINES = 5
WINDOW_S = 10.0

_log = logging.getLogger("mosaicast.kafka")


class RateLimit:
    """At most `count` in each window of `window_s` that starts with a first event."""

    def __init__(self, count: int, window_s: float = 1.0) -> None:
        self._most, self._window_s = count, window_s
        self._since_s = float("-inf")
        self._count = 0

    def admit(self, now_s: float) -> bool:
        """Return whether one more is allowed at `now_s` (monotonic seconds)."""
        if now_s - self._since_s >= self._window_s:
            self._since_s, self._count = now_s, 0
        self._count += 1
        return self._count <= self._most


class ClientLog:
    """One client's way to the logs; librdkafka calls it like a `logging.Logger`."""

    def __init__(self) -> None:
        self._limit = RateLimit(LINES, WINDOW_S)
        self._left_out = 0

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Pass a line on, or count it; the next line that passes tells how many were left out."""
        if not self._limit.admit(time.monotonic()):
            self._left_out += 1
            return
        note, self._left_out = f" ({self._left_out} lines left out)" if self._left_out else "", 0
        _log.log(level, text + note, *arguments)
