"""What librdkafka says, in our logs, without its flood: a broker that is away is 40 lines a second to it."""

from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger

LINES = 5
WINDOW_S = 10.0

_log = get_logger(__name__)


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
        if not self._limit.admit(monotonic_s()):
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        _log.log(level, "client_said", text=text % arguments if arguments else text, left_out=left_out)
