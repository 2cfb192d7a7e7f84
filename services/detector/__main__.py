"""Composition root of the detector: `python -m services.detector`."""

import sys
from collections.abc import Callable

import cv2

from mosaicast.adapters.detectors import Detector, make_detector
from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, KafkaConfig
from mosaicast.contracts.topics import FRAMES
from mosaicast.runtime import logs, rights
from mosaicast.runtime.dumps import forbid_dumps
from mosaicast.runtime.health import HealthServer
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import Settings, load_or_exit
from services.detector.service import DetectorService, Shape

GROUP = "detector"


def main() -> int:
    """Run until a signal; return the exit status: 0 asked to stop, 1 could not go on."""
    rights.make_private()
    forbid_dumps()
    settings = load_or_exit("detector")
    logs.configure("detector", level=settings.log_level)
    # One core a worker: OpenCV's own threads would fight with the models'.
    cv2.setNumThreads(1)
    try:
        return run(settings, StopEvent().install())
    except BusError as exc:
        logs.get_logger(__name__).error("bus_failed", error=str(exc), fault=exc.fault, retry=exc.retry)
        return 1


def run(settings: Settings, stop: StopEvent, make: Callable[[], Detector] | None = None) -> int:
    """Build the service from its settings and run it.

    Args:
        make: makes a worker's detector; by default the one that the settings name.

    Raises:
        BusError: the message log refuses us for good.
        OSError: the port of the health server is taken.
    """
    metrics = Metrics()
    producer = BusProducer(_kafka(settings), lambda topic, reason: metrics.bus_drops.labels(topic, reason).inc())
    chosen = settings.detector
    service = DetectorService(
        producer,
        make or (lambda: make_detector(chosen.model, weights=chosen.weights, width=chosen.width, device=chosen.device)),
        metrics,
        Shape(settings.instance, chosen.workers, chosen.batch),
    )
    health = HealthServer(settings.metrics_host, settings.metrics_port, metrics.registry, lambda: service.ready)
    health.start()
    try:
        _consume(settings, service, metrics, stop)
    finally:
        producer.close()
        health.close()
    if service.failure is not None:
        logs.get_logger(__name__).error("stopped", error=service.failure)
        return 1
    return 0


def _consume(settings: Settings, service: DetectorService, metrics: Metrics, stop: StopEvent) -> None:
    consumer = BusConsumer(
        _kafka(settings),
        [FRAMES],
        GROUP,
        service.on_assigned,
        service.on_revoked,
        on_bad=lambda topic, reason: metrics.contract_errors.labels(topic, reason).inc(),
    )
    try:
        service.run(consumer, stop)
    finally:
        consumer.close()


def _kafka(settings: Settings) -> KafkaConfig:
    kafka = settings.kafka
    share = None if kafka.assignment_index is None else (kafka.assignment_index, kafka.assignment_count)
    return KafkaConfig(
        bootstrap=kafka.bootstrap,
        client_id=f"detector-{settings.instance}",
        embedded=kafka.embedded,
        static_assignment=share,
    )


if __name__ == "__main__":
    sys.exit(main())
