"""The child lives, though its source says nothing: a source may be silent for longer than a child may."""

import threading
from collections.abc import Callable

EVERY_S = 1.0


class Heartbeat:
    """Calls `beat` again and again, on a thread of its own. A context manager.

    Args:
        beat: says that we live; it decides whether we do. After an exception of it there is no other beat.
        every_s: between two beats.
    """

    def __init__(self, beat: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._beat, self._every_s = beat, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._beat()
