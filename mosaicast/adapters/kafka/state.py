"""Reading a topic without a group, all partitions: as state, from the oldest message on, or its tail, for the news."""

from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from mosaicast.adapters.kafka.access import Refusals
from mosaicast.adapters.kafka.config import KafkaConfig, alone_settings, consumer_settings
from mosaicast.adapters.kafka.errors import bus_error
from mosaicast.adapters.kafka.inbox import BadHook, Inbox, Received, ignore_bad
from mosaicast.contracts.topics import Topic
from mosaicast.runtime.logs import get_logger

LARGEST_BATCH = 500
STATE_FETCH_WAIT_MS = 100
TAIL = 4_000
"""Each part reports each stream once a second: the last word of each on 1,000 streams of a partition."""

_log = get_logger(__name__)


class StateReader:
    """Follows one topic. Apply each message by key, the last one wins; None deletes the key.

    Args:
        on_bad: told topic and reason of every message that did not decode.

    Raises:
        BusError: the settings are wrong.
    """

    _tail: int | None = None
    """How many messages of each partition to begin with; None: all."""

    def __init__(self, config: KafkaConfig, topic: Topic[Any], on_bad: BadHook = ignore_bad) -> None:
        self._topic = topic.name
        self._inbox = Inbox(config, on_bad)
        self._numbers = config.topology.numbers
        self._unread = set(self._numbers)
        self._assigned = False
        settings = {**consumer_settings(config, from_beginning=True), **alone_settings(config.client_id)}
        # Desired state is not a picture: the embedded broker is asked ten times a second, not a hundred.
        settings["fetch.wait.max.ms"] = STATE_FETCH_WAIT_MS
        self._refusals = Refusals()
        try:
            self._consumer = Consumer({**settings, "enable.partition.eof": True, "error_cb": self._refusals.note})
        except KafkaException as exc:
            raise bus_error(exc, "opening a reader") from exc

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been returned by `poll`."""
        return not self._unread

    def poll(self, timeout_s: float) -> list[Received]:
        """Return what has arrived, waiting for a first message at most `timeout_s`. A broker that is away is silence.

        Raises:
            BusError: the client is beyond repair, or the broker has refused us for PATIENCE_S.
        """
        self._refusals.check(lambda timeout_s: self._consumer.list_topics(timeout=timeout_s))
        if not self._assigned:
            self._assign(timeout_s)
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        # A partition's end is told by an event, not by an offset: compaction may have taken the last messages.
        return self._inbox.open([first, *self._consumer.consume(LARGEST_BATCH - 1, 0)], self._unread.discard)

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()
        self._inbox.close()

    def _assign(self, timeout_s: float) -> None:
        """Ask for the topic first: upon that the embedded broker makes it."""
        patience_s = max(timeout_s, 0.1)
        try:
            self._consumer.list_topics(self._topic, timeout=patience_s)
            placed = [TopicPartition(self._topic, number, self._first(number, patience_s)) for number in self._numbers]
        except KafkaException as exc:
            _log.debug("waiting_for_broker", error=str(exc))
            return
        self._assigned = True
        self._consumer.assign(placed)

    def _first(self, number: int, timeout_s: float) -> int:
        """Return the offset to start a partition from.

        Raises:
            KafkaException: the broker does not tell.
        """
        if self._tail is None:
            return int(OFFSET_BEGINNING)
        partition = TopicPartition(self._topic, number)
        oldest, end = self._consumer.get_watermark_offsets(partition, timeout=timeout_s, cached=False)
        return max(int(oldest), int(end) - self._tail)


class TailReader(StateReader):
    """Follows a topic from the newest TAIL messages of each partition on."""

    _tail = TAIL
