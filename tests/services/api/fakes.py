"""What is around the api: a bus, an edge, a gallery and clocks that do what they are told."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from mosaicast.adapters.database.storage import Storage
from mosaicast.adapters.vault import Vault
from mosaicast.contracts.messages import StreamSpec
from mosaicast.contracts.topics import STREAMS
from mosaicast.runtime.metrics import Metrics
from services.api.background.outbox import OutboxSender
from services.api.deps import Addresses, Deps, Readers
from services.api.http.app import create_app
from services.api.http.kinds import KINDS
from services.api.secrets import digest
from services.api.status import StatusBoard
from tests.fakes.bus import FakeProducer

KEY = bytes(range(32))
ADMIN_TOKEN = "administrator-of-the-tests"
EDGE_TOKEN = "edge-of-the-tests"


class ApiProducer(FakeProducer):
    """Also says what was told last of a stream."""

    def newest(self, stream_id: str) -> StreamSpec | None:
        """What the other parts were told last of a stream; None: that it is gone."""
        told = [message for key, message in self.sent if key == f"{STREAMS.name}/{stream_id}"]
        return cast("StreamSpec | None", told[-1])


class FakeEdge:
    """A media server whose publishers are set by the test; None: it does not say."""

    def __init__(self) -> None:
        self.publishing: frozenset[str] | None = None
        self.dropped: list[str] = []

    async def publishers(self) -> frozenset[str] | None:
        return self.publishing

    async def drop_publisher(self, stream_id: str) -> None:
        self.dropped.append(stream_id)


class Client:
    """Talks HTTP to an app in this process. Starlette's own client wants a library that the product does not use."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None) -> None:
        self._app, self._headers = app, headers

    def open(self) -> httpx.AsyncClient:
        """For several requests at once, from one event loop."""
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=self._headers)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with self.open() as http:
                return await http.request(method, url, **more)

        return asyncio.run(ask())

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)

    def patch(self, url: str, **more: Any) -> httpx.Response:
        return self.request("PATCH", url, **more)

    def delete(self, url: str) -> httpx.Response:
        return self.request("DELETE", url)


class Unused:
    """Stands for what these tests must not touch: any use fails."""


@dataclass
class Desk:
    """An api with its surroundings."""

    folder: Path
    storage: Storage
    longest_s: float = 0.0
    media_dir: Path | None = None
    addresses: Addresses = field(default_factory=lambda: Addresses("rtmp://edge.test", "http://edge.test/hls"))
    producer: ApiProducer = field(default_factory=ApiProducer)
    edge: FakeEdge = field(default_factory=FakeEdge)
    board: StatusBoard = field(default_factory=StatusBoard)
    metrics: Metrics = field(default_factory=Metrics)
    now_ms: int = 1_700_000_000_000
    now_s: float = 100.0
    ready: bool = True

    def make_deps(self) -> Deps:
        """Make what the app is made of."""
        return Deps(
            storage=self.storage,
            outbox=OutboxSender(self.storage, self.producer, lambda: self.now_ms),
            templates=cast("Any", Unused()),
            vault=Vault(self.folder / "vault", KEY),
            enroller=cast("Any", Unused()),
            clips=cast("Any", Unused()),
            reindexer=cast("Any", Unused()),
            edge=self.edge,
            board=self.board,
            addresses=self.addresses,
            edge_token=EDGE_TOKEN,
            media_dir=self.media_dir,
            wall_ms=lambda: self.now_ms,
            monotonic_s=lambda: self.now_s,
            readers=Readers(self.longest_s),
        )

    def build(self) -> None:
        """Build the app; again after a change of what it is made of."""
        self.deps = self.make_deps()
        self.app: FastAPI = create_app(self.deps, self.metrics, ready=lambda: self.ready)
        self.anyone = Client(self.app)
        self.admin = Client(self.app, {"Authorization": f"Bearer {ADMIN_TOKEN}"})

    def create(self, **body: Any) -> dict[str, Any]:
        """Create a stream; return the answer, with its key."""
        answer = self.admin.post("/v1/streams", json={"name": "Main square", **body})
        assert answer.status_code == 201, answer.text
        return cast("dict[str, Any]", answer.json())

    def hook(self, name: str, form: str, token: str = EDGE_TOKEN) -> httpx.Response:
        """Call a hook as the edge does."""
        return self.anyone.post(**hook(name, form, token))

    def publish(self, key: str, client: str = "1") -> httpx.Response:
        return self.hook("publish", f"app=live&clientid={client}&call=publish&name={key}&type=live")

    def publish_done(self, key: str, client: str = "1") -> httpx.Response:
        return self.hook("publish_done", f"app=live&clientid={client}&call=publish_done&name={key}")


def hook(name: str, form: str, token: str = EDGE_TOKEN) -> dict[str, Any]:
    """Return the request by which the edge asks; the arguments of the client's address come last in `form`."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return {"url": f"/hooks/edge/{name}", "params": {"token": token}, "content": form, "headers": headers}


def keep_token(storage: Storage) -> None:
    storage.keep_secret("admin_token", digest(ADMIN_TOKEN))


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Return the problem that `answer` must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    kind = next(kind for kind in KINDS if kind.uri == body["type"])
    assert (kind.status, kind.title) == (status, body["title"])
    assert body["title"]
    return cast("dict[str, Any]", body)
