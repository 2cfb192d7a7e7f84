"""A message log in memory. `tests/adapters/test_bus_fakes.py` holds it to the contract of the real one."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from mosaicast.adapters.kafka import Received
from mosaicast.contracts.codec import encode, key_of
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import Topic

M = TypeVar("M", bound=Message)


class FakeReader:
    """Hands over what was put, once and in order."""

    def __init__(self) -> None:
        self._waiting: list[Received] = []
        self._offsets = itertools.count()

    def put(self, message: Message | None, key: str | None = None, *, topic: str = "", partition: int = 0) -> None:
        """Let the next `poll` deliver a message; its key is its stream unless told."""
        key = str(getattr(message, "stream_id", "")) if key is None else key
        self._waiting.append(Received(topic, partition, next(self._offsets), key, message, 0))

    def poll(self, timeout_s: float = 0.0) -> Sequence[Received]:
        """Return what was put since the last time."""
        waiting, self._waiting = self._waiting, []
        return waiting


class FakeProducer:
    """Keeps what was sent.

    Args:
        reader: gets all that was sent, too.
    """

    def __init__(self, reader: FakeReader | None = None) -> None:
        self.sent: list[tuple[str, Message | None]] = []
        """`TOPIC/KEY` and message; None deletes the key."""
        self.accepts = True
        """False: it takes nothing, as a full queue does."""
        self.full: set[str] = set()
        """Topics that take nothing."""
        self.told: Callable[[], None] = lambda: None
        """Called after each message that was taken."""
        self.news = threading.Condition()
        """Notified after each message that was taken."""
        self._reader = reader or FakeReader()

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Take a message as the real one does; ContractError for what is a bug of the caller."""
        key = _key(topic, message, key)
        try:
            if message is not None:
                encode(topic, message)
        except ContractError as exc:
            if exc.reason != "too_large":
                raise
            return False
        if not self.accepts or topic.name in self.full:
            return False
        with self.news:
            self.sent.append((f"{topic.name}/{key}", message))
            self._reader.put(message, key, topic=topic.name)
            self.news.notify_all()
        self.told()
        return True

    def send_confirmed(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> Future[bool]:
        """Take a message; the future knows at once whether it was taken."""
        delivered: Future[bool] = Future()
        delivered.set_result(self.send(topic, message, key=key))
        return delivered

    def of(self, kind: type[M], stream_id: str | None = None) -> list[M]:
        """Return the messages of a kind, of one stream if it is named."""
        with self.news:
            return [
                m for _, m in self.sent if isinstance(m, kind) and stream_id in {None, getattr(m, "stream_id", None)}
            ]

    @property
    def topics(self) -> set[str]:
        """Names of the topics to which anything was sent."""
        return {address.partition("/")[0] for address, _ in self.sent}


def _key(topic: Topic[Any], message: Message | None, key: str | None) -> str:
    if message is None:
        if key is None or not topic.compacted:
            raise ContractError("no_tombstone", f"{topic.name} deletes nothing without a key and compaction")
        return key
    if not isinstance(message, topic.schema):
        raise ContractError("wrong_topic", topic.name)
    own = key_of(topic, message)
    if key not in {None, own}:
        raise ContractError("wrong_key", f"{topic.name} is keyed by {topic.key}")
    return own
