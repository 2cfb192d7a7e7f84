"""What a producer promises to whoever sends, kept by the real one on the embedded broker and by the tests' own."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
import pytest

from mosaicast.adapters.kafka import BusProducer, KafkaConfig, Received
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import FRAMES, GALLERY, STREAMS, TOPICS, Topic
from tests.adapters.bus_tools import LIMIT_S, change, reading, within_limit
from tests.adapters.examples import EXAMPLES, FRAME, SPEC, VERDICT
from tests.fakes.bus import FakeProducer, FakeReader


class Sender(Protocol):
    """What services ask of a producer."""

    def send(self, topic: Topic[Any], message: Any, *, key: str | None = None) -> bool: ...

    def send_confirmed(self, topic: Topic[Any], message: Any, *, key: str | None = None) -> Any: ...


Read = Callable[[int], list[Received]]
"""Returns all that came, once it is so many."""


def read_all(poll: Callable[[], object], got: list[Received]) -> Read:
    def until(count: int) -> list[Received]:
        within_limit(lambda: len(got) >= count, poll)
        return got

    return until


@pytest.fixture(params=["embedded", "fake"])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[Sender, Read]]:
    """A producer and all that arrives of it."""
    if request.param == "fake":
        reader, got = FakeReader(), list[Received]()
        yield FakeProducer(reader), read_all(lambda: got.extend(reader.poll()), got)
        return
    with EmbeddedBroker() as broker:
        config = KafkaConfig(broker.bootstrap, "tests", embedded=True, static_assignment=(0, 1))
        with reading(config, *TOPICS) as real:
            producer = BusProducer(config, confirms=True)
            yield producer, read_all(real.poll, real.got)
            producer.close()


def test_what_is_sent_arrives_under_its_own_key(log: tuple[Sender, Read]) -> None:
    producer, read = log
    for topic in TOPICS:
        assert producer.send(topic, EXAMPLES[topic.name])
    arrived = {one.topic: (one.key, one.message) for one in read(len(TOPICS))}
    assert arrived == {t.name: (getattr(EXAMPLES[t.name], t.key), EXAMPLES[t.name]) for t in TOPICS}


def test_one_key_keeps_its_order_and_a_deletion_is_part_of_it(log: tuple[Sender, Read]) -> None:
    producer, read = log
    specs: list[Message | None] = [msgspec.structs.replace(SPEC, revision=revision) for revision in range(1, 6)]
    for spec in [*specs, None]:
        producer.send(STREAMS, spec, key=SPEC.stream_id)
    assert [one.message for one in read(6)] == [*specs, None]
    assert {one.key for one in read(6)} == {SPEC.stream_id}


def test_what_is_confirmed_was_taken(log: tuple[Sender, Read]) -> None:
    producer, read = log
    assert [producer.send_confirmed(GALLERY, change("o", number)).result(LIMIT_S) for number in (1, 2)] == [True, True]
    assert [one.message for one in read(2)] == [change("o", 1), change("o", 2)]


def test_too_large_a_message_is_refused_and_later_ones_are_not(log: tuple[Sender, Read]) -> None:
    producer, read = log
    assert not producer.send(FRAMES, msgspec.structs.replace(FRAME, jpeg=b"x" * FRAMES.largest_bytes))
    assert producer.send(FRAMES, FRAME)
    assert [one.message for one in read(1)] == [FRAME]


@pytest.mark.parametrize(
    ("topic", "message", "key", "reason"),
    [
        (GALLERY, VERDICT, None, "wrong_topic"),
        (GALLERY, change("o"), "another", "wrong_key"),
        (STREAMS, None, None, "no_tombstone"),
        (FRAMES, None, "s", "no_tombstone"),
    ],
)
def test_a_bug_of_the_caller_is_raised(
    log: tuple[Sender, Read], topic: Topic[Any], message: Message | None, key: str | None, reason: str
) -> None:
    producer, _ = log
    with pytest.raises(ContractError, match=reason):
        producer.send(topic, message, key=key)
