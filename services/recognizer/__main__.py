"""Composition root of the recognizer: `python -m services.recognizer`."""

import sys
from collections.abc import Callable

import cv2

from mosaicast.adapters.embedders import make_embedder
from mosaicast.adapters.embedders.cohort import cohort_scorer
from mosaicast.adapters.gallery.qdrant import QdrantGallery
from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, StateReader
from mosaicast.adapters.models.placement import default_batch
from mosaicast.adapters.models.torch_device import expected_device
from mosaicast.adapters.vault import VaultError, read_key
from mosaicast.contracts.topics import DETECTIONS, GALLERY, STREAMS
from mosaicast.runtime import logs
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import RecognizerServiceSettings
from services.recognizer.policy import FaceMatcher, policy_for
from services.recognizer.service import RecognizerService
from services.recognizer.worker import Answer, EmbeddingWorker, People
from services.wiring import begin, count_bad, count_drops, gallery_config, health_server, kafka_config

GROUP = "recognizer"


def main() -> int:
    """Run until a signal; return the exit status: 0 asked to stop, 1 could not go on."""
    settings = begin("recognizer", RecognizerServiceSettings)
    cv2.setNumThreads(1)
    try:
        return run(settings, StopEvent().install())
    except (BusError, VaultError) as exc:
        logs.get_logger(__name__).error("cannot_go_on", error=str(exc))
        return 1


def run(settings: RecognizerServiceSettings, stop: StopEvent) -> int:
    """Build the service from its settings and run it.

    Raises:
        BusError: the message log refuses us for good.
        VaultError: the templates' key is none, or can't be read.
        OSError: the port of the health server is taken.
    """
    # A server holds the templates as they are, and only one machine has the file with the key.
    key = None if settings.qdrant.url else read_key(settings.vault_key, settings.vault_key_path)
    metrics = Metrics()
    kafka = kafka_config(settings, "recognizer")
    producer = BusProducer(kafka, count_drops(metrics))

    chosen = settings.recognition
    batch = chosen.batch or default_batch("embedder", expected_device(chosen.device))

    def make_worker(on_event: Callable[[Answer | People], None]) -> EmbeddingWorker:
        return EmbeddingWorker(lambda: _matchers(settings, key), metrics, on_event, batch=batch)

    policy = policy_for(settings.recognition.networks)
    service = RecognizerService(producer, make_worker, metrics, settings.instance, policy)
    health = health_server(settings, metrics, lambda: service.ready, lambda: not service.failure)
    health.start()
    on_bad = count_bad(metrics)
    detections = BusConsumer(kafka, [DETECTIONS], GROUP, service.on_assigned, service.on_revoked, on_bad=on_bad)
    specs = StateReader(kafka, STREAMS, on_bad=on_bad)
    changes = StateReader(kafka, GALLERY, on_bad=on_bad)
    try:
        service.run(detections, specs, changes, stop)
    finally:
        for closing in (detections, specs, changes, producer, health):
            closing.close()
    return 1 if service.failure else 0


def _matchers(settings: RecognizerServiceSettings, key: bytes | None) -> list[FaceMatcher]:
    """Load the networks that must agree, the first one first."""
    matchers = []
    for name, floor in zip(settings.recognition.networks, settings.recognition.floors, strict=True):
        embedder = make_embedder(name, models_dir=settings.models_dir, device=settings.recognition.device)
        scorer = cohort_scorer(embedder.name, embedder.version, floor=floor)
        # Longer patience, and everybody is masked meanwhile.
        config = gallery_config(settings, embedder, key=key, scorer=scorer, patience_s=0.3)
        matchers.append(FaceMatcher(embedder, QdrantGallery(config)))
    return matchers


if __name__ == "__main__":
    sys.exit(main())
