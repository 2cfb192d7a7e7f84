"""Composition root of ingest: `python -m services.ingest`."""

import sys
from collections.abc import Callable
from pathlib import Path

from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, KafkaConfig, TailReader
from mosaicast.contracts.topics import MEDIA, STATUS, STREAMS
from mosaicast.runtime import logs
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.sandbox import Access
from mosaicast.runtime.settings import IngestServiceSettings
from services.ingest import entry
from services.ingest.context import IngestContext
from services.ingest.plan import Planner
from services.ingest.service import IngestService
from services.ingest.wire import Job
from services.wiring import begin, count_bad, count_drops, health_server, kafka_config

CHILD_LIMITS = Limits(address_space_bytes=2 * 1024**3, open_files=64)
"""A child maps 0.6 GB of libraries; decoding 4K H.264 takes 0.4 GB more. The rest is room for 8K."""
FLUSH_S = 2.0


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status: 0 asked to stop, 1 could not go on."""
    settings = begin("ingest", IngestServiceSettings)
    try:
        run(settings, StopEvent().install())
    except BusError as exc:
        logs.get_logger(__name__).error("cannot_go_on", error=str(exc))
        return 1
    return 0


def run(settings: IngestServiceSettings, stop: StopEvent) -> None:
    """Build the service from its settings and run it.

    Raises:
        BusError: the message log refuses us for good.
        OSError: the port of the health server is taken.
    """
    log = logs.get_logger(__name__)
    children = ForkServer(preload=[entry.PRELOAD])  # before anything that starts a thread
    metrics, kafka = Metrics(), kafka_config(settings, "ingest")
    children.tell_layers(log, metrics)
    producer = BusProducer(
        kafka,
        on_drop=count_drops(metrics),
        on_loss=lambda topic, key: service.on_lost(key) if topic == MEDIA.name else None,
    )
    token, media = settings.edge.token.get_secret_value(), settings.media
    context = IngestContext(
        planner=Planner(settings.edge.rtmp_url, token, settings.media_dir, media.live, media.file),
        spawn=_spawner(children), bus=producer, metrics=metrics, log=log, instance=settings.instance,
    )  # fmt: skip
    service = IngestService(context)
    consumer, reports = _consumer(kafka, service, metrics), TailReader(kafka, STATUS, on_bad=count_bad(metrics))
    health = health_server(settings, metrics, lambda: service.ready).start()
    log.info("service_runs", metrics_port=health.port)
    try:
        service.run(consumer, reports, stop)
    finally:
        service.close()
        for closing in (consumer, reports):
            closing.close()
        producer.close(FLUSH_S)
        health.close()


def _spawner(children: ForkServer) -> Callable[[Job], ChildProcess]:
    def spawn(job: Job) -> ChildProcess:
        name, access = f"ingest-{job.stream_id}", access_of(job)
        return children.spawn(entry.run_child, (job,), name=name, limits=CHILD_LIMITS, access=access)

    return spawn


def access_of(job: Job) -> Access:
    """Return what the child of this job reaches: the edge, or one file and no network."""
    return Access.to_server(job.url) if job.live else Access(read=(Path(job.url),))


def _consumer(kafka: KafkaConfig, service: IngestService, metrics: Metrics) -> BusConsumer:
    return BusConsumer(
        kafka,
        [STREAMS],
        "ingest",
        service.on_assigned,
        service.on_revoked,
        from_beginning=True,
        on_bad=count_bad(metrics),
    )


if __name__ == "__main__":
    sys.exit(main())
