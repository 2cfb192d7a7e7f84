"""Stopping a process in order."""

import signal
import threading
from types import FrameType


class StopEvent(threading.Event):
    """An event that SIGTERM and SIGINT set. Loops wait on it instead of sleeping."""

    def install(self) -> "StopEvent":
        """Catch SIGTERM and SIGINT from now on (main thread only) and return self."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal API's shape
        self.set()
