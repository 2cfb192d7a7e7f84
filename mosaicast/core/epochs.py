"""Old pictures stay out: the newest epoch of each stream."""

from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.types import Epoch, StreamId

LARGEST_EPOCH = FOREVER_MS
"""Epochs are wall milliseconds, or one more than the epoch before: no clock says more than the year 9999."""
BELIEVED_EPOCH = LARGEST_EPOCH // 2
"""A report of a higher one (the year 6000) is not believed. An invented report can push a stream that far ahead; then
10^14 readings of its source are still left."""
MOST_STREAMS = 10_000


class EpochGate:
    """Admits messages of the newest epoch seen, per stream, and tells when a newer one begins."""

    def __init__(self) -> None:
        self._newest: dict[StreamId, Epoch] = {}

    def admit(self, stream_id: StreamId, epoch: Epoch) -> bool:
        """Return whether a message of `epoch` may be used; False means that a newer epoch was seen: drop it."""
        newest = self._newest.get(stream_id)
        if newest is not None and epoch < newest:
            return False
        self._newest[stream_id] = epoch
        return True

    def newest(self, stream_id: StreamId) -> Epoch | None:
        """Return the newest epoch seen of a stream, None before the first."""
        return self._newest.get(stream_id)

    def forget(self, stream_id: StreamId) -> None:
        """Forget a stream that was deleted or handed to another owner."""
        self._newest.pop(stream_id, None)


class KnownEpochs:
    """The newest epoch that anybody reported of each stream, so that a newer one can be begun.

    Bounded: of more than MOST_STREAMS streams it forgets the one that was reported longest ago.
    """

    def __init__(self) -> None:
        self._newest: dict[StreamId, Epoch] = {}

    def note(self, stream_id: StreamId, epoch: Epoch) -> None:
        """Take in a report; one that nobody's clock can explain is ignored."""
        if not 0 < epoch <= BELIEVED_EPOCH:
            return
        known = self._newest.pop(stream_id, epoch)
        self._newest[stream_id] = max(known, epoch)  # last: reported just now
        if len(self._newest) > MOST_STREAMS:
            del self._newest[next(iter(self._newest))]

    def newest(self, stream_id: StreamId) -> Epoch:
        """Return the newest epoch reported of a stream, 0 without one."""
        return self._newest.get(stream_id, Epoch(0))

    def next(self, stream_id: StreamId, now_ms: int, own: int) -> Epoch:
        """Return a number for an epoch that begins now: above `own` and all that was reported, whatever the clock says.

        Args:
            own: the newest epoch of the stream that the caller began itself, 0 without one.
        """
        return Epoch(max(now_ms, own + 1, self.newest(stream_id) + 1))
