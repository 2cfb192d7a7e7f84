import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from services.ingest import parent_pipe
from services.ingest.parent_pipe import ParentGoneError, ParentPipe


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = multiprocessing.Pipe(duplex=True)
    yield ours, theirs
    ours.close()
    theirs.close()


def fill(box: ParentPipe) -> int:
    """Offer samples until one is refused; return how many fitted."""
    for count in range(10_000):
        if not box.offer(b"x" * 10_000):
            return count
    raise AssertionError("the pipe has no end")


def test_messages_arrive_in_order(pipe: tuple[Connection, Connection]) -> None:
    box = ParentPipe(pipe[1])
    box.send(b"one")
    assert box.offer(b"two")
    assert [pipe[0].recv_bytes(), pipe[0].recv_bytes()] == [b"one", b"two"]


def test_a_sample_is_refused_by_a_busy_pipe_and_goes_through_later(pipe: tuple[Connection, Connection]) -> None:
    box = ParentPipe(pipe[1])
    count = fill(box)
    assert count > 2
    for _ in range(count):
        pipe[0].recv_bytes()
    assert box.offer(b"again")


def test_a_packet_waits_for_a_slow_parent(pipe: tuple[Connection, Connection]) -> None:
    box = ParentPipe(pipe[1])
    count = fill(box)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(pipe[0].recv_bytes() for _ in range(count + 1)))
    sender = threading.Thread(target=lambda: box.send(b"M" * 2_000_000))
    sender.start()
    reader.start()
    sender.join(30)
    reader.join(30)
    assert len(got[-1]) == 2_000_000


def test_a_parent_that_is_stuck_ends_the_child(
    pipe: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent_pipe, "STUCK_AFTER_S", 0.1)
    box = ParentPipe(pipe[1])
    with pytest.raises(ParentGoneError):
        box.send(b"M" * 8_000_000)


def test_a_parent_that_is_gone_ends_the_child(pipe: tuple[Connection, Connection]) -> None:
    box = ParentPipe(pipe[1])
    pipe[0].close()
    with pytest.raises(ParentGoneError):
        box.send(b"M")
    with pytest.raises(ParentGoneError):
        box.receive(0.1)


def test_words_of_the_parent_are_heard(pipe: tuple[Connection, Connection]) -> None:
    box = ParentPipe(pipe[1])
    assert box.receive(0.0) is None
    pipe[0].send_bytes(b"hello")
    assert box.receive(5.0) == b"hello"
