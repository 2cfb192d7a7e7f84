"""Composition root of the compositor: `python -m services.compositor`."""

import sys
from typing import Any

from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, StateReader
from mosaicast.contracts.topics import MEDIA, OUTGOING_FACES, STREAMS, VERDICTS, Topic
from mosaicast.runtime import logs
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.sandbox import Access
from mosaicast.runtime.settings import CompositorServiceSettings
from services.compositor import entry
from services.compositor.hls_store import hls_maker
from services.compositor.service import CompositorService
from services.wiring import begin, count_bad, count_drops, health_server, kafka_config

GROUP = "compositor"
LIMITS = Limits(address_space_bytes=6 * 1024**3)
"""A 4K stream holds about 150 ms of decoded frames and x264's own; the rest is mapped libraries."""


def main() -> int:
    """Run until a signal; return the exit status: 0 asked to stop, 1 could not go on."""
    settings = begin("compositor", CompositorServiceSettings)
    try:
        run(settings, StopEvent().install())
    except BusError as exc:
        logs.get_logger(__name__).error("cannot_go_on", error=str(exc))
        return 1
    return 0


def run(settings: CompositorServiceSettings, stop: StopEvent) -> None:
    """Build the service from its settings and run it.

    Raises:
        BusError: the message log refuses us for good.
        OSError: the port of the health server is taken.
    """
    fork_server = ForkServer([entry.PRELOAD])  # before anything that starts a thread
    metrics = Metrics()
    fork_server.tell_layers(logs.get_logger(__name__), metrics)
    token = settings.edge.token.get_secret_value()
    codecs = settings.media.live.codecs | settings.media.file.codecs

    def spawn(stream_id: str) -> ChildProcess:
        url = f"{settings.edge.rtmp_url}/masked/{stream_id}?token={token}"
        name, access = f"compositor-{stream_id}", Access.to_server(url)
        work = (url, codecs, settings.guard.looks_per_s)
        return fork_server.spawn(entry.run_child, work, name=name, limits=LIMITS, access=access)

    kafka = kafka_config(settings, "compositor")
    producer = BusProducer(kafka, count_drops(metrics))
    service = CompositorService(spawn, producer, metrics, settings.instance, make_hls=hls_maker(settings, stop))
    health = health_server(settings, metrics, lambda: service.ready)
    health.start()
    on_bad = count_bad(metrics)
    read: list[Topic[Any]] = [MEDIA, VERDICTS, OUTGOING_FACES]
    log = BusConsumer(kafka, read, GROUP, service.on_assigned, service.on_revoked, on_bad=on_bad)
    specs = StateReader(kafka, STREAMS, on_bad=on_bad)
    try:
        service.run(log, specs, stop)
    finally:
        log.close()
        specs.close()
        producer.close()
        health.close()


if __name__ == "__main__":
    sys.exit(main())
