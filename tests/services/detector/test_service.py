"""The detector's threads, with a bus and a model that do what the test says; and once with a real bus."""

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.kafka import BusConsumer, BusProducer, KafkaConfig
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.contracts.messages import Detections, SampledFrame, StatusReport
from mosaicast.contracts.topics import DETECTIONS, FRAMES, STATUS
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import KafkaSettings, Settings
from services.detector.__main__ import run
from services.detector.service import DetectorService, Shape

WAIT_S = 20.0
"""Far beyond what is needed; only a test that fails waits so long."""


class Bus:
    """Hands out batches, then stops the service when the script says so; keeps what is sent."""

    def __init__(self, batches: Sequence[Sequence[SampledFrame | None]] = ()) -> None:
        self.batches = [list(batch) for batch in batches]
        self.stop = StopEvent()
        self.sent: list[Any] = []
        self.accepts = True
        self.changed = threading.Condition()
        self.done: Callable[[], bool] = lambda: False
        self.deadline_s = monotonic_s() + WAIT_S

    def poll(self, timeout_s: float) -> list[Any]:
        if self.batches:
            return [SimpleNamespace(partition=0, message=message) for message in self.batches.pop(0)]
        with self.changed:
            self.changed.wait_for(self.done, timeout_s)
        if self.done() or monotonic_s() > self.deadline_s:
            self.stop.set()
        return []

    def send(self, topic: object, message: Any, *, key: str | None = None) -> bool:
        with self.changed:
            self.sent.append(message)
            self.changed.notify_all()
        return self.accepts

    def close(self) -> None:
        pass

    @property
    def detections(self) -> list[Detections]:
        return [message for message in self.sent if isinstance(message, Detections)]

    @property
    def reports(self) -> list[StatusReport]:
        return [message for message in self.sent if isinstance(message, StatusReport)]


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"mosaicast_{name}", labels) or 0.0


@pytest.fixture
def service(fake_detector: Callable[..., Any]) -> Iterator[Callable[..., DetectorService]]:
    def make(bus: Bus, detector: Any = None, **shape: Any) -> DetectorService:
        found = detector or fake_detector()
        made = DetectorService(bus, found if callable(found) else lambda: found, Metrics(), Shape(**shape))
        made.on_assigned(frozenset({0}))
        return made

    yield make
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("model-")]


def test_every_frame_is_answered_in_order_and_reported(
    service: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    bus = Bus([[make_frame(0)], [make_frame(1), None, make_frame(2)]])
    bus.done = lambda: len(bus.detections) == 3 and bool(bus.reports)
    detector = service(bus)
    detector.run(bus, bus.stop)
    assert [answer.seq for answer in bus.detections] == [0, 1, 2]
    assert detector.failure is None
    assert sample(detector._metrics, "model_seconds_count", model="fake") == 3


def test_what_a_worker_does_with_its_time_is_told(service: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    bus = Bus([[make_frame(0)], [make_frame(1)]])
    bus.done = lambda: len(bus.detections) == 2 and bool(bus.reports)
    detector = service(bus)
    detector.run(bus, bus.stop)
    for activity in ("decode", "network", "crop"):
        assert sample(detector._metrics, "work_seconds_count", activity=activity) == 2, activity
    assert sample(detector._metrics, "work_seconds_count", activity="publish") == 2
    assert sample(detector._metrics, "work_seconds_sum", activity="network") > 0
    assert sample(detector._metrics, "work_seconds_count", activity="wait") >= 1


def test_several_workers_keep_each_stream_in_order(service: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    frames = [make_frame(seq, stream_id=name) for seq in range(4) for name in "abc"]
    bus = Bus([frames])
    bus.done = lambda: len(bus.detections) == 12
    service(bus, workers=3, batch=2).run(bus, bus.stop)
    for name in "abc":
        assert [answer.seq for answer in bus.detections if answer.stream_id == name] == [0, 1, 2, 3]


def test_a_failed_frame_is_not_published_but_counted(
    service: Callable[..., Any], make_frame: Callable[..., Any], jpeg_of: Callable[..., Any]
) -> None:
    broken = make_frame(1, jpeg=jpeg_of(np.full((36, 64, 3), 13, np.uint8)))
    bus = Bus([[make_frame(0), broken, make_frame(2, jpeg=b"garbage"), make_frame(3)]])
    bus.done = lambda: any(answer.seq == 3 for answer in bus.detections)
    detector = service(bus)
    detector.run(bus, bus.stop)
    assert [answer.seq for answer in bus.detections] == [0, 3]
    for reason in ("failed_model", "failed_bad_picture"):
        assert sample(detector._metrics, "queue_drops_total", queue="frames", reason=reason) == 1


def test_our_own_mistakes_cost_one_frame_not_the_service(
    service: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    class Mistaken:
        name = "mistaken"
        calls = 0

        def input_size(self, width: int, height: int) -> tuple[int, int]:
            return width, height

        def detect(self, batch: Sequence[np.ndarray], threshold: float) -> list[list[Any]]:
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError("a bug")
            return [[] for _ in batch]

    mistaken = Mistaken()
    bus = Bus([[make_frame(0), make_frame(1)]])
    bus.done = lambda: len(bus.detections) == 1
    detector = service(bus, lambda: mistaken)
    detector.run(bus, bus.stop)
    assert [answer.seq for answer in bus.detections] == [1]
    assert sample(detector._metrics, "queue_drops_total", queue="frames", reason="failed_bug") == 1


def test_a_cut_that_the_bus_refused_is_made_up_for(service: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    bus = Bus([[make_frame(0, scene_cut=True)]])
    bus.accepts = False
    bus.done = lambda: len(bus.detections) == 1
    detector = service(bus)
    detector.run(bus, bus.stop)
    detector._waiting.offer(make_frame(1), 0, 0.0)
    assert detector._waiting.take(1)[0].frame.scene_cut


@pytest.mark.parametrize("error", [ModelUnavailableError("install the extra"), MemoryError("no")])
def test_a_model_that_cannot_be_had_ends_the_service_with_a_reason(
    service: Callable[..., Any], error: Exception
) -> None:
    def refuse() -> None:
        raise error

    bus = Bus()
    detector = service(bus, refuse)
    detector.run(bus, bus.stop)
    assert detector.failure
    assert str(error) in detector.failure
    assert not detector.ready


def test_ready_means_models_loaded_and_partitions_owned(
    service: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    bus = Bus([[make_frame(0)]])
    detector = service(bus, workers=2)
    seen: list[bool] = [detector.ready]

    def done() -> bool:
        if not seen[-1] and detector.ready:
            seen.append(True)
        return seen[-1]

    bus.done = done
    detector.run(bus, bus.stop)
    assert seen == [False, True]
    detector.on_revoked(frozenset({0}))
    assert not detector.ready


def test_revoked_frames_are_forgotten(service: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    detector = service(Bus())
    detector._waiting.offer(make_frame(0), 0, 0.0)
    detector.on_revoked(frozenset({0}))
    assert detector._waiting.depth == 0


def test_a_poll_that_fails_ends_the_workers_too(service: Callable[..., Any]) -> None:
    class Broken(Bus):
        def poll(self, timeout_s: float) -> list[Any]:
            raise OSError("fenced")

    bus = Broken()
    with pytest.raises(OSError, match="fenced"):
        service(bus).run(bus, bus.stop)


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.bootstrap


def test_over_a_real_bus_frames_become_detections(
    broker: str, make_frame: Callable[..., Any], fake_detector: Callable[..., Any], make_face: Callable[..., Any]
) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap=broker, embedded=True, assignment_index=0))
    stop = StopEvent()
    status: list[int] = []
    detector = fake_detector([make_face(1, 1, 9, 9)])
    thread = threading.Thread(target=lambda: status.append(run(settings, stop, lambda: detector)))
    thread.start()
    config = KafkaConfig(broker, "test", embedded=True, static_assignment=(0, 1))
    owned: set[int] = set()
    reader = BusConsumer(config, [DETECTIONS, STATUS], "test", owned.update, owned.difference_update)
    producer = BusProducer(config)
    try:
        answer, report = _first_answer(reader, producer, make_frame)
    finally:
        stop.set()
        thread.join(WAIT_S)
        producer.close()
        reader.close()
    assert len(answer.faces) == 1
    assert report.service == "detector"
    assert status == [0]


def _first_answer(
    reader: BusConsumer, producer: BusProducer, make_frame: Callable[..., Any]
) -> tuple[Detections, StatusReport]:
    """Publish frames until one is answered: what is sent before the service has its partitions is not read."""
    found: dict[type, Any] = {}
    for seq in range(int(WAIT_S / 0.05)):
        assert producer.send(FRAMES, make_frame(seq))
        for received in reader.poll(0.05):
            found.setdefault(type(received.message), received.message)
        if len(found) == 2:
            return found[Detections], found[StatusReport]
    raise AssertionError(f"only {list(found)} arrived")


def test_a_batch_that_nobody_fills_runs_all_the_same(
    service: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    """Two streams are known, and only one of them goes on."""
    bus = Bus([[make_frame(0, stream_id="a"), make_frame(0, stream_id="b")]])
    late = [make_frame(seq, stream_id="a") for seq in (1, 2)]

    def done() -> bool:
        if late and len(bus.detections) == 4 - len(late):
            bus.batches.append([late.pop(0)])
        return len(bus.detections) == 4

    bus.done = done
    detector = service(bus, batch=8)
    detector.run(bus, bus.stop)
    assert [(answer.stream_id, answer.seq) for answer in bus.detections][2:] == [("a", 1), ("a", 2)]


def test_frames_of_several_streams_are_one_run(service: Callable[..., Any], make_frame: Callable[..., Any]) -> None:
    bus = Bus([[make_frame(0, stream_id=name) for name in "abc"]])
    bus.done = lambda: len(bus.detections) == 3
    detector = service(bus, batch=8)
    detector.run(bus, bus.stop)
    assert sample(detector._metrics, "model_seconds_count", model="fake") == 1
    assert sample(detector._metrics, "work_seconds_count", activity="network") == 1
