"""Tests whose streams run beside each other on one product: those that are marked `beside`.

When the first of a product is about to be called, all of them are put into a queue, and begin on threads as soon as
there is room. Pytest then calls one after the other as ever, and each waits for its own end. So they may have arguments
of the whole session, `tmp_path`, and parameters, and do nothing that other streams would notice. What streams they
leave is deleted when all are over.
"""

import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from synthetic.session import Session

ROOM = 4
"""Small streams at once (256 x 144, 12 pictures a second): so many leave two cores something."""
ALONE = ROOM
"""The room of a test that counts frames, of 640 x 360: beside others its product is late on two cores."""


@dataclass(slots=True)
class Play:
    """One test: what it does, the room that it takes, and whether it opens a browser, of which one runs at a time."""

    run: Callable[[], object]
    room: int = 1
    browser: bool = False
    over: "Future[None]" = field(default_factory=Future)


class Beside:
    """Plays what is queued. A session's tests share one."""

    def __init__(self, make_folder: Callable[[str], Path], product: Callable[[str], Session]) -> None:
        self._make_folder, self._product = make_folder, product
        self._plays: dict[str, Play] = {}
        self._queue: list[Play] = []
        self._room, self._browser = ROOM, True
        self._changed = threading.Condition()

    @property
    def at_work(self) -> bool:
        """Whether a play is not over."""
        return not all(play.over.done() for play in self._plays.values())

    def of(self, request: pytest.FixtureRequest) -> "Future[None]":
        """Return the end of a test, begun with all others that are marked if it is the first of its product."""
        if request.node.nodeid not in self._plays:
            self._begin(request)
        return self._plays[request.node.nodeid].over

    def play(self, plays: Sequence[Play]) -> None:
        """Begin them as soon as there is room, and return at once.

        Those with a browser wait for each other, and large ones fit only while little else runs: they begin first, and
        what is small fills the room beside them.
        """
        self._queue = sorted(plays, key=lambda play: (not play.browser, -play.room))
        for number in range(ROOM):
            threading.Thread(target=self._work, name=f"beside-{number}", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._queue.clear()
            self._changed.notify_all()

    def _begin(self, request: pytest.FixtureRequest) -> None:
        new = {
            item.nodeid: self._play(item, request)
            for item in request.session.items
            if isinstance(item, pytest.Function) and is_to_run(item) and on_kafka(item) == on_kafka(request.node)
        }
        self._plays.update(new)
        self.play(list(new.values()))

    def _play(self, item: pytest.Function, request: pytest.FixtureRequest) -> Play:
        mark = item.get_closest_marker("beside")
        assert mark is not None
        given = {name: self._argument(item, name, request) for name in inspect.signature(item.obj).parameters}
        return Play(lambda: item.obj(**given), mark.args[0], mark.kwargs["browser"])

    def _argument(self, item: pytest.Function, name: str, request: pytest.FixtureRequest) -> Any:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if name == "session":
            return self._product(str(parameters[name]))
        if name == "tmp_path":
            return self._make_folder("beside")
        return parameters[name] if name in parameters else request.getfixturevalue(name)

    def _work(self) -> None:
        while (play := self._next()) is not None:
            try:
                play.run()
            except BaseException as exc:  # a failure, or pytest's own words: the test's call raises it
                play.over.set_exception(exc)
            else:
                play.over.set_result(None)
            with self._changed:
                self._room += play.room
                self._browser |= play.browser
                self._changed.notify_all()

    def _next(self) -> Play | None:
        """Wait until one fits, and take the first that does; None: none is left."""
        with self._changed:
            while self._queue:
                for play in self._queue:
                    if play.room <= self._room and self._browser >= play.browser:
                        self._queue.remove(play)
                        self._room -= play.room
                        self._browser &= not play.browser
                        return play
                self._changed.wait()
        return None


def is_to_run(item: pytest.Item) -> bool:
    """Whether a test is marked, and pytest will not skip it."""
    skipped = any(mark.args[0] for mark in item.iter_markers("skipif"))
    return item.get_closest_marker("beside") is not None and not skipped


def on_kafka(item: pytest.Item) -> bool:
    return item.get_closest_marker("kafka") is not None


def beside(room: int = 1, *, browser: bool = False) -> pytest.MarkDecorator:
    """Mark a test. `room`: of `ROOM`."""
    return pytest.mark.beside(room, browser=browser)
