"""Tells the other services what has changed, and tries again until the broker has acknowledged it.

A change of a stream, or of who may be seen, notes in its own transaction that it must be told (`storage_outbox`). Here
the newest state is read and sent. The note is deleted when the broker has acknowledged it.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

from mosaicast.adapters.database.storage import Place, Storage, StorageError, Stream, Waiting
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import GalleryChanged, Message
from mosaicast.contracts.topics import GALLERY, STREAMS, Topic
from mosaicast.runtime.logs import get_logger

CONFIRM_S = 3.0
"""So long an answer waits for the broker, which needs milliseconds, or a second to choose a new leader."""
RETRY_S = 1.0
"""A broker that is back is found within a second by the bus's own client."""
_LOG = get_logger(__name__)


class Producer(Protocol):
    """The bus's writing side."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Hand over a message without blocking; False: it was dropped."""

    def send_confirmed(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> Future[bool]:
        """Hand over a message without blocking; the future says whether the broker has it."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    waiting: Waiting
    revision: int | None
    """Of the stream that is told; None: that it is gone, or another topic."""
    delivered: Future[bool]

    @property
    def failed(self) -> bool:
        return self.delivered.done() and not self.delivered.result()


class OutboxSender:
    """Sends the newest state to the other services. Thread-safe; of several processes each may tell what another
    noted."""

    def __init__(self, storage: Storage, producer: Producer, wall_ms: Callable[[], int]) -> None:
        self._storage, self._producer, self._wall_ms = storage, producer, wall_ms
        self._order = threading.Lock()
        """Held from reading a state until it is handed over: what was read later is told later."""
        self._deliveries: dict[Place, _Delivery] = {}
        self._awake = threading.Event()
        self._aligned = threading.Event()
        self._aligned.set()
        self._failing = False

    def hold_repeats(self) -> None:
        """Repeat nothing until `release_repeats`: what the log knows must be read before more is said."""
        self._aligned.clear()

    def release_repeats(self) -> None:
        """Database and log were compared."""
        self._aligned.set()

    def tell_stream(self, stream_id: str, wait_s: float = CONFIRM_S) -> bool:
        """Tell of a change of a stream; see `tell`."""
        return self.tell([(STREAMS.name, stream_id)], wait_s)

    def tell_owner(self, owner: str, wait_s: float = CONFIRM_S) -> bool:
        """Tell of a change of an owner's people, and whom of them the owner's streams may show; see `tell`."""
        return self.tell(self._storage.places_of(owner), wait_s)

    def tell(self, places: Iterable[Place], wait_s: float) -> bool:
        """Send what waits at these places; whatever fails is tried again later, unasked.

        Args:
            wait_s: for the acknowledgement; 0: do not wait.

        Returns:
            Whether the broker has acknowledged all of it.

        Raises:
            StorageError: the database is away.
        """
        deliveries = self._send(places)
        wait([delivery.delivered for delivery in deliveries], wait_s)
        settled = [self._settle(delivery) for delivery in deliveries]
        return all(settled)

    def waits(self, stream_id: str) -> bool:
        """Return whether a change of a stream, or its end, was not told yet."""
        return bool(self._storage.waiting([(STREAMS.name, stream_id)]))

    def repeat(self) -> None:
        """Say again what is wanted of every stream, without waiting: on a compacted topic that changes nothing.

        Raises:
            StorageError: the database is away.
        """
        if not self._aligned.is_set():
            return
        said = [stream.stream_id for stream in self._storage.streams() if self._say(stream.stream_id)]
        gone = frozenset(said) - {stream.stream_id for stream in self._storage.streams()}
        # Another process may have told of their end before we said that they are there.
        self._storage.must_tell(STREAMS.name, gone)

    def run(self, stop: threading.Event) -> None:
        """Send what waits until `stop` is set; `wake` ends the wait for the next turn."""
        while not stop.is_set():
            try:
                self.work_off()
            except StorageError as exc:
                _LOG.error("outbox_failed", error=str(exc))
            except Exception as exc:
                _LOG.error("bug", exc_info=exc)
            self._awake.wait(RETRY_S)
            self._awake.clear()

    def wake(self) -> None:
        """Work off what waits now."""
        self._awake.set()

    def work_off(self) -> None:
        """Send all that waits, and settle what was acknowledged. Does not wait for the broker.

        Raises:
            StorageError: the database is away.
        """
        deliveries = self._send(None)
        told = [self._settle(delivery) for delivery in deliveries]
        failing = any(delivery.failed for delivery in deliveries)
        if failing and not self._failing:
            _LOG.warning("others_not_told", waiting=told.count(False))
        elif self._failing and not deliveries:
            _LOG.info("others_told")
        self._failing = failing or (self._failing and bool(deliveries))

    def _say(self, stream_id: str) -> bool:
        with self._order:
            stream = self._storage.stream(stream_id)
            return stream is not None and self._producer.send(STREAMS, self._spec(stream))

    def _send(self, places: Iterable[Place] | None) -> list[_Delivery]:
        with self._order:
            return [self._deliver(waiting) for waiting in self._storage.waiting(places)]

    def _deliver(self, waiting: Waiting) -> _Delivery:
        known = self._deliveries.get(waiting.place)
        if known is not None and known.waiting == waiting and not known.failed:
            return known
        try:
            delivery = self._hand_over(waiting)
        except ContractError as exc:  # our mistake, and no reason to tell nothing of the others
            _LOG.error("bug", error=exc.reason, topic=waiting.topic)
            delivery = _Delivery(waiting, None, Future())
            delivery.delivered.set_result(False)
        self._deliveries[waiting.place] = delivery
        delivery.delivered.add_done_callback(self._on_delivered)
        return delivery

    def _hand_over(self, waiting: Waiting) -> _Delivery:
        if waiting.topic == GALLERY.name:
            change = GalleryChanged(owner_id=waiting.key, revision=self._wall_ms())
            return _Delivery(waiting, None, self._producer.send_confirmed(GALLERY, change))
        stream = self._storage.stream(waiting.key)
        if stream is None:
            return _Delivery(waiting, None, self._producer.send_confirmed(STREAMS, None, key=waiting.key))
        return _Delivery(waiting, stream.revision, self._producer.send_confirmed(STREAMS, self._spec(stream)))

    def _spec(self, stream: Stream) -> Message:
        return stream.spec(self._storage.visible_people(stream.owner_id, stream.stream_id, self._wall_ms()))

    def _settle(self, delivery: _Delivery) -> bool:
        if not delivery.delivered.done() or not delivery.delivered.result():
            return False
        self._storage.settle(delivery.waiting, delivery.revision)
        with self._order:
            if self._deliveries.get(delivery.waiting.place) is delivery:
                del self._deliveries[delivery.waiting.place]
        return True

    def _on_delivered(self, delivered: Future[bool]) -> None:
        if delivered.result():  # what failed waits for its next turn
            self.wake()
