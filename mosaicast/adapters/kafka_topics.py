"""Partitions, and topics made from the contracts."""

import zlib
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

from mosaicast.adapters.kafka_config import ENVELOPE_BYTES, KafkaConfig, client_settings
from mosaicast.adapters.kafka_errors import BusError, bus_error
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import HOUR_MS, MIB, PARTITIONS, TOPICS, Topic


def partition_of(key: str) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8 bytes modulo the partitions (librdkafka's `consistent`)."""
    return zlib.crc32(key.encode()) % PARTITIONS


def topic_settings(topic: Topic[Message]) -> dict[str, str]:
    """Return the broker's settings of a topic: what it keeps, for how long, and the largest message."""
    common = {
        "max.message.bytes": str(topic.largest_bytes + ENVELOPE_BYTES),
        "message.timestamp.type": "LogAppendTime",  # a producer's wrong clock keeps nothing longer
        "file.delete.delay.ms": "1000",
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
    return {
        **common,
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_ms),
        # Only whole segments are deleted: without short ones, pictures meant to live 45 s would stay a week.
        "segment.ms": str(max(10_000, topic.retention_ms // 4)),
        "segment.bytes": str(64 * MIB),
    }


def ensure_topics(config: KafkaConfig, timeout_s: float = 15.0) -> None:
    """Make every topic that is missing, and bring the settings of the others to what the contracts say.

    Raises:
        BusError: the broker is away or refuses, or a topic has another number of partitions.
    """
    admin = AdminClient(client_settings(config))
    try:
        if config.embedded:
            _touch(admin, timeout_s)
        else:
            _create_or_alter(admin, config.replication, timeout_s)
    except KafkaException as exc:
        raise bus_error(exc, "preparing topics") from exc


def _touch(admin: AdminClient, timeout_s: float) -> None:
    """Ask for each topic's metadata, upon which the embedded broker makes it."""
    for topic in TOPICS:
        metadata = admin.list_topics(topic.name, timeout=timeout_s).topics[topic.name]
        _check_partitions(topic, len(metadata.partitions))


def _create_or_alter(admin: AdminClient, replication: int, timeout_s: float) -> None:
    present = admin.list_topics(timeout=timeout_s).topics
    for topic in TOPICS:
        if topic.name in present:
            _check_partitions(topic, len(present[topic.name].partitions))
    wanted = [
        NewTopic(topic.name, num_partitions=PARTITIONS, replication_factor=replication, config=topic_settings(topic))
        for topic in TOPICS
        if topic.name not in present
    ]
    if wanted:
        _await(admin.create_topics(wanted, operation_timeout=timeout_s, request_timeout=timeout_s))
    if len(wanted) < len(TOPICS):
        resources = [_alteration(topic) for topic in TOPICS if topic.name in present]
        _await(admin.incremental_alter_configs(resources, request_timeout=timeout_s))


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


def _check_partitions(topic: Topic[Message], count: int) -> None:
    if count != PARTITIONS:
        raise BusError(
            f"topic {topic.name} has {count} partitions, must have {PARTITIONS}", fault="operator", retry=False
        )
