"""Tests that run beside each other on one product: in the room that there is, and told apart."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.beside import ROOM, Beside, Play

WAIT_S = 30.0


class Acts:
    """Plays that go on until they are told to end, and tell when they begin."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._told = threading.Condition()
        self._ends: dict[str, threading.Event] = {}

    def play(self, name: str, room: int = 1, *, browser: bool = False) -> Play:
        self._ends[name] = threading.Event()
        return Play(lambda: self._act(name), room, browser)

    def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()

    def end_all(self) -> None:
        self.end(*self._ends)

    def until(self, true: Callable[[], bool]) -> None:
        with self._told:
            assert self._told.wait_for(true, WAIT_S), self.begun

    def _act(self, name: str) -> None:
        with self._told:
            self.begun.append(name)
            self._told.notify_all()
        assert self._ends[name].wait(WAIT_S)


@pytest.fixture
def acts() -> Iterator[Acts]:
    acts = Acts()
    yield acts
    acts.end_all()


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    def nothing(_: str) -> None:
        raise AssertionError("no product is asked for")

    return Beside(lambda _: tmp_path, nothing)  # type: ignore[arg-type]


def test_what_does_not_fit_waits_until_there_is_room(beside: Beside, acts: Acts) -> None:
    plays = [acts.play("largest", ROOM - 1), acts.play("large", ROOM - 2), acts.play("small"), acts.play("smaller")]
    beside.play(plays)
    acts.until(lambda: len(acts.begun) == 2)
    assert set(acts.begun) == {"largest", "small"}, "who is small passes by"
    acts.end("largest")
    acts.until(lambda: len(acts.begun) == 4)
    assert set(acts.begun[2:]) == {"large", "smaller"}
    acts.end_all()
    assert [play.over.result(WAIT_S) for play in plays] == [None] * 4


def test_browsers_run_one_at_a_time_and_others_pass_by(beside: Beside, acts: Acts) -> None:
    beside.play([acts.play("one", browser=True), acts.play("another", browser=True), acts.play("none")])
    acts.until(lambda: set(acts.begun) == {"one", "none"})
    acts.end("one")
    acts.until(lambda: acts.begun[2:] == ["another"])


def test_what_one_raises_is_its_own(beside: Beside, acts: Acts) -> None:
    failing, skipped, good = Play(lambda: pytest.fail("broken")), Play(lambda: pytest.skip("no")), acts.play("good")
    acts.end("good")
    beside.play([failing, skipped, good])
    with pytest.raises(pytest.fail.Exception, match="broken"):
        failing.over.result(WAIT_S)
    with pytest.raises(pytest.skip.Exception):
        skipped.over.result(WAIT_S)
    assert good.over.result(WAIT_S) is None


def test_nothing_is_begun_after_a_stop(beside: Beside, acts: Acts) -> None:
    plays = [acts.play("first", ROOM), acts.play("second", ROOM)]
    beside.play(plays)
    acts.until(lambda: acts.begun == ["first"])
    beside.stop()
    acts.end_all()
    plays[0].over.result(WAIT_S)
    assert not plays[1].over.done()
