"""What a child sends: in order, and never at the price of the delay line."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import pytest

from mosaicast.core.types import Disposition
from services.compositor.parent_pipe import SEGMENTS, Mailbox
from services.compositor.wire import LARGEST_SEGMENT_BYTES, Outcome, Report, Segment, from_child

WAIT_S = 20.0


@pytest.fixture
def ends() -> Any:
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def segment(number: int, size: int = 188, *, discontinuity: bool = False) -> Segment:
    return Segment(number, number, 2.0, discontinuity, bytes(size))


def receive(connection: "Connection[Any, Any]") -> Report | Segment:
    assert connection.poll(WAIT_S)
    return from_child(connection.recv_bytes())


def test_reports_and_segments_arrive_in_order(ends: Any) -> None:
    mailbox = Mailbox(ends[0])
    report = Report((Outcome(1, 2, Disposition.MASKED),), "a note")
    mailbox.report(report)
    mailbox.segment(segment(1, 400_000))
    mailbox.report(Report(()))
    assert [receive(ends[1]) for _ in range(3)] == [report, segment(1, 400_000), Report(())]
    mailbox.flush()
    mailbox.close()


def test_a_parent_that_does_not_read_costs_segments_and_no_time(ends: Any) -> None:
    mailbox = Mailbox(ends[0])
    for number in range(SEGMENTS + 10):
        mailbox.segment(segment(number, 1_000_000))
    first = [receive(ends[1]) for _ in range(SEGMENTS)]
    mailbox.segment(segment(500))
    got = [*first]
    mailbox.report(Report((), "reports are not lost"))
    while not isinstance(got[-1], Segment) or got[-1].revision != 500:
        got.append(receive(ends[1]))
    numbers = [one.revision for one in got if isinstance(one, Segment)]
    assert numbers == sorted(numbers)
    assert len(numbers) < SEGMENTS + 11, "some were lost"
    assert Report((), "reports are not lost") in [*got, receive(ends[1])]
    assert got[-1] == segment(500, discontinuity=True), "and what follows says so"
    mailbox.close()


def test_a_segment_that_is_too_large_for_the_parent_is_lost(ends: Any) -> None:
    mailbox = Mailbox(ends[0])
    mailbox.segment(segment(1, LARGEST_SEGMENT_BYTES + 188))
    mailbox.segment(segment(2))
    assert receive(ends[1]) == segment(2, discontinuity=True)
    mailbox.close()


def test_a_parent_that_has_hung_up_is_an_end(ends: Any) -> None:
    mailbox = Mailbox(ends[0])
    ends[1].close()

    def talk() -> None:
        for _ in range(1000):
            mailbox.report(Report(()))
            mailbox.flush()

    with pytest.raises(BrokenPipeError):
        talk()
    mailbox.segment(segment(1))
    mailbox.close()
