"""One behaviour on both brokers."""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from mosaicast.adapters.kafka import BusProducer, KafkaConfig, Received, StateReader, ensure_topics
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.kafka.server import KafkaServer
from mosaicast.contracts.codec import encode
from mosaicast.contracts.messages import DeadLetter, GalleryChanged, StreamSpec
from mosaicast.contracts.topics import (
    DEAD_LETTERS,
    FRAMES,
    GALLERY,
    MEDIA,
    MIB,
    STATUS,
    STREAMS,
    TOPICS,
    VERDICTS,
    Topic,
    Topology,
)
from tests.adapters.bus_tools import LIMIT_S, Bus, Member, change, key_on, keyed, reading, sending, unique, within_limit
from tests.adapters.examples import EXAMPLES, FRAME, PACKET, REPORT, SPEC, VERDICT

ALL = frozenset(Topology().numbers)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    if request.param == "real":
        server = request.getfixturevalue("real_kafka")
        yield Bus("real", KafkaConfig(server.bootstrap, "tests"))
        return
    with EmbeddedBroker() as broker:
        yield Bus("embedded", KafkaConfig(broker.bootstrap, "tests", embedded=True))


@pytest.fixture
def raw(bus: Bus) -> Iterator[Producer]:
    """A producer of anything, as a hostile or an old program would have it."""
    producer = Producer({"bootstrap.servers": bus.config.bootstrap, "partitioner": "consistent", "log_level": 0})
    yield producer
    producer.flush(5.0)


def revisions(got: Iterable[Received]) -> list[int]:
    return [one.message.revision for one in got if isinstance(one.message, GalleryChanged)]


# --- what is sent arrives -----------------------------------------------------------------------------------


def test_every_topic_round_trips(bus: Bus) -> None:
    with reading(bus.alone, *TOPICS) as reader, sending(bus.config) as producer:
        for topic in TOPICS:
            assert producer.send(topic, EXAMPLES[topic.name])
        reader.until(lambda: len(reader.got) >= len(TOPICS))
    assert {received.topic: received.message for received in reader.got} == EXAMPLES
    assert all(received.partition == Topology().partition_of(received.key) for received in reader.got)
    assert all(received.timestamp_ms > 1_600_000_000_000 for received in reader.got)
    assert not reader.bad


def test_one_key_keeps_its_order(bus: Bus) -> None:
    owners = [unique("owner") for _ in range(6)]
    with reading(bus.alone, GALLERY) as reader, sending(bus.config) as producer:
        for revision in range(200):
            for owner in owners:
                assert producer.send(GALLERY, change(owner, revision))
        reader.until(lambda: len(reader.of(*owners)) == 200 * len(owners))
    for owner in owners:
        assert revisions(reader.of(owner)) == list(range(200))


def test_our_partition_is_the_librarys_consistent_one(raw: Producer) -> None:
    keys = [unique("k") for _ in range(40)] + ["ä-ö", "x"]
    placed: dict[str, int] = {}
    for key in keys:
        value = encode(GALLERY, change("x"))
        raw.produce("gallery", value, key, on_delivery=lambda _, m: placed.update({m.key().decode(): m.partition()}))
    assert raw.flush(10.0) == 0
    assert placed == {key: Topology().partition_of(key) for key in keys}


def test_a_large_message_arrives(bus: Bus) -> None:
    size = (10 if bus.kind == "real" else 2) * MIB
    packet = msgspec.structs.replace(PACKET, stream_id=unique("st"), data=os.urandom(size))
    with reading(bus.alone, MEDIA) as reader, sending(bus.config) as producer:
        assert producer.send(MEDIA, packet)
        reader.until(lambda: reader.of(packet.stream_id))
    assert reader.of(packet.stream_id)[0].message == packet


def test_a_message_above_the_limit_is_refused_and_counted(bus: Bus) -> None:
    drops: Counter[tuple[str, str]] = Counter()
    size = (16 if bus.kind == "real" else 5) * MIB  # the embedded broker would take it and forget it
    with sending(bus.config, drops) as producer:
        assert not producer.send(MEDIA, msgspec.structs.replace(PACKET, data=b"\x00" * size))
    assert drops == {("media", "too_large"): 1}


def test_a_consumer_starts_at_the_end(bus: Bus) -> None:
    old, new = unique("owner"), unique("owner")
    with sending(bus.config) as producer:
        producer.send(GALLERY, change(old))
        assert producer.flush(10.0) == 0
        with reading(bus.alone, GALLERY) as reader:
            producer.send(GALLERY, change(new))
            reader.until(lambda: reader.of(new))
    assert not reader.of(old)


def test_a_consumer_from_the_beginning_reads_what_was_there(bus: Bus) -> None:
    owner = unique("owner")
    with sending(bus.config) as producer:
        producer.send(GALLERY, change(owner, 7))
        assert producer.flush(10.0) == 0
    with reading(bus.alone, GALLERY, from_beginning=True) as reader:
        reader.until(lambda: reader.of(owner))


def test_a_paused_partition_waits_and_loses_nothing(bus: Bus) -> None:
    held, free = key_on(1), key_on(2)
    with reading(bus.alone, GALLERY, STATUS) as reader, sending(bus.config) as producer:
        reader.consumer.pause([1], [GALLERY])
        producer.send(GALLERY, change(held))
        producer.send(STATUS, keyed(REPORT, STATUS, held))
        producer.send(GALLERY, change(free))
        reader.until(lambda: len(reader.of(free, held)) >= 2)
        for _ in range(5):
            reader.poll(0.1)
        assert [received.topic for received in reader.of(held)] == ["status"]
        reader.consumer.resume([1])
        reader.until(lambda: len(reader.of(held)) == 2)


# --- sharing ------------------------------------------------------------------------------------------------


def test_members_of_a_group_own_the_same_numbers_of_all_topics(bus: Bus) -> None:
    group = unique("group")
    keys = [key_on(number) for number in Topology().numbers]
    with contextlib.ExitStack() as opened:
        first, second = (opened.enter_context(reading(bus.config, MEDIA, VERDICTS, group=group)) for _ in range(2))
        pair = (first, second)

        def both() -> bool:
            return (
                all(r.consumer.partitions for r in pair)
                and first.consumer.partitions | second.consumer.partitions == ALL
            )

        within_limit(both, lambda: [reader.poll(0.05) for reader in pair])
        assert not first.consumer.partitions & second.consumer.partitions
        producer = opened.enter_context(sending(bus.config))
        for key in keys:
            producer.send(MEDIA, keyed(PACKET, MEDIA, key))
            producer.send(VERDICTS, keyed(VERDICT, VERDICTS, key))
        within_limit(
            lambda: sum(len(reader.of(*keys)) for reader in pair) >= 2 * Topology().partitions,
            lambda: [reader.poll(0.05) for reader in pair],
        )
        for reader in pair:
            by_topic = {t: {r.partition for r in reader.of(*keys) if r.topic == t} for t in ("media", "verdicts")}
            assert by_topic["media"] == by_topic["verdicts"] == reader.consumer.partitions
        second.consumer.close()
        assert second.events[-1][0] == "revoked"
        first.until(lambda: first.consumer.partitions == ALL)


def test_a_killed_members_partitions_move(bus: Bus) -> None:
    group, key = unique("group"), key_on(3)
    with Member(bus.config, group, MEDIA, VERDICTS) as member:
        assert member.wait_told() == ["assigned", sorted(ALL)]
        member.kill()
        with reading(bus.config, MEDIA, VERDICTS, group=group) as survivor, sending(bus.config) as producer:
            survivor.until(lambda: survivor.consumer.partitions == ALL)
            producer.send(MEDIA, keyed(PACKET, MEDIA, key))
            survivor.until(lambda: survivor.of(key))


def test_a_fixed_share_is_taken_back_at_once_after_a_kill(bus: Bus) -> None:
    """No session ends within this test: the member that was killed could hold its partitions for a minute."""
    config = bus.with_(
        static_assignment=(1, 2), options={"session.timeout.ms": "60000", "max.poll.interval.ms": "60000"}
    )
    group, ours, theirs = unique("group"), key_on(3), key_on(2)
    with Member(config, group, GALLERY) as member, sending(bus.config) as producer:
        assert member.wait_told() == ["assigned", [1, 3]]
        member.kill()
        producer.send(GALLERY, change(ours, 1))
        assert producer.flush(10.0) == 0
        with reading(config, GALLERY, group=group) as successor:
            assert successor.consumer.partitions == {1, 3}
            producer.send(GALLERY, change(theirs))
            producer.send(GALLERY, change(ours, 2))
            successor.until(lambda: successor.of(ours))
            assert revisions(successor.of(ours)) == [2]
            assert not successor.of(theirs)
        assert successor.events == [("assigned", frozenset({1, 3})), ("revoked", frozenset({1, 3}))]


@pytest.mark.kafka
def test_a_named_instance_takes_its_place_back_at_once(real_kafka: KafkaServer) -> None:
    """The embedded broker treats it as a new member. The session is longer than the test may take."""
    config = KafkaConfig(
        real_kafka.bootstrap,
        "tests",
        instance="detector-0",
        options={"session.timeout.ms": "120000", "max.poll.interval.ms": "120000"},
    )
    group = unique("group")
    with Member(config, group, GALLERY, STREAMS) as member:
        assert member.wait_told() == ["assigned", sorted(ALL)]
        member.kill()
        with reading(config, GALLERY, STREAMS, group=group) as successor:
            successor.until(lambda: successor.consumer.partitions == ALL)


def test_what_is_confirmed_was_acknowledged_and_keeps_its_order(bus: Bus) -> None:
    first, second = (keyed(SPEC, STREAMS, unique("s")) for _ in range(2))
    drops: Counter[tuple[str, str]] = Counter()
    producer = BusProducer(bus.config, lambda topic, reason: drops.update([(topic, reason)]), confirms=True)
    confirmed = [
        producer.send_confirmed(STREAMS, first),
        producer.send_confirmed(STREAMS, msgspec.structs.replace(first, revision=first.revision + 1)),
        producer.send_confirmed(STREAMS, second),
        producer.send_confirmed(STREAMS, None, key=second.stream_id),
    ]
    assert [future.result(LIMIT_S) for future in confirmed] == [True] * 4
    with state(bus) as reader:  # opened afterwards: whatever was acknowledged is there
        held: dict[str, list[object]] = {}
        while not reader.caught_up:
            for received in reader.poll(0.1):
                held.setdefault(received.key, []).append(received.message)
    assert [spec.revision for spec in held[first.stream_id] if isinstance(spec, StreamSpec)] == [
        first.revision,
        first.revision + 1,
    ]
    assert held[second.stream_id][-1] is None
    producer.close()
    assert producer.send_confirmed(STREAMS, first).result(0) is False
    assert drops == {(STREAMS.name, "closed"): 1}


def test_what_no_broker_takes_is_not_confirmed_and_counted() -> None:
    nowhere = KafkaConfig("127.0.0.1:1", "tests", delivery_timeout_s=0.3)
    drops: Counter[tuple[str, str]] = Counter()
    producer = BusProducer(nowhere, lambda topic, reason: drops.update([(topic, reason)]), confirms=True)
    assert producer.send_confirmed(STREAMS, SPEC).result(LIMIT_S) is False
    assert drops == {(STREAMS.name, "timeout"): 1}
    producer.close()


# --- state --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def state(bus: Bus, topic: Topic[Any] = STREAMS) -> Iterator[StateReader]:
    reader = StateReader(bus.config, topic)
    try:
        yield reader
    finally:
        reader.close()


def test_an_empty_topic_is_caught_up(bus: Bus) -> None:
    with state(bus, DEAD_LETTERS if bus.kind == "real" else STREAMS) as reader:
        assert not reader.caught_up
        within_limit(lambda: reader.caught_up, lambda: reader.poll(0.1))


def test_state_is_whole_when_caught_up_and_then_follows(bus: Bus) -> None:
    keys = [key_on(number % Topology().partitions) for number in range(20)]
    kept, gone = keys[:-1], keys[-1]
    with sending(bus.config) as producer:
        for revision in (1, 2):
            for key in keys:
                producer.send(STREAMS, msgspec.structs.replace(SPEC, stream_id=key, revision=revision))
        producer.send(STREAMS, None, key=gone)
        assert producer.flush(10.0) == 0
        found: dict[str, object] = {}
        with state(bus) as reader:

            def apply() -> None:
                found.update({received.key: received.message for received in reader.poll(0.1)})

            within_limit(lambda: reader.caught_up, apply)
            assert {key: found[key] for key in keys} == {
                **{key: msgspec.structs.replace(SPEC, stream_id=key, revision=2) for key in kept},
                gone: None,
            }
            producer.send(STREAMS, None, key=kept[0])
            within_limit(lambda: found[kept[0]] is None, apply)


# --- what is bad --------------------------------------------------------------------------------------------


def test_a_bad_message_goes_to_dead_letters_without_its_content(bus: Bus, raw: Producer) -> None:
    key, content = unique("st"), b"a picture of somebody " + os.urandom(40)
    with (
        reading(bus.alone, FRAMES) as reader,
        reading(bus.alone, DEAD_LETTERS) as letters,
        sending(bus.config) as producer,
    ):
        raw.produce("frames", content, key)
        raw.flush(5.0)
        producer.send(FRAMES, keyed(FRAME, FRAMES, key))
        reader.until(lambda: reader.of(key))
        assert reader.bad == {("frames", "garbage"): 1}
        digest = hashlib.sha256(content).hexdigest()

        def letter() -> list[DeadLetter]:
            told = [r.message for r in letters.got if isinstance(r.message, DeadLetter)]
            return [one for one in told if one.sha256 == digest]

        letters.until(letter)
    assert [received.message for received in reader.of(key)] == [keyed(FRAME, FRAMES, key)]
    assert (letter()[0].topic, letter()[0].reason, letter()[0].size_bytes) == ("frames", "garbage", len(content))
    assert b"somebody" not in encode(DEAD_LETTERS, letter()[0])


def test_wrong_keys_and_missing_values_are_bad(bus: Bus, raw: Producer) -> None:
    last = unique("st")
    value = encode(FRAMES, FRAME)
    with reading(bus.alone, FRAMES) as reader, sending(bus.config) as producer:
        for key in (None, b"", b"\xff\xfe", "another-stream"):
            raw.produce("frames", value, key, partition=Topology().partition_of(last))
        raw.produce("frames", None, FRAME.stream_id, partition=Topology().partition_of(last))
        raw.produce("frames", encode(GALLERY, change("o")), last)
        raw.flush(5.0)
        producer.send(FRAMES, keyed(FRAME, FRAMES, last))
        reader.until(lambda: reader.of(last))
    assert reader.bad == {("frames", "wrong_key"): 4, ("frames", "garbage"): 1, ("frames", "wrong_topic"): 1}


def test_a_bad_dead_letter_is_counted_and_makes_no_other(bus: Bus, raw: Producer) -> None:
    with reading(bus.alone, DEAD_LETTERS) as reader, sending(bus.config) as producer:
        raw.produce("dead-letters", b"garbage", "frames", partition=Topology().partition_of("frames"))
        raw.flush(5.0)
        valid: Any = EXAMPLES["dead-letters"]
        producer.send(DEAD_LETTERS, valid)
        reader.until(lambda: reader.of("frames"))
        reader.poll(0.2)
    assert reader.bad == {("dead-letters", "garbage"): 1}
    assert [received.message for received in reader.of("frames")] == [EXAMPLES["dead-letters"]]


def test_topics_can_be_prepared_again(bus: Bus) -> None:
    ensure_topics(bus.config)
    ensure_topics(bus.config)
