"""A real child: packets in through the pipe, a push into a file and segments of HLS out."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.contracts.messages import MediaPacket
from mosaicast.runtime.children import ChildProcess, ForkServer
from services.compositor import child
from services.compositor.wire import Report, Segment, from_child, to_child
from tests.adapters.av_clips import make_clip
from tests.adapters.hls_rules import declared, times
from tests.services.compositor.media import packets, spec

WAIT_S = 30.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ChildProcess]:
    process = ForkServer(["services.compositor.child"]).spawn(
        child.run, (str(tmp_path / "out.flv"), frozenset({"h264", "aac"})), name="child"
    )
    yield process
    process.stop()


def segments(process: ChildProcess, count: int) -> list[Segment]:
    """Return the next segments that the child cuts."""
    found: list[Segment] = []
    for _ in range(2000):
        assert process.connection.poll(WAIT_S), "the child is silent"
        message = from_child(process.connection.recv_bytes())
        found += [message] if isinstance(message, Segment) else []
        assert isinstance(message, Segment | Report)
        if len(found) == count:
            return found
    raise AssertionError("no segment comes")


def feed(process: ChildProcess, media: list[MediaPacket], stop: threading.Event, turn: threading.Lock) -> None:
    """Send packets as a live source does: each at its time. Two threads write to the pipe, in `turn`."""
    began_s = time.monotonic()
    for packet in media:
        if stop.wait(max(0.0, began_s + float(packet.decode_time) - time.monotonic())):
            return
        with turn:
            process.connection.send_bytes(to_child(packet))


def test_a_stream_is_cut_into_segments_and_panic_throws_away_the_one_in_the_making(
    running: ChildProcess, tmp_path: Path
) -> None:
    make_clip(tmp_path / "in.flv", frames=300)
    running.connection.send_bytes(to_child(spec(7)))
    stop, turn = threading.Event(), threading.Lock()
    feeder = threading.Thread(target=feed, args=(running, packets(tmp_path / "in.flv"), stop, turn))
    feeder.start()
    first, second = segments(running, 2)
    with turn:
        running.connection.send_bytes(to_child(spec(8, panic=True)))
    (third,) = segments(running, 1)
    stop.set()
    feeder.join(WAIT_S)
    assert [one.revision for one in (first, second, third)] == [7, 7, 8]
    assert [one.discontinuity for one in (second, third)] == [False, True]
    begins_s, ended_s = times(third.data)["video"][0], times(second.data)["video"][-1]
    assert begins_s > ended_s + 0.05, "at least a picture that was cut after the second is lost"
    assert third.began_ms > first.began_ms > 1_700_000_000_000
    assert time.monotonic() > third.began_s > second.began_s > first.began_s
    assert declared(second.data) == declared(third.data) == {"video", "audio"}
    assert times(second.data)["video"][-1] - times(second.data)["video"][0] > 1.8
