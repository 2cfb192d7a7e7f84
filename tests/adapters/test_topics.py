"""The table of topics says what the design says, and nothing contradicts itself."""

import zlib
from typing import Any

import msgspec
import pytest

from mosaicast.contracts.topics import BY_NAME, LARGEST_MESSAGE_BYTES, TOPICS, Topic, Topology

NAMES = ("streams", "media", "frames", "detections", "verdicts", "outgoing", "outgoing-faces", "gallery", "status",
         "dead-letters")  # fmt: skip
PARTS = {"ingest", "detector", "recognizer", "compositor", "api", "all", "people"}


def test_the_ten_topics_of_the_design() -> None:
    assert tuple(topic.name for topic in TOPICS) == NAMES
    assert tuple(BY_NAME) == NAMES


def test_every_schema_is_used_once() -> None:
    assert len({topic.schema for topic in TOPICS}) == len(TOPICS)


def test_the_partition_count_is_the_embedded_brokers() -> None:
    assert Topology().partitions == 4


@pytest.mark.parametrize("partitions", [1, 4, 5, 64])
def test_every_key_has_one_of_the_partitions_and_keeps_it(partitions: int) -> None:
    topology = Topology(partitions)
    placed = [topology.partition_of(f"stream-{number}") for number in range(500)]
    assert set(placed) == set(topology.numbers) == set(range(partitions))
    assert placed == [zlib.crc32(f"stream-{number}".encode()) % partitions for number in range(500)]


def test_no_partition_is_none() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Topology(0)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_key_is_a_text_field_of_the_schema(topic: Topic[Any]) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(topic.schema)}
    assert fields[topic.key].required
    assert msgspec.inspect.type_info(fields[topic.key].type).__class__ is msgspec.inspect.StrType


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_limits_and_parts_are_sane(topic: Topic[Any]) -> None:
    assert 0 < topic.largest_bytes <= LARGEST_MESSAGE_BYTES
    assert {topic.producer, *topic.consumers} <= PARTS
    assert topic.consumers
    assert topic.version >= 1


def test_streams_alone_is_compacted() -> None:
    assert [topic.name for topic in TOPICS if topic.compacted] == ["streams"]


def test_pictures_live_under_a_minute_and_faces_too() -> None:
    for name in ("frames", "detections", "outgoing", "outgoing-faces"):
        retention_ms = BY_NAME[name].retention_ms
        assert retention_ms is not None
        assert retention_ms < 60_000


def test_what_travels_together_has_the_same_key() -> None:
    keys = {
        BY_NAME[name].key
        for name in ("streams", "media", "frames", "detections", "verdicts", "outgoing", "outgoing-faces", "status")
    }
    assert keys == {"stream_id"}
