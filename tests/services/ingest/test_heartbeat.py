"""A child whose source is silent lives; one that hangs in its own work does not say so."""

import threading

import pytest

from services.ingest.child import StreamReader
from services.ingest.heartbeat import Heartbeat
from services.ingest.parent_pipe import ParentGoneError
from services.ingest.wire import Job, Report, unpack

WAIT_S = 30.0


class Pipe:
    """A parent that keeps what it hears."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.heard: list[object] = []
        self.gone = False

    def send(self, raw: bytes) -> None:
        if self.gone:
            raise ParentGoneError
        self.heard.append(unpack(raw))


class Source:
    """A source that is asked for its next packet, or not."""

    waits = True
    note = ""


def reader(pipe: Pipe) -> StreamReader:
    clock = iter(float(second) for second in range(0, 10_000, 5))
    made = StreamReader(Job("s", "x", True, 1, 10.0, 0.25), pipe, now_s=lambda: next(clock))  # type: ignore[arg-type]
    made._source = Source()  # type: ignore[assignment]
    made._report()
    return made


def test_it_beats_until_it_is_left() -> None:
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) >= 3:
            enough.set()

    with Heartbeat(beat, every_s=0.001) as heartbeat:
        assert enough.wait(WAIT_S)
    heartbeat._thread.join(WAIT_S)
    assert not heartbeat._thread.is_alive()


def test_a_silent_source_has_its_last_report_said_again() -> None:
    pipe = Pipe()
    made = reader(pipe)
    made._beat()
    assert [type(each) for each in pipe.heard] == [Report, Report]
    assert pipe.heard[0] == pipe.heard[1]


@pytest.mark.parametrize("waits", [True, False])
def test_a_child_that_does_something_else_says_nothing_for_itself(waits: bool) -> None:
    pipe = Pipe()
    made = reader(pipe)
    made._source.waits = waits  # type: ignore[union-attr]
    made._beat()
    assert len(pipe.heard) == 1 + waits


def test_a_parent_that_has_gone_is_found_out_by_who_reads_the_source() -> None:
    pipe = Pipe()
    made = reader(pipe)
    pipe.gone = True
    made._beat()
    assert len(pipe.heard) == 1
