"""What a child sends: in order, and never at the price of the delay line."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import pytest

from mosaicast.core.types import Disposition
from services.compositor.parent_pipe import SEGMENTS, ParentPipe
from services.compositor.wire import LARGEST_SEGMENT_BYTES, Outcome, OutgoingPicture, Report, Segment, from_child

WAIT_S = 20.0


@pytest.fixture
def ends() -> Any:
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def segment(number: int, size: int = 188, *, discontinuity: bool = False) -> Segment:
    return Segment(number, number, 2.0, discontinuity, bytes(size))


def receive(connection: "Connection[Any, Any]") -> Report | OutgoingPicture | Segment:
    assert connection.poll(WAIT_S)
    return from_child(connection.recv_bytes())


def test_reports_and_segments_arrive_in_order(ends: Any) -> None:
    parent_pipe = ParentPipe(ends[0])
    report = Report((Outcome(1, 2, Disposition.MASKED),), "a note")
    parent_pipe.send_report(report)
    parent_pipe.send_segment(segment(1, 400_000))
    parent_pipe.send_report(Report(()))
    assert [receive(ends[1]) for _ in range(3)] == [report, segment(1, 400_000), Report(())]
    parent_pipe.flush()
    parent_pipe.close()


def test_a_parent_that_does_not_read_costs_segments_and_no_time(ends: Any) -> None:
    parent_pipe = ParentPipe(ends[0])
    for number in range(SEGMENTS + 10):
        parent_pipe.send_segment(segment(number, 1_000_000))
    first = [receive(ends[1]) for _ in range(SEGMENTS)]
    parent_pipe.send_segment(segment(500))
    got = [*first]
    parent_pipe.send_report(Report((), "reports are not lost"))
    while not isinstance(got[-1], Segment) or got[-1].revision != 500:
        got.append(receive(ends[1]))
    numbers = [one.revision for one in got if isinstance(one, Segment)]
    assert numbers == sorted(numbers)
    assert len(numbers) < SEGMENTS + 11, "some were lost"
    assert Report((), "reports are not lost") in [*got, receive(ends[1])]
    assert got[-1] == segment(500, discontinuity=True), "and what follows says so"
    parent_pipe.close()


def test_a_segment_that_is_too_large_for_the_parent_is_lost(ends: Any) -> None:
    parent_pipe = ParentPipe(ends[0])
    parent_pipe.send_segment(segment(1, LARGEST_SEGMENT_BYTES + 188))
    parent_pipe.send_segment(segment(2))
    assert receive(ends[1]) == segment(2, discontinuity=True)
    parent_pipe.close()


def test_a_parent_that_has_hung_up_is_an_end(ends: Any) -> None:
    parent_pipe = ParentPipe(ends[0])
    ends[1].close()

    def talk() -> None:
        for _ in range(1000):
            parent_pipe.send_report(Report(()))
            parent_pipe.flush()

    with pytest.raises(BrokenPipeError):
        talk()
    parent_pipe.send_segment(segment(1))
    parent_pipe.close()
