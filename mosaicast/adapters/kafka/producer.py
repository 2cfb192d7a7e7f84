"""Sending: never blocks, bounded, every loss counted."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as RawMessage

from mosaicast.adapters.kafka.access import Refusals
from mosaicast.adapters.kafka.config import KafkaConfig, producer_settings
from mosaicast.adapters.kafka.errors import bus_error
from mosaicast.contracts.codec import encode, key_of
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import Topic

M = TypeVar("M", bound=Message)
DropHook = Callable[[str, str], None]
"""Told the topic and a short reason: queue_full, too_large, timeout, broker, closed."""
DeliveryHook = Callable[[KafkaError | None, RawMessage], None]

_SERVE_S = 0.1
_REASONS = {
    KafkaError._MSG_TIMED_OUT: "timeout",
    KafkaError.MSG_SIZE_TOO_LARGE: "too_large",
    KafkaError._PURGE_INFLIGHT: "closed",
    KafkaError._PURGE_QUEUE: "closed",
}


LossHook = Callable[[str, str], None]
"""Told topic and key of a message that was taken and then not delivered."""


def ignore_drop(topic: str, reason: str) -> None:
    """Count nothing."""


class BusProducer:
    """Sends messages in the order of `send` per key. Safe to use from several threads.

    Args:
        on_drop: told of every message that will not arrive; called from any thread, must be quick.
        on_loss: told besides of those that `send` had taken.
        confirms: whether `send_confirmed` is used: Python then hears of every delivery, not of losses only.

    Raises:
        BusError: the settings are wrong.
    """

    def __init__(
        self,
        config: KafkaConfig,
        on_drop: DropHook = ignore_drop,
        on_loss: LossHook = ignore_drop,
        *,
        confirms: bool = False,
    ) -> None:
        self._on_drop, self._on_loss = on_drop, on_loss
        self._topology = config.topology
        self._stopping = threading.Event()
        self._confirms = confirms
        # Who reads beside it ends for refusals.
        hooks = {"on_delivery": self._on_delivery, "error_cb": Refusals().note}
        settings = {**producer_settings(config), "delivery.report.only.error": not confirms}
        try:
            self._producer = Producer({**settings, **hooks})
        except KafkaException as exc:
            raise bus_error(exc, "opening a producer") from exc
        self._thread = threading.Thread(target=self._serve, name="bus-producer", daemon=True)
        self._thread.start()

    def send(self, topic: Topic[M], message: M | None, *, key: str | None = None) -> bool:
        """Hand a message over and return at once; None deletes `key` from a compacted topic.

        Returns:
            False if it was dropped (queue full, too large, closed); that is counted.

        Raises:
            ContractError: `wrong_topic`, `wrong_key`, or `no_tombstone` (a deletion without a key or on a topic that
                is not compacted): a bug of the caller.
        """
        return self._send(topic, message, key, None)

    def send_confirmed(self, topic: Topic[M], message: M | None, *, key: str | None = None) -> Future[bool]:
        """As `send`, in the same order; the future says whether the broker has acknowledged it.

        It is done after the delivery's time-out at the latest; False is counted as a drop.

        Raises:
            ContractError: as `send`.
        """
        assert self._confirms, "the producer was made without `confirms`"
        delivered: Future[bool] = Future()

        def on_delivery(error: KafkaError | None, message: RawMessage) -> None:
            self._on_delivery(error, message)
            delivered.set_result(error is None)

        if not self._send(topic, message, key, on_delivery):
            delivered.set_result(False)
        return delivered

    def flush(self, timeout_s: float) -> int:
        """Wait until all is delivered or dropped, at most `timeout_s`; return how many still wait."""
        return int(self._producer.flush(timeout_s))

    def close(self, timeout_s: float = 2.0) -> None:
        """Deliver what waits, for at most `timeout_s`, and count the rest as dropped."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join()
        if self.flush(timeout_s):
            self._producer.purge()
            self.flush(1.0)

    def _send(self, topic: Topic[M], message: M | None, key: str | None, on_delivery: DeliveryHook | None) -> bool:
        try:
            value = None if message is None else encode(topic, message)
        except ContractError as exc:
            if exc.reason != "too_large":
                raise
            return self._drop(topic.name, exc.reason)
        return self._produce(topic.name, _key(topic, message, key), value, on_delivery)

    def _produce(self, topic: str, key: str, value: bytes | None, on_delivery: DeliveryHook | None) -> bool:
        if self._stopping.is_set():
            return self._drop(topic, "closed")
        try:
            # None: the hook of all messages.
            partition = self._topology.partition_of(key)
            self._producer.produce(topic, value, key, partition=partition, on_delivery=on_delivery)
        except BufferError:
            return self._drop(topic, "queue_full")
        except KafkaException as exc:
            return self._drop(topic, _reason(exc.args[0]))
        return True

    def _drop(self, topic: str, reason: str) -> bool:
        self._on_drop(topic, reason)
        return False

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_SERVE_S)

    def _on_delivery(self, error: KafkaError | None, message: RawMessage) -> None:
        if error is not None:
            self._on_drop(message.topic(), _reason(error))
            self._on_loss(message.topic(), (message.key() or b"").decode(errors="replace"))


def _reason(error: KafkaError) -> str:
    return _REASONS.get(error.code(), "broker")


def _key(topic: Topic[M], message: M | None, key: str | None) -> str:
    if message is not None:
        own = key_of(topic, message)
        if key not in {None, own}:
            raise ContractError("wrong_key", f"{topic.name} is keyed by {topic.key}")
        return own
    if key is None or not topic.compacted:
        raise ContractError("no_tombstone", f"{topic.name} deletes nothing without a key and compaction")
    return key
