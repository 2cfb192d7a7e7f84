"""Composition root of the api: `python -m services.api`."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial

import uvicorn
from fastapi import FastAPI

from mosaicast.adapters.binding import bind
from mosaicast.adapters.database.storage import Storage, StorageError
from mosaicast.adapters.gallery.qdrant import QdrantGallery
from mosaicast.adapters.gallery.takeover import take_over
from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, StateReader, TopicWatch, ensure_topics
from mosaicast.adapters.media.clips import ClipDecoder
from mosaicast.adapters.media.photos import PhotoDecoder
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import Vault, VaultError, read_key
from mosaicast.contracts.messages import StatusReport
from mosaicast.contracts.topics import STATUS, STREAMS
from mosaicast.runtime import logs, rights
from mosaicast.runtime.children import ForkServer
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.sandbox import Access
from mosaicast.runtime.settings import ApiServiceSettings
from services.api.background.alignment import align
from services.api.background.consents import keep_consents
from services.api.background.leftovers import keep_clean
from services.api.background.lost_templates import keep_templates
from services.api.background.lost_topics import keep_topics
from services.api.background.outbox import OutboxSender
from services.api.background.renewal import keep_renewed
from services.api.background.upkeep import keep_up
from services.api.deps import Addresses, Deps
from services.api.edge_control import EdgeControl
from services.api.http.app import create_app
from services.api.http.watch import HLS_JS, player_folder
from services.api.people.clips import ClipJudge
from services.api.people.enrollment import Enroller
from services.api.people.face_models import ModelChild, listed
from services.api.people.face_models import load as load_models
from services.api.people.records import announce
from services.api.people.reindex import Reindexer
from services.api.people.templates import Templates
from services.api.secrets import digest, new_secret
from services.api.status import StatusBoard
from services.wiring import begin, count_bad, count_drops, gallery_config, health_server, kafka_config

_POLL_S = 0.2
_PRELOADED = ("mosaicast.adapters.media.photos", "mosaicast.adapters.media.clip_child")
_LOG = logs.get_logger(__name__)


def main() -> int:
    """Run until a signal; return the exit status: 0 asked to stop, 1 could not go on."""
    settings = begin("api", ApiServiceSettings)
    try:
        run(settings)
    except (BusError, StorageError, VaultError, ModelError) as exc:
        _LOG.error("cannot_go_on", error=str(exc))
        return 1
    return 0


def run(settings: ApiServiceSettings) -> None:
    """Build the api from its settings and serve.

    Raises:
        StorageError: the database is away.
        VaultError: the photos' folder fails, or its key is another one.
        ModelError: a face model is missing or broken.
        BusError: the message log refuses us for good.
        OSError: the port of the metrics is taken.
    """
    children = ForkServer(_PRELOADED)  # before anything that starts a thread
    metrics = Metrics()
    children.tell_layers(_LOG, metrics)
    for sentence in rights.mend(settings.data_dir):
        _LOG.warning("rights_mended", detail=sentence)
    if not (player_folder() / HLS_JS).is_file():
        _LOG.warning("player_missing")
    storage = _storage(settings)
    ensure_topics(kafka_config(settings, "api"))
    producer = _producer(settings, metrics)
    edge = EdgeControl(settings.control.url, settings.control.token.get_secret_value())
    models = _models(settings, children)
    outbox = OutboxSender(storage, producer, wall_ms)
    outbox.hold_repeats()
    enroller = Enroller(PhotoDecoder(children), models)
    deps = _deps(settings, storage, outbox, edge, (enroller, ClipJudge(ClipDecoder(children), models, enroller)))
    stop = threading.Event()
    follower, *others = _threads(settings, deps, metrics, stop)
    health = health_server(settings, metrics, follower.is_alive)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        health.start()
        async with _background(deps, TopicWatch(kafka_config(settings, "api-topics")), [follower, *others], stop):
            yield
        await edge.close()
        for part in (models, producer, storage, health):
            part.close()

    _serve(settings, create_app(deps, metrics, ready=follower.is_alive, lifespan=lifespan))


def _serve(settings: ApiServiceSettings, app: FastAPI) -> None:
    host, port = settings.api.host, settings.api.port
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, server_header=False)


def _storage(settings: ApiServiceSettings) -> Storage:
    storage = Storage(settings.database.url or f"sqlite:///{settings.data_dir / 'mosaicast.db'}")
    storage.migrate()
    _keep_admin_token(storage, settings)
    return storage


def _producer(settings: ApiServiceSettings, metrics: Metrics) -> BusProducer:
    return BusProducer(kafka_config(settings, "api"), count_drops(metrics), confirms=True)


def _models(settings: ApiServiceSettings, children: ForkServer) -> ModelChild:
    names, folder = settings.recognition.networks, settings.models_dir
    return ModelChild(
        children, partial(load_models, names, folder), Access(read=(folder,)), networks=listed(names, folder)
    )


def _threads(
    settings: ApiServiceSettings, deps: Deps, metrics: Metrics, stop: threading.Event
) -> list[threading.Thread]:
    """Return what runs beside the server; the first one follows the status."""
    return [
        threading.Thread(target=_follow_status, args=(settings, deps.board, metrics, stop), name="status"),
        threading.Thread(target=deps.outbox.run, args=(stop,), name="outbox"),
        threading.Thread(target=_align, args=(settings, deps.storage, deps.outbox, stop), name="align"),
    ]


@contextlib.asynccontextmanager
async def _background(
    deps: Deps, topics: TopicWatch, threads: Sequence[threading.Thread], stop: threading.Event
) -> AsyncIterator[None]:
    """Run what is done unasked."""
    for thread in threads:
        thread.start()
    keeping = (keep_up, keep_consents, keep_renewed, keep_templates, keep_clean)
    tasks = [asyncio.create_task(keep(deps)) for keep in keeping]
    tasks.append(asyncio.create_task(keep_topics(deps, topics)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        stop.set()
        deps.outbox.wake()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await asyncio.to_thread(deps.reindexer.stop)


def _align(settings: ApiServiceSettings, storage: Storage, outbox: OutboxSender, stop: threading.Event) -> None:
    align(
        lambda: StateReader(kafka_config(settings, "api-align"), STREAMS), storage, wall_ms, wake=outbox.wake, stop=stop
    )
    outbox.release_repeats()


def _deps(
    settings: ApiServiceSettings,
    storage: Storage,
    outbox: OutboxSender,
    edge: EdgeControl,
    judges: tuple[Enroller, ClipJudge],
) -> Deps:
    vault, (enroller, clips) = _vault(settings), judges
    key = read_key(settings.vault_key, settings.vault_key_path)
    galleries = {network: QdrantGallery(gallery_config(settings, network, key=key)) for network in enroller.networks}
    _take_over(settings)
    templates = Templates(galleries)
    deps = Deps(
        storage=storage,
        outbox=outbox,
        templates=templates,
        vault=vault,
        enroller=enroller,
        clips=clips,
        reindexer=Reindexer(storage, vault, templates, enroller, lambda owner: announce(deps, owner)),
        edge=edge,
        board=StatusBoard(),
        addresses=Addresses(settings.edge.public_rtmp_url, settings.edge.public_hls_url, settings.api.public_url),
        edge_token=settings.edge.token.get_secret_value(),
        media_dir=settings.media_dir,
        wall_ms=wall_ms,
        monotonic_s=monotonic_s,
    )
    refuses = bind(storage, vault)
    if refuses is not None:
        _LOG.error("vault_refuses", detail=refuses)
    return deps


def _take_over(settings: ApiServiceSettings) -> None:
    """Take over the gallery of an earlier version, before anybody can be enrolled or erased."""
    if settings.qdrant.url is not None:
        return
    done = take_over(settings.former_gallery_path, settings.gallery_path)
    if done.people:
        _LOG.info("gallery_taken_over", people=done.people)
    for folder, reason in done.left.items():
        _LOG.error("gallery_not_taken_over", folder=folder, reason=reason, help="mosaicast doctor")


def _vault(settings: ApiServiceSettings) -> Vault:
    return Vault(settings.data_dir / "vault", read_key(settings.vault_key, settings.vault_key_path))


def _keep_admin_token(storage: Storage, settings: ApiServiceSettings) -> None:
    """Keep the preset token, or make one at the first start and print it, this once."""
    # Empty is how a compose file passes on what is not set; it must not become a token that everybody knows.
    preset = settings.api.admin_token.get_secret_value().strip() if settings.api.admin_token is not None else ""
    if preset:
        storage.keep_secret("admin_token", digest(preset))
    elif storage.secret_sha256("admin_token") is None:
        token = new_secret()
        storage.keep_secret("admin_token", digest(token))
        sys.stdout.write(f"administrator token (shown this once): {token}\n")
        sys.stdout.flush()


def _follow_status(settings: ApiServiceSettings, board: StatusBoard, metrics: Metrics, stop: threading.Event) -> None:
    # Every instance of the api wants every report: a fixed share of one has all partitions, and starts at their end.
    kafka = kafka_config(settings, "api-status", all_partitions=True)
    consumer = BusConsumer(
        kafka,
        [STATUS],
        "api-status",
        lambda _: None,
        lambda _: None,
        on_bad=count_bad(metrics),
    )
    try:
        while not stop.is_set():
            for received in consumer.poll(_POLL_S):
                if isinstance(received.message, StatusReport):
                    board.take(received.message, monotonic_s())
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
