"""Old pictures stay out: the newest epoch of each stream."""

from mosaicast.core.types import Epoch, StreamId


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
