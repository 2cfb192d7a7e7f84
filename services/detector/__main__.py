"""Composition root of the detector: `python -m services.detector`."""

import sys
from collections.abc import Callable

import cv2

from mosaicast.adapters.detectors import Detector, make_detector
from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer
from mosaicast.adapters.models.placement import default_batch, default_jpeg_threads
from mosaicast.adapters.models.torch_device import expected_device
from mosaicast.contracts.topics import FRAMES, OUTGOING
from mosaicast.runtime import logs
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import DetectorServiceSettings
from services.detector.analysis import threads
from services.detector.outgoing import WIDTH
from services.detector.service import DetectorService, Shape
from services.wiring import begin, count_bad, count_drops, health_server, kafka_config

GROUP = "detector"


def main() -> int:
    """Run until a signal; return the exit status: 0 asked to stop, 1 could not go on."""
    settings = begin("detector", DetectorServiceSettings)
    # One core a worker: OpenCV's own threads would fight with the models'.
    cv2.setNumThreads(1)
    try:
        return run(settings, StopEvent().install())
    except BusError as exc:
        logs.get_logger(__name__).error("cannot_go_on", error=str(exc), fault=exc.fault, retry=exc.retry)
        return 1


def run(settings: DetectorServiceSettings, stop: StopEvent, make: Callable[[], Detector] | None = None) -> int:
    """Build the service from its settings and run it.

    Args:
        make: makes a worker's detector; by default the one that the settings name.

    Raises:
        BusError: the message log refuses us for good.
        OSError: the port of the health server is taken.
    """
    chosen = settings.detector
    device = expected_device(chosen.device)
    batch = chosen.batch or default_batch("detector", device)
    with threads(chosen.jpeg_threads or default_jpeg_threads(device)) as over:
        return _run(settings, Shape(settings.instance, chosen.workers, batch, over), stop, make)


def _run(settings: DetectorServiceSettings, shape: Shape, stop: StopEvent, make: Callable[[], Detector] | None) -> int:
    metrics = Metrics()
    producer = BusProducer(kafka_config(settings, "detector"), count_drops(metrics))
    chosen = settings.detector

    def make_at(width: int) -> Detector:
        return make_detector(chosen.model, weights=chosen.weights, width=width, device=chosen.device, over=shape.over)

    guards = settings.guard.looks_per_s > 0 and make is None
    service = DetectorService(
        producer,
        make or (lambda: make_at(chosen.width)),
        metrics,
        shape,
        (lambda: make_at(min(WIDTH, chosen.width))) if guards else None,
    )
    health = health_server(settings, metrics, lambda: service.ready)
    health.start()
    try:
        _consume(settings, service, metrics, stop)
    finally:
        producer.close()
        health.close()
    if service.failure is not None:
        logs.get_logger(__name__).error("cannot_go_on", error=service.failure)
        return 1
    return 0


def _consume(settings: DetectorServiceSettings, service: DetectorService, metrics: Metrics, stop: StopEvent) -> None:
    consumer = BusConsumer(
        kafka_config(settings, "detector"),
        [FRAMES, OUTGOING],
        GROUP,
        service.on_assigned,
        service.on_revoked,
        on_bad=count_bad(metrics),
    )
    try:
        service.run(consumer, stop)
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
