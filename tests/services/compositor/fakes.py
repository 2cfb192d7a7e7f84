"""Children that are no processes: the test decides what they say and how they end."""

import threading
from collections import deque
from typing import Any, Literal

from mosaicast.contracts.messages import MediaPacket, Message, TimeBase, VerdictMessage
from mosaicast.core.types import Disposition
from mosaicast.runtime.children import Exit
from services.compositor.wire import Outcome, Report, Settled, encode_report, from_parent
from tests.services.compositor.media import STREAM

MS = TimeBase(1, 1000)
WAIT_S = 30.0
"""How long a thread may take at most; only a failing test waits for it."""


class FakeConnection:
    """The parent's end of a pipe. What was said is known to be heard when the reader comes back for more."""

    def __init__(self) -> None:
        self.received: list[Message | Settled] = []
        self._said: deque[bytes] = deque()
        self._ended = self._closed = self.blocked = False
        self._change = threading.Condition()
        self._unheard = 0

    def send_bytes(self, data: bytes) -> None:
        with self._change:
            self._change.wait_for(lambda: not self.blocked or self._ended or self._closed)
            if self._closed or self._ended:
                raise BrokenPipeError
            self.received.append(from_parent(data))
            self._change.notify_all()

    def recv_bytes(self, maxlength: int) -> bytes:
        with self._change:
            self._unheard = len(self._said)
            self._change.notify_all()
            self._change.wait_for(lambda: self._said or self._ended or self._closed)
            if self._closed:
                raise OSError("handle is closed")
            if not self._said:
                raise EOFError
            data = self._said.popleft()
            if len(data) > maxlength:
                raise OSError("bad message length")
            return data

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()

    def say(self, data: bytes, *, wait: bool = True) -> None:
        with self._change:
            self._said.append(data)
            self._unheard += 1
            self._change.notify_all()
            if wait:
                assert self._change.wait_for(lambda: self._unheard == 0, WAIT_S), "nobody listens"

    def end(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()

    def takes(self, count: int) -> list[Any]:
        with self._change:
            assert self._change.wait_for(lambda: len(self.received) >= count, WAIT_S), f"only {self.received}"
            return list(self.received)


class FakeChild:
    """Stands in for `ChildProcess`."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.pid = 4711
        self.connection = FakeConnection()
        self.exit: Exit | None = None
        self.closed = False

    def takes(self, count: int) -> list[Any]:
        """Wait for so many messages from the parent and return all that came."""
        return self.connection.takes(count)

    def says(self, *outcomes: Outcome, note: str = "", connecting: bool = False, wait: bool = True) -> None:
        """Report; return when the parent's reader has it (unless it is asked not to wait for that)."""
        self.connection.say(encode_report(Report(outcomes, note, connecting)), wait=wait)

    def ends(self, code: int) -> None:
        """End as a process does: what was written to the pipe can still be read."""
        if self.exit is None:
            self.exit = Exit("clean" if code == 0 else "error" if code > 0 else "signal", abs(code))
        self.connection.end()

    def kill(self) -> None:
        self.ends(-9)

    def stop(self, grace_s: float = 2.0) -> Exit | None:
        self.connection.close()
        self.ends(-15)
        self.closed = True
        return self.exit


class FakeSpawn:
    """Makes fake children and keeps them."""

    def __init__(self) -> None:
        self.children: list[FakeChild] = []

    def __call__(self, stream_id: str) -> Any:
        """Return what stands in for a `ChildProcess`."""
        self.children.append(FakeChild(stream_id))
        return self.children[-1]

    @property
    def last(self) -> FakeChild:
        return self.children[-1]


def packet(
    index: int,
    *,
    epoch: int = 1,
    key: bool = False,
    track: Literal["video", "audio"] = "video",
    end: bool = False,
    size: int = 10,
    stream: str = STREAM,
    unit: int | None = None,
    since: tuple[int, int] = (0, 0),
) -> MediaPacket:
    return MediaPacket(
        since_epoch=since[0], units_since=since[1],
        stream_id=stream, epoch=epoch, index=index, unit=index if unit is None else unit, track=track,
        pts=index * 33, dts=index * 33, time_base=MS,
        keyframe=key, data=b"" if end else b"x" * size, end_of_epoch=end, read_ms=1,
    )  # fmt: skip


def verdict_of(seq: int, *, epoch: int = 1, stream: str = STREAM) -> VerdictMessage:
    return VerdictMessage(
        stream_id=stream,
        epoch=epoch,
        seq=seq,
        pts=seq * 100,
        time_base=MS,
        width=320,
        height=180,
        tracks=(),
        read_ms=1,
        fingerprint=bytes(144),
        after_seq=seq - 1,
    )


def shown(*indexes: int, epoch: int = 1) -> list[Outcome]:
    return [Outcome(epoch, index, Disposition.MASKED, "", 0.01, 0.0, 1.0) for index in indexes]
