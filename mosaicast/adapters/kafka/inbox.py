"""From raw records to checked messages; what does not decode leaves a note on `dead-letters`, never its content."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaError
from confluent_kafka import Message as RawMessage

from mosaicast.adapters.kafka.config import KafkaConfig
from mosaicast.adapters.kafka.errors import bus_error
from mosaicast.adapters.kafka.log import RateLimit
from mosaicast.adapters.kafka.producer import BusProducer
from mosaicast.contracts.codec import decode, key_of
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import DeadLetter, Message
from mosaicast.contracts.topics import BY_NAME, DEAD_LETTERS, Topic
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.logs import get_logger

DEAD_LETTERS_PER_S = 10
"""A flood of garbage fills neither the log nor the topic; all of it is counted."""

BadHook = Callable[[str, str], None]
"""Told the topic and the ContractError's reason."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """One message and where it was."""

    topic: str
    partition: int
    offset: int
    key: str
    message: Message | None
    """None: the key was deleted (compacted topics only)."""
    timestamp_ms: int
    """When the broker took it (the embedded one: when it was made), milliseconds since 1970."""


def ignore_bad(topic: str, reason: str) -> None:
    """Count nothing."""


class Inbox:
    """Opens what a consumer polled.

    Args:
        on_bad: told of every message that did not decode.
    """

    def __init__(self, config: KafkaConfig, on_bad: BadHook = ignore_bad) -> None:
        self._config = config
        self._on_bad = on_bad
        self._limit = RateLimit(DEAD_LETTERS_PER_S)
        self._sender: BusProducer | None = None  # made at the first bad message: most processes never see one

    def open(self, records: Iterable[RawMessage], at_end: Callable[[int], None] | None = None) -> list[Received]:
        """Return the messages that decode; `at_end` is told each partition whose end was reached.

        Raises:
            BusError: the client is beyond repair.
        """
        received: list[Received] = []
        for record in records:
            error = record.error()
            if error is None:
                self._admit(record, received)
            elif error.code() == KafkaError._PARTITION_EOF and at_end is not None:
                at_end(record.partition())
            else:
                _note(error)
        return received

    def close(self) -> None:
        """Send what is left."""
        if self._sender is not None:
            self._sender.close()

    def _admit(self, record: RawMessage, received: list[Received]) -> None:
        try:
            received.append(_open(record))
        except ContractError as exc:
            self._refuse(record, exc)

    def _refuse(self, record: RawMessage, error: ContractError) -> None:
        self._on_bad(record.topic(), error.reason)
        if record.topic() == DEAD_LETTERS.name or not self._limit.admit(monotonic_s()):
            return
        _log.warning("bad_message", topic=record.topic(), error=str(error))
        if self._sender is None:
            self._sender = BusProducer(self._config)
        self._sender.send(DEAD_LETTERS, _dead_letter(record, error.reason))


def _open(record: RawMessage) -> Received:
    topic = BY_NAME.get(record.topic())
    if topic is None:
        raise ContractError("wrong_topic", "not a topic of ours")
    key, message = _key(record), _message(topic, record)
    if message is not None and key_of(topic, message) != key:
        # It may be on another stream's partition, before the eyes of another owner.
        raise ContractError("wrong_key", f"{topic.name} is keyed by {topic.key}")
    return Received(topic.name, record.partition(), record.offset(), key, message, record.timestamp()[1])


def _key(record: RawMessage) -> str:
    raw = record.key()
    try:
        key = (raw or b"").decode()
    except UnicodeDecodeError as exc:
        raise ContractError("wrong_key", f"not a text on {record.topic()}") from exc
    if not key:
        raise ContractError("wrong_key", f"none on {record.topic()}")
    return key


def _message(topic: Topic[Message], record: RawMessage) -> Message | None:
    value = record.value()
    if value is not None:
        return decode(topic, value)
    if not topic.compacted:
        raise ContractError("garbage", f"no value on {topic.name}")
    return None


def _dead_letter(record: RawMessage, reason: str) -> DeadLetter:
    value = record.value() or b""
    return DeadLetter(
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        reason=reason,
        size_bytes=len(value),
        sha256=hashlib.sha256(value).hexdigest(),
        at_ms=wall_ms(),
    )


def _note(error: KafkaError) -> None:
    if error.fatal() or error.code() == KafkaError._FATAL:
        raise bus_error(error, "reading")
    _log.warning("reading_failed", error=error.name())
