"""The gallery of enrolled faces, in Qdrant: a server by URL, or its local mode in a folder.

One collection for each embedding model and version, so that vectors of two models never meet. The local mode lets one
process at a time into its folder: a writer opens it, writes and leaves; a reader opens it, copies one owner's
templates into memory, leaves, and searches there until `refresh` is called again.
"""

import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId

LOCK_PATIENCE_S = 5.0
"""How long to wait for another process to leave the folder; each stays for milliseconds."""
_PAGE = 1000
_LIMIT = 40
"""Templates asked for per face: the two best persons are among them while nobody has more than 20."""
T = TypeVar("T")


class GalleryUnavailable(Exception):  # noqa: N818 - a state, and the design's word for it
    """The store is away, slow or broken: nobody new becomes visible. Trying again may help."""


@dataclass(frozen=True, slots=True)
class GalleryConfig:
    """Where templates are, and of which model."""

    model: str
    version: str
    dimension: int
    path: Path
    """Folder of the local mode."""
    url: str | None = None
    """A server; None: local mode."""
    api_key: str | None = None
    timeout_s: float = 0.5

    @property
    def collection(self) -> str:
        """Name of the collection: mixing models is impossible by construction."""
        return f"faces-{self.model}-{self.version}".replace("/", "-")


@dataclass(frozen=True, slots=True)
class _Templates:
    """One owner's templates in memory."""

    vectors: NDArray[np.float32]
    people: tuple[str, ...]


class QdrantGallery:
    """Templates by owner and person. Thread-safe."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._server: QdrantClient | None = None
        self._copies: dict[str, _Templates] = {}

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep vectors of length 1 (float32 [n, dimension]) of a person.

        Raises:
            GalleryUnavailable: as every method here.
            ValueError: vectors of another dimension.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._config.dimension:
            raise ValueError(f"vectors of shape {vectors.shape}, not [n, {self._config.dimension}]")
        points = [
            models.PointStruct(id=str(uuid.uuid4()), vector=vector.tolist(), payload={"owner": owner, "person": person})
            for vector in vectors
        ]
        with self._open() as client:
            _mapped(lambda: client.upsert(self._config.collection, points, wait=True))

    def delete_person(self, owner: str, person: str) -> None:
        """Erase a person's templates."""
        selector = models.FilterSelector(filter=_filter(owner=owner, person=person))
        with self._open() as client:
            _mapped(lambda: client.delete(self._config.collection, selector, wait=True))

    def refresh(self, owner: str) -> None:
        """Read an owner's templates anew (local mode; a server is asked each time)."""
        if self._config.url is None:
            copy = self._read(owner)
            with self._lock:
                self._copies[owner] = copy

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, best first, each once."""
        if self._config.url is None:
            return self._search_copy(owner, vectors)
        requests = [
            models.QueryRequest(query=vector.tolist(), filter=_filter(owner=owner), limit=_LIMIT, with_payload=True)
            for vector in vectors
        ]
        with self._open() as client:
            answers = _mapped(lambda: client.query_batch_points(self._config.collection, requests))
        return [_best((str((p.payload or {}).get("person")), p.score) for p in answer.points) for answer in answers]

    def close(self) -> None:
        """Close the connection to a server."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    def _search_copy(self, owner: str, vectors: NDArray[np.float32]) -> list[list[Match]]:
        with self._lock:
            copy = self._copies.get(owner)
        if copy is None:
            self.refresh(owner)
            with self._lock:
                copy = self._copies[owner]
        similarities = vectors @ copy.vectors.T if len(copy.people) else np.zeros((len(vectors), 0))
        return [_best(zip(copy.people, (float(s) for s in row), strict=True)) for row in similarities]

    def _read(self, owner: str) -> _Templates:
        vectors: list[object] = []
        people: list[str] = []
        with self._open() as client:
            offset = None
            while True:
                page, offset = _mapped(
                    lambda offset=offset: client.scroll(  # type: ignore[misc]
                        self._config.collection, _filter(owner=owner), limit=_PAGE, offset=offset, with_vectors=True
                    )
                )
                for point in page:
                    vectors.append(point.vector)
                    people.append(str((point.payload or {}).get("person")))
                if offset is None:
                    break
        matrix = np.asarray(vectors, np.float32).reshape(len(people), self._config.dimension)
        return _Templates(matrix, tuple(people))

    @contextmanager
    def _open(self) -> Iterator[QdrantClient]:
        if self._config.url is None:
            client = self._enter_folder()
            try:
                self._ensure(client)
                yield client
            finally:
                _mapped(client.close)
            return
        with self._lock:
            if self._server is None:
                self._server = self._connect()
            client = self._server
        yield client

    def _connect(self) -> QdrantClient:
        config = self._config
        client = _mapped(
            lambda: QdrantClient(
                url=config.url,
                api_key=config.api_key,
                timeout=max(1, round(config.timeout_s)),
                check_compatibility=False,
            )
        )
        self._ensure(client)
        return client

    def _enter_folder(self) -> QdrantClient:
        self._config.path.mkdir(parents=True, exist_ok=True)
        attempts = Retrying(
            retry=retry_if_exception_type(GalleryUnavailable),
            stop=stop_after_delay(LOCK_PATIENCE_S),
            wait=wait_random_exponential(multiplier=0.01, max=0.1),
            reraise=True,
        )
        client: QdrantClient = attempts(lambda: _mapped(lambda: QdrantClient(path=str(self._config.path))))
        return client

    def _ensure(self, client: QdrantClient) -> None:
        config = self._config

        def ensure() -> None:
            if client.collection_exists(config.collection):
                return
            client.create_collection(
                config.collection, models.VectorParams(size=config.dimension, distance=models.Distance.COSINE)
            )
            if config.url is not None:  # the local mode has no indexes
                tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
                client.create_payload_index(config.collection, "owner", tenant)

        _mapped(ensure)


def _mapped(call: Callable[[], T]) -> T:
    """Run a call of the library; whatever it raises, the gallery is unavailable.

    Its errors have no common base: HTTP, gRPC, locks, SQLite, pickles of the local mode.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()
    except Exception as exc:
        raise GalleryUnavailable(type(exc).__name__) from exc


def _filter(**values: str) -> models.Filter:
    return models.Filter(
        must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in values.items()]
    )


def _best(scored: "Iterator[tuple[str, float]] | zip[tuple[str, float]]") -> list[Match]:
    best: dict[str, float] = {}
    for person, similarity in scored:
        best[person] = max(similarity, best.get(person, -1.0))
    return [Match(PersonId(person), value) for person, value in sorted(best.items(), key=lambda item: -item[1])]
