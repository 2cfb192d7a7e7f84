"""Faults during a broadcast, on both brokers: nobody is shown, the stream recovers, every frame is accounted for.

One broadcast goes through all faults of a broker, one after the other; after a test that failed, another is begun.
Each test writes down what its viewer saw: docs/failures.md is made of it (`python -m bench.failures`).
"""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from bench import failures
from synthetic.cast import Person
from synthetic.oracle import Oracle
from synthetic.playback import PlaybackReport
from synthetic.publisher import Publisher
from synthetic.session import Books, LiveStream, LiveWatch, Session, wait_until
from tests.e2e.brokers import BrokerStack
from tests.e2e.conftest import Products
from tests.e2e.test_live import balance, warm
from tests.e2e.test_people import away

RECOVERY_S = 240.0
"""On any machine; how long it really takes stands in docs/failures.md."""
STOPPED_S = 10.0
"""A broker that is stopped answers nobody for so long."""


@dataclass
class Broadcast:
    """A stream on air, and its viewer."""

    session: Session
    stream: LiveStream
    clip: Path
    publisher: Publisher
    watch: LiveWatch

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


class OnAir:
    """The broadcast that goes through the faults."""

    def __init__(self, products: Products, session: Session, clip: Path, oracle: Oracle) -> None:
        self._products, self._session, self._clip, self._oracle = products, session, clip, oracle
        self._running: ExitStack | None = None
        self._now: Broadcast | None = None
        self._count = 0

    @contextmanager
    def broadcast(self) -> Iterator[Broadcast]:
        """Give the one that is on air, or begin one. It is not used again after what failed with it."""
        now = self._now or self._begin()
        try:
            yield now
        except BaseException:
            self.end()
            raise

    def _begin(self) -> Broadcast:
        self._count += 1
        stream = self._session.create(f"faults-{self._count}", owner="faults")
        self._products.kept.add(stream.stream_id)
        self._running = ExitStack()
        watch = self._running.enter_context(LiveWatch(stream.rtmp_url, self._oracle))
        publisher = self._session.publish(self._clip, stream)
        self._now = Broadcast(self._session, stream, self._clip, publisher, watch)
        return self._now

    def end(self) -> None:
        """Stop publishing, and hang up; the stream is left with its books."""
        if self._now is not None and self._running is not None:
            self._now.publisher.stop()
            self._running.close()
            self._products.kept.discard(self._now.stream.stream_id)
        self._now = None


@pytest.fixture(scope="module")
def on_air(
    session: Session, products: Products, people: Mapping[str, Person], pair_clip: Path, pair_oracle: Oracle
) -> Iterator[OnAir]:
    session.enroll("Eileen", people["astronaut"], owner="faults")
    on_air = OnAir(products, session, pair_clip, pair_oracle)
    yield on_air
    on_air.end()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_is_shown_and_the_stream_recovers(session: Session, on_air: OnAir, fault: str) -> None:
    if session.stack.options.kafka == "embedded" and fault in EMBEDDED_LACKS:
        pytest.skip("the embedded broker loses its data only with itself")
    with on_air.broadcast() as broadcast:
        watch = broadcast.watch
        warm(watch, since_s=time.monotonic())
        before, books_before = watch.report(), session.books(broadcast.stream)
        begin_s = time.monotonic()
        with FAULTS[fault](broadcast):
            pass
        what = failures.Fault(fault, broadcast.stack.broker, begin_s, time.monotonic())
        wait_until(lambda: is_back(watch, what), RECOVERY_S, f"masked frames after: {fault}")
        report = since(watch.report(), before)
        dropped = lost(session.books(broadcast.stream), books_before)
        failures.record(failures.Observation.of(what, watch.sightings(), report, dropped))
        assert report.leaks == ()
        assert len(report.order_violations) <= (fault == REPUBLISHED), "whoever publishes anew begins the clip anew"


def test_every_frame_of_the_broadcast_is_accounted_for(session: Session, on_air: OnAir) -> None:
    with on_air.broadcast() as broadcast:
        warm(broadcast.watch)
    on_air.end()
    balance(session, broadcast.stream)


def since(report: PlaybackReport, before: PlaybackReport) -> PlaybackReport:
    """Return the leaks and wrong orders that were seen after an earlier report."""
    leaks = report.leaks[len(before.leaks) :]
    return replace(report, leaks=leaks, order_violations=report.order_violations[len(before.order_violations) :])


def lost(books: Books, before: Books) -> Books:
    """Return the frames that were dropped since, by reason."""
    return replace(
        books, dropped={reason: count - before.dropped.get(reason, 0) for reason, count in books.dropped.items()}
    )


def is_back(watch: LiveWatch, fault: failures.Fault) -> bool:
    seen = watch.sightings(fault.begin_s)
    return failures.recovered_s(seen, fault) is not None and failures.shown_s(seen, fault) is not None
