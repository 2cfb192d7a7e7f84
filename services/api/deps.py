"""What the api's routes work with, built in the composition root."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from mosaicast.adapters.storage import Storage, Stream
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import STREAMS, Topic
from services.api.enrolment import Enroller
from services.api.problems import ProblemError
from services.api.status import StatusBoard


class Producer(Protocol):
    """The bus's writing side."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Hand over a message without blocking; False: it was dropped."""


class Gallery(Protocol):
    """Where templates are kept."""

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep the vectors of a person. Raises GalleryUnavailable."""

    def delete_person(self, owner: str, person: str) -> None:
        """Forget a person. Raises GalleryUnavailable."""


class Edge(Protocol):
    """The media server's control side."""

    async def publishers(self) -> frozenset[str] | None:
        """Return the streams that somebody publishes raw now; None: it does not say."""

    async def drop_publisher(self, stream_id: str) -> None:
        """Cut off whoever publishes on a stream; best effort."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """How people reach the edge."""

    rtmp_url: str
    hls_url: str

    def masked(self, stream_id: str) -> tuple[str, str]:
        """Return the RTMP and HLS addresses of a masked stream."""
        return f"{self.rtmp_url}/masked/{stream_id}", f"{self.hls_url}/{stream_id}.m3u8"


class Readers:
    """Lets a publisher begin when ingest listens: whoever joins later waits for the next keyframe, often for seconds.

    Used by one event loop only.
    """

    def __init__(self, longest_s: float = 2.0) -> None:
        self._longest_s = longest_s
        self._expected: dict[str, asyncio.Event] = {}

    def expect(self, stream_id: str) -> None:
        """A publication is about to be announced."""
        self._expected[stream_id] = asyncio.Event()

    def came(self, stream_id: str) -> None:
        """Ingest plays the raw stream."""
        if stream_id in self._expected:
            self._expected[stream_id].set()

    async def wait(self, stream_id: str) -> bool:
        """Wait until ingest plays, at most `longest_s`; False: it did not, and the publisher begins all the same."""
        try:
            await asyncio.wait_for(self._expected[stream_id].wait(), self._longest_s)
        except TimeoutError:
            return False
        finally:
            self._expected.pop(stream_id, None)
        return True


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything that the routes use."""

    storage: Storage
    producer: Producer
    gallery: Gallery
    enroller: Enroller
    edge: Edge
    board: StatusBoard
    addresses: Addresses
    edge_token: str
    media_dir: Path | None
    wall_ms: Callable[[], int]
    monotonic_s: Callable[[], float]
    readers: Readers = field(default_factory=Readers)

    def announce(self, stream: Stream) -> None:
        """Tell the other parts what is wanted of a stream."""
        self.producer.send(STREAMS, stream.spec())

    def stream(self, stream_id: str) -> Stream:
        """Return a stream.

        Raises:
            ProblemError: 404.
        """
        return found(self.storage.stream(stream_id), stream_id)


def found(stream: Stream | None, stream_id: str) -> Stream:
    """Return the stream, or say that there is none.

    Raises:
        ProblemError: 404.
    """
    if stream is None:
        raise ProblemError(404, f"there is no stream `{stream_id[:64]}`")
    return stream


def new_secret() -> str:
    """Return a new key or token: 192 random bits."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> str:
    """Return the hash under which a secret is kept.

    Plain SHA-256: the secrets are ours and random, there is nothing to guess that salt or stretching would slow down.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time; an empty one is never right."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def deps_of(request: Request) -> Deps:
    """Return what the app was built with."""
    deps: Deps = request.app.state.deps
    return deps


def require_admin(request: Request) -> None:
    """Let pass whoever has the administrator's token.

    Raises:
        ProblemError: 401.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = deps_of(request).storage.secret_sha256("admin_token")
    if scheme.lower() != "bearer" or not expected or not same(digest(token.strip()), expected):
        raise ProblemError(401, "send `Authorization: Bearer TOKEN` with the administrator's token")
