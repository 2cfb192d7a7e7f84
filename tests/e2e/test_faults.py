"""Faults during a broadcast, on both brokers: nobody is shown, the stream recovers, every frame is accounted for.

Each test writes down what its viewer saw: docs/failures.md is made of it (`python -m bench.failures`).
"""

import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from bench import failures
from synthetic.cast import Person
from synthetic.oracle import Oracle
from synthetic.publisher import Publisher
from synthetic.session import LiveStream, LiveWatch, Session, wait_until
from tests.e2e.brokers import BrokerStack
from tests.e2e.test_live import balance, warm
from tests.e2e.test_people import away

RECOVERY_S = 240.0
"""On any machine; how long it really takes stands in docs/failures.md."""
STOPPED_S = 10.0
"""A broker that is stopped answers nobody for so long."""


@dataclass
class Broadcast:
    """A stream on air."""

    session: Session
    stream: LiveStream
    clip: Path
    publisher: Publisher

    @property
    def stack(self) -> BrokerStack:
        """The product, with its broker."""
        assert isinstance(self.session.stack, BrokerStack)
        return self.session.stack


class Hit(Protocol):
    """Makes something fail; it is over when the context ends."""

    def __call__(self, broadcast: Broadcast) -> AbstractContextManager[None]: ...


def killed(service: str) -> Hit:
    def hit(broadcast: Broadcast) -> AbstractContextManager[None]:
        broadcast.session.signal_service(service, signal.SIGKILL)
        return nullcontext()

    return hit


def hung(service: str) -> Hit:
    """It stays so until it is replaced."""

    def hit(broadcast: Broadcast) -> AbstractContextManager[None]:
        broadcast.session.signal_service(service, signal.SIGSTOP)
        return nullcontext()

    return hit


def child_killed(service: str) -> Hit:
    def hit(broadcast: Broadcast) -> AbstractContextManager[None]:
        broadcast.session.kill_child(service)
        return nullcontext()

    return hit


@contextmanager
def broker_stopped(broadcast: Broadcast) -> Iterator[None]:
    broadcast.stack.signal_broker(signal.SIGSTOP)
    try:
        time.sleep(STOPPED_S)  # how long it is away is the fault itself, not a wait for something
        yield
    finally:
        broadcast.stack.signal_broker(signal.SIGCONT)


def broker_emptied(broadcast: Broadcast) -> AbstractContextManager[None]:
    broadcast.stack.empty_broker()
    return nullcontext()


@contextmanager
def gallery_away(broadcast: Broadcast) -> Iterator[None]:
    with away(broadcast.session):
        wait_until(lambda: tracks(broadcast).get("gallery_unavailable", 0) >= 2, RECOVERY_S, "the status says so")
        assert tracks(broadcast)["clear"] == 0
        yield


def tracks(broadcast: Broadcast) -> dict[str, float]:
    found: dict[str, float] = broadcast.session.status(broadcast.stream)["tracks"]
    return found


@contextmanager
def publisher_killed(broadcast: Broadcast) -> Iterator[None]:
    broadcast.publisher.kill()
    wait_until(
        lambda: broadcast.session.status(broadcast.stream)["state"] == "waiting", RECOVERY_S, "the publisher's end"
    )
    yield
    broadcast.publisher = broadcast.session.publish(broadcast.clip, broadcast.stream)


LOSES = "broker loses its data"
REPUBLISHED = "publisher killed and back"
FAULTS: Mapping[str, Hit] = {
    "detector killed": killed("detector"),
    "detector hangs": hung("detector"),
    "recognizer killed": killed("recognizer"),
    "recognizer hangs": hung("recognizer"),
    "ingest's child killed": child_killed("ingest"),
    "compositor's child killed": child_killed("compositor"),
    REPUBLISHED: publisher_killed,
    "gallery away": gallery_away,
    "broker stopped for 10 s": broker_stopped,
    LOSES: broker_emptied,
}

EMBEDDED_LACKS = frozenset({LOSES})
"""What can't be tried on the embedded broker: it loses its data only with itself, and ends with `mosaicast up`."""


@pytest.fixture(scope="module")
def owner(session: Session, people: Mapping[str, Person]) -> str:
    session.enrol("Eileen", people["astronaut"], owner="faults")
    return "faults"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_is_shown_and_the_stream_recovers(
    session: Session, owner: str, pair_clip: Path, pair_oracle: Oracle, fault: str
) -> None:
    if session.stack.options.kafka == "embedded" and fault in EMBEDDED_LACKS:
        pytest.skip("the embedded broker loses its data only with itself")
    stream = session.create(re.sub(r"\W+", "-", fault), owner=owner)
    broadcast = Broadcast(session, stream, pair_clip, session.publish(pair_clip, stream))
    with LiveWatch(stream.rtmp_url, pair_oracle) as watch:
        try:
            warm(watch)
            begin_s = time.monotonic()
            with FAULTS[fault](broadcast):
                pass
            what = failures.Fault(fault, broadcast.stack.broker, begin_s, time.monotonic())
            wait_until(lambda: is_back(watch, what), RECOVERY_S, f"masked frames after: {fault}")
        finally:
            broadcast.publisher.stop()
        report = watch.report()
        seen = watch.sightings()
    books = balance(session, stream)
    failures.record(failures.Observation.of(what, seen, report, books))
    assert report.leaks == ()
    assert len(report.order_violations) <= (fault == REPUBLISHED), "whoever publishes anew begins the clip anew"


def is_back(watch: LiveWatch, fault: failures.Fault) -> bool:
    seen = watch.sightings()
    return failures.recovered_s(seen, fault) is not None and failures.shown_s(seen, fault) is not None
