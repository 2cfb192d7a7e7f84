"""Partitions, and topics made from the contracts."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from mosaicast.adapters.kafka.access import Refusals
from mosaicast.adapters.kafka.config import ENVELOPE_BYTES, KafkaConfig, client_settings
from mosaicast.adapters.kafka.errors import BusError, bus_error
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import HOUR_MS, MIB, TOPICS, Topic, Topology
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger

CHECK_MS = 5_000
"""How often a broker must look for old segments (`log.retention.check.interval.ms`)."""
DELETE_DELAY_MS = 1_000
"""From a segment's deletion in the log to that of its files."""
_ROOM_MS = 2_000
"""For a machine that is busy."""
_ASK_S = 1.0
_REFUSED_S = 2.0
"""A broker that refuses is waited for so long at a start."""
_MAKE_S = 60.0
"""A busy broker may take so long to make topics."""

_log = get_logger(__name__)


def topic_settings(topic: Topic[Any]) -> dict[str, str]:
    """Return the broker's settings of a topic: what it keeps, for how long, and the largest message.

    Kafka deletes whole segments, when their newest message is older than `retention.ms`, at its next check, and the
    files a moment later. All of that together is the topic's retention: its oldest message does not live longer.
    """
    common = {
        "max.message.bytes": str(topic.largest_bytes + ENVELOPE_BYTES),
        "message.timestamp.type": "LogAppendTime",  # a producer's wrong clock keeps nothing longer
        "file.delete.delay.ms": str(DELETE_DELAY_MS),
        "compression.type": "producer",
    }
    if topic.retention_ms is None:
        return {
            **common,
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.ms": str(HOUR_MS),
            "delete.retention.ms": str(24 * HOUR_MS),
        }
    segment_ms = topic.retention_ms // 4
    return {
        **common,
        "cleanup.policy": "delete",
        "retention.ms": str(max(1, topic.retention_ms - segment_ms - CHECK_MS - DELETE_DELAY_MS - _ROOM_MS)),
        "segment.ms": str(segment_ms),
        "segment.bytes": str(64 * MIB),
    }


def ensure_topics(config: KafkaConfig, timeout_s: float = 15.0) -> None:
    """Make every topic that is missing, and bring the settings of the others to what the contracts say.

    Args:
        timeout_s: for a first answer of the broker.

    Raises:
        BusError: the broker is away or refuses us, or a topic has another number of partitions.
    """
    try:
        admin = _opened(config, timeout_s)
        if config.embedded:
            _touch(admin, config.topology, timeout_s)
        else:
            _create_or_alter(admin, config)
    except KafkaException as exc:
        raise bus_error(exc, "preparing topics") from exc


class TopicWatch:
    """Makes topics again that a broker has lost: nobody else does. Not thread-safe."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._admin = AdminClient(client_settings(config))

    def restore(self, timeout_s: float = 5.0) -> bool:
        """Return whether topics were missing, and were made. A broker that is away is silence.

        Raises:
            BusError: a topic has another number of partitions, or the broker refuses to make one.
        """
        if self._config.embedded:
            return False  # it forgets messages, never topics
        try:
            present = self._admin.list_topics(timeout=timeout_s).topics
        except KafkaException as exc:
            _log.debug("waiting_for_broker", error=str(exc))
            return False
        if all(topic.name in present for topic in TOPICS):
            return False
        try:
            _create_or_alter(self._admin, self._config)
        except KafkaException as exc:
            raise bus_error(exc, "making topics again") from exc
        return True


def _opened(config: KafkaConfig, timeout_s: float) -> AdminClient:
    """Return a client that the broker has answered."""
    refusals = Refusals()
    admin = AdminClient({**client_settings(config), "error_cb": refusals.note})
    until = monotonic_s() + timeout_s
    while True:
        try:
            admin.list_topics(timeout=_ASK_S)
        except KafkaException as exc:
            admin.poll(0)  # tells `refusals`
            refusals.check(lambda timeout_s: admin.list_topics(timeout=timeout_s), _REFUSED_S)
            if monotonic_s() > until:
                raise BusError(refusals.said or _no_answer(config), fault="broker", retry=True) from exc
        else:
            return admin


def _no_answer(config: KafkaConfig) -> str:
    text = f"the broker at {config.bootstrap} does not answer, or wants another security_protocol"
    tls = "ssl" in config.options.get("security.protocol", "")
    if tls and "ssl.certificate.location" not in config.options:
        # TLS 1.3 refuses a missing certificate after the handshake: often the connection is gone before it is told why.
        text += ", or a certificate of ours: check MOSAICAST_KAFKA__SSL_CERTIFICATE_LOCATION"
    return text


def _touch(admin: AdminClient, topology: Topology, timeout_s: float) -> None:
    """Ask for each topic's metadata, upon which the embedded broker makes it."""
    for topic in TOPICS:
        metadata = admin.list_topics(topic.name, timeout=timeout_s).topics[topic.name]
        _check_partitions(topic, len(metadata.partitions), topology)


def _create_or_alter(admin: AdminClient, config: KafkaConfig) -> None:
    present = admin.list_topics(timeout=_MAKE_S).topics
    for topic in TOPICS:
        if topic.name in present:
            _check_partitions(topic, len(present[topic.name].partitions), config.topology)
    wanted = [_new(topic, config) for topic in TOPICS if topic.name not in present]
    if wanted:
        _await(admin.create_topics(wanted, operation_timeout=_MAKE_S, request_timeout=_MAKE_S))
    if len(wanted) < len(TOPICS):
        resources = [_alteration(topic) for topic in TOPICS if topic.name in present]
        _await(admin.incremental_alter_configs(resources, request_timeout=_MAKE_S))


def _new(topic: Topic[Message], config: KafkaConfig) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=config.topology.partitions,
        replication_factor=config.replication,
        config=topic_settings(topic),
    )


def _alteration(topic: Topic[Message]) -> ConfigResource:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in topic_settings(topic).items()
    ]
    return ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)


def _await(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        try:
            future.result()
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another service was quicker
                raise


def _check_partitions(topic: Topic[Message], count: int, topology: Topology) -> None:
    if count != topology.partitions:
        text = (
            f"topic {topic.name} has {count} partitions, must have {topology.partitions}: set "
            f"MOSAICAST_KAFKA__PARTITIONS to what the installation was made with, or delete its topics"
        )
        raise BusError(text, fault="operator", retry=False)
