"""What a child tells its parent, sent by a thread of its own: segments of megabytes don't hold up the delay line."""

import queue
import threading
from multiprocessing.connection import Connection
from typing import Any

from msgspec.structs import replace

from services.compositor.wire import (
    LARGEST_SEGMENT_BYTES,
    OutgoingPicture,
    Report,
    Segment,
    encode_picture,
    encode_report,
    encode_segment,
    is_segment,
)

REPORTS = 64
"""Reports that may wait. With one more the child waits too: its parent hangs."""
SEGMENTS = 4
"""Segments that may wait; one more is lost, to HLS alone."""
_CLOSE_S = 1.0


class ParentPipe:
    """Sends in order.

    Args:
        connection: to the parent; nobody else sends on it.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._waiting: queue.Queue[bytes | None] = queue.Queue(REPORTS + SEGMENTS)
        self._room = threading.Semaphore(SEGMENTS)
        self._lost = self._broken = False
        self._thread = threading.Thread(target=self._send, name="parent-pipe", daemon=True)
        self._thread.start()

    def send_report(self, report: Report) -> None:
        """Send a report.

        Raises:
            BrokenPipeError: the parent has hung up.
        """
        if self._broken:
            raise BrokenPipeError
        self._waiting.put(encode_report(report))

    def send_segment(self, segment: Segment) -> None:
        """Send a segment, or lose it; the next one is marked as a break then."""
        if len(segment.data) > LARGEST_SEGMENT_BYTES or not self._room.acquire(blocking=False):
            self._lost = True
            return
        broken = segment.discontinuity or self._lost
        self._lost = False
        self._waiting.put(encode_segment(replace(segment, discontinuity=broken)))

    def send_picture(self, picture: OutgoingPicture) -> None:
        """Send a picture for the output guard, or lose it: it is a sample anyway."""
        if self._waiting.qsize() < REPORTS // 2:
            self._waiting.put(encode_picture(picture))

    def flush(self) -> None:
        """Wait until everything is sent."""
        self._waiting.join()

    def close(self) -> None:
        """Send the rest, as far as the parent still takes it."""
        if not self._broken:
            self._waiting.put(None)
            self._thread.join(_CLOSE_S)

    def _send(self) -> None:
        while (data := self._waiting.get()) is not None:
            if not self._broken:
                try:
                    self._connection.send_bytes(data)
                except (OSError, ValueError):
                    self._broken = True
            if is_segment(data):
                self._room.release()
            self._waiting.task_done()
