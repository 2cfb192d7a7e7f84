"""What the tests of the message log share. As a program: a member of a group, to be killed.

usage: python -m tests.adapters.bus_tools JSON    (see `Member`)
"""

import contextlib
import itertools
import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from mosaicast.adapters.kafka import BusConsumer, BusProducer, KafkaConfig, Received
from mosaicast.contracts.messages import GalleryChanged, Message
from mosaicast.contracts.topics import BY_NAME, Topic, Topology

M = TypeVar("M", bound=Message)
LIMIT_S = 60.0
"""No test waits so long unless it fails: a killed member of the embedded broker is missed after 12 s."""
DEFAULT = Topology()
_NUMBERS = itertools.count(time.time_ns())


@dataclass(frozen=True)
class Bus:
    """A running broker and how to reach it."""

    kind: str
    config: KafkaConfig

    def with_(self, **changes: Any) -> KafkaConfig:
        return replace(self.config, **changes)

    @property
    def alone(self) -> KafkaConfig:
        """All partitions without a group: assigned at once."""
        return self.with_(static_assignment=(0, 1))


@dataclass
class Reader:
    """A consumer and everything that it was told."""

    consumer: BusConsumer
    events: list[tuple[str, frozenset[int]]]
    bad: Counter[tuple[str, str]]
    got: list[Received] = field(default_factory=list)

    def poll(self, timeout_s: float = 0.1) -> list[Received]:
        fresh = self.consumer.poll(timeout_s)
        self.got.extend(fresh)
        return fresh

    def until(self, done: Callable[[], object]) -> "Reader":
        within_limit(done, self.poll)
        return self

    def of(self, *keys: str) -> list[Received]:
        return [received for received in self.got if received.key in keys]


def within_limit(done: Callable[[], object], step: Callable[[], object]) -> None:
    """Call `step` until `done()`; fail after LIMIT_S."""
    until = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < until, "did not happen"
        step()


@contextlib.contextmanager
def reading(config: KafkaConfig, *topics: Topic[Any], group: str | None = None, **options: Any) -> Iterator[Reader]:
    """Open a consumer. With a static assignment it is also assigned."""
    events: list[tuple[str, frozenset[int]]] = []
    bad: Counter[tuple[str, str]] = Counter()
    consumer = BusConsumer(
        config,
        topics,
        group or unique("group"),
        lambda numbers: events.append(("assigned", numbers)),
        lambda numbers: events.append(("revoked", numbers)),
        on_bad=lambda topic, reason: bad.update([(topic, reason)]),
        **options,
    )
    reader = Reader(consumer, events, bad)
    try:
        if config.static_assignment is not None:
            reader.until(lambda: events)
        yield reader
    finally:
        consumer.close()


@contextlib.contextmanager
def sending(config: KafkaConfig, drops: Counter[tuple[str, str]] | None = None) -> Iterator[BusProducer]:
    counter: Counter[tuple[str, str]] = Counter() if drops is None else drops
    producer = BusProducer(config, lambda topic, reason: counter.update([(topic, reason)]))
    try:
        yield producer
    finally:
        producer.close()


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_NUMBERS)}"


def key_on(partition: int, topology: Topology = DEFAULT) -> str:
    """Return a fresh key that belongs to a partition."""
    return next(key for key in (unique("k") for _ in itertools.count()) if topology.partition_of(key) == partition)


def keyed(message: M, topic: Topic[Any], key: str) -> M:
    """Return a copy of an example under another key."""
    return msgspec.structs.replace(message, **{topic.key: key})


def change(owner: str, revision: int = 0) -> GalleryChanged:
    return GalleryChanged(owner_id=owner, revision=revision)


class Member:
    """A consumer in a process of its own, which tells its assignments on its standard output."""

    def __init__(self, config: KafkaConfig, group: str, *topics: Topic[Any]) -> None:
        arguments = json.dumps({"config": asdict(config), "group": group, "topics": [topic.name for topic in topics]})
        command = [sys.executable, "-m", "tests.adapters.bus_tools", arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Member":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def told(self) -> list[Any] | None:
        """Return the next [event, partitions], or None if there is none right now."""
        stdout = self._process.stdout
        assert stdout is not None
        assert self._process.poll() is None, "the member died"
        return json.loads(stdout.readline()) if select.select([stdout], [], [], 0.05)[0] else None

    def wait_told(self) -> list[Any]:
        """Return the next thing it tells."""
        told: list[list[Any]] = []
        within_limit(lambda: told, lambda: told.extend([one] if (one := self.told()) else []))
        return told[0]

    def kill(self) -> None:
        """SIGKILL: it says goodbye to nobody."""
        self._process.kill()
        self._process.wait()


def member(arguments: str) -> None:
    """Be a member until killed."""
    given = json.loads(arguments)
    share = given["config"]["static_assignment"]
    topology = Topology(**given["config"]["topology"])
    config = KafkaConfig(**{**given["config"], "static_assignment": share and tuple(share), "topology": topology})

    def say(*words: object) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def tell(event: str) -> Callable[[frozenset[int]], None]:
        return lambda numbers: say(event, sorted(numbers))

    topics = [BY_NAME[name] for name in given["topics"]]
    consumer = BusConsumer(config, topics, given["group"], tell("assigned"), tell("revoked"))
    while True:
        for received in consumer.poll(0.1):
            say("got", received.key)


if __name__ == "__main__":
    member(sys.argv[1])
