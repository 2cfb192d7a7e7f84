"""Reading as one of several instances of a service."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from mosaicast.adapters.kafka.access import Refusals
from mosaicast.adapters.kafka.assignment import CoPartitions
from mosaicast.adapters.kafka.config import KafkaConfig, consumer_settings, group_settings
from mosaicast.adapters.kafka.errors import bus_error
from mosaicast.adapters.kafka.inbox import BadHook, Inbox, Received, ignore_bad
from mosaicast.contracts.topics import Topic
from mosaicast.runtime.logs import get_logger

PartitionsHook = Callable[[frozenset[int]], None]

LARGEST_BATCH = 500
"""Messages of one poll; the read-ahead (FETCH_QUEUE_BYTES) bounds its bytes."""
_LOOK_UP_S = 2.0

_log = get_logger(__name__)


class BusConsumer:
    """Reads topics side by side: the same partition numbers of all of them.

    Reading starts at the END of each partition at every assignment: old pictures are never shown. Everything sent
    after `on_assigned` is read. With `from_beginning` it starts at the oldest message instead.

    librdkafka fetches and keeps the membership alive on its own threads, into a bounded queue; `poll` only empties
    that queue. Call it from one thread, often, and work elsewhere: not polling for 30 s loses the partitions.

    Args:
        on_assigned: told the partition numbers that are new; called inside `poll`.
        on_revoked: told the numbers that are gone (also lost ones); called inside `poll` and `close`.
        on_bad: told topic and reason of every message that did not decode.

    Raises:
        BusError: the settings are wrong.
    """

    def __init__(  # noqa: PLR0913 - wiring, made once a service
        self,
        config: KafkaConfig,
        topics: Sequence[Topic[Any]],
        group: str,
        on_assigned: PartitionsHook,
        on_revoked: PartitionsHook,
        *,
        from_beginning: bool = False,
        on_bad: BadHook = ignore_bad,
    ) -> None:
        self._config = config
        self._topics = tuple(topic.name for topic in topics)
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._from_beginning = from_beginning
        self._held = CoPartitions(self._topics)
        self._inbox = Inbox(config, on_bad)
        self._refusals = Refusals()
        settings = {**consumer_settings(config, from_beginning=from_beginning), **group_settings(config, group)}
        try:
            self._consumer = Consumer({**settings, "error_cb": self._refusals.note})
            self._join()
        except KafkaException as exc:
            raise bus_error(exc, "opening a consumer") from exc

    @property
    def partitions(self) -> frozenset[int]:
        """Partition numbers that it owns now."""
        return self._held.complete

    def poll(self, timeout_s: float) -> list[Received]:
        """Return what has arrived, waiting for a first message at most `timeout_s`. A broker that is away is silence.

        Raises:
            BusError: the client is beyond repair (fenced, not authorised), or the broker has refused us for PATIENCE_S;
                a new process may do better.
        """
        self._refusals.check(lambda timeout_s: self._consumer.list_topics(timeout=timeout_s))
        if self._waits_for_share:
            self._take_share(timeout_s)
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        # consume() with a time-out would wait for the whole batch; with 0 it takes what is there.
        return self._inbox.open([first, *self._consumer.consume(LARGEST_BATCH - 1, 0)])

    def pause(self, partitions: Iterable[int], topics: Sequence[Topic[Any]] | None = None) -> None:
        """Stop delivering these partitions (of all topics, or of some) and lose nothing."""
        self._consumer.pause(self._numbered(partitions, topics))

    def resume(self, partitions: Iterable[int], topics: Sequence[Topic[Any]] | None = None) -> None:
        """Deliver these partitions again, from where they stopped."""
        self._consumer.resume(self._numbered(partitions, topics))

    def close(self) -> None:
        """Leave at once, so that others take over without waiting for a time-out."""
        self._consumer.close()
        self._forget(self._held.clear())
        self._inbox.close()

    def _join(self) -> None:
        self._waits_for_share = self._config.static_assignment is not None
        if not self._waits_for_share:
            self._consumer.subscribe(list(self._topics), on_assign=self._assigned, on_revoke=self._revoked)

    def _take_share(self, timeout_s: float) -> None:
        """Assign our fixed share once the broker knows the topics and has said where they end."""
        share = self._config.topology.share(*self._config.static_assignment or (0, 1))
        wanted = self._numbered(share, None)
        try:
            for topic in self._topics:
                self._consumer.list_topics(topic, timeout=max(timeout_s, 0.1))
            placed = [self._placed(partition, max(timeout_s, 0.1)) for partition in wanted]
        except KafkaException as exc:
            _log.debug("waiting_for_broker", error=str(exc))
            return
        self._waits_for_share = False
        self._consumer.assign(placed)
        self._tell_assigned(placed)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        placed = [self._placed_or_end(partition) for partition in partitions]
        if self._config.incremental:
            consumer.incremental_assign(placed)
        else:
            consumer.assign(placed)
        self._tell_assigned(placed)

    def _tell_assigned(self, placed: list[TopicPartition]) -> None:
        new = self._held.add((partition.topic, partition.partition) for partition in placed)
        self._consumer.resume(self._numbered(new, None))
        self._consumer.pause([TopicPartition(topic, number) for topic, number in self._held.halves()])
        if new:
            self._on_assigned(new)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(self._held.remove((partition.topic, partition.partition) for partition in partitions))
        if self._config.incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _forget(self, numbers: frozenset[int]) -> None:
        if numbers:
            self._on_revoked(numbers)

    def _placed(self, partition: TopicPartition, timeout_s: float) -> TopicPartition:
        """Return the partition with the offset to start from: the end as it is now, not as it is at the first fetch."""
        if self._from_beginning:
            return TopicPartition(partition.topic, partition.partition, OFFSET_BEGINNING)
        _, end = self._consumer.get_watermark_offsets(partition, timeout=timeout_s, cached=False)
        return TopicPartition(partition.topic, partition.partition, end)

    def _placed_or_end(self, partition: TopicPartition) -> TopicPartition:
        try:
            return self._placed(partition, _LOOK_UP_S)
        except KafkaException as exc:
            _log.warning("end_unknown", topic=partition.topic, partition=partition.partition, error=str(exc))
            return TopicPartition(partition.topic, partition.partition, OFFSET_END)

    def _numbered(self, numbers: Iterable[int], topics: Sequence[Topic[Any]] | None) -> list[TopicPartition]:
        names = self._topics if topics is None else tuple(topic.name for topic in topics)
        return [TopicPartition(name, number) for name in names for number in sorted(numbers)]
