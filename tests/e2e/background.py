"""Somebody who watches on a thread of its own, from the moment when it is entered until it is left."""

import threading
from typing import Self


class Background:
    """A context manager; `run` is done meanwhile and ends soon after `_stop` is set."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def run(self) -> None:
        """Watch."""
        raise NotImplementedError
