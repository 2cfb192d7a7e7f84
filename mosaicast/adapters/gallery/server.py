"""The gallery on a Qdrant server: one connection, made when it is needed, made anew after an error.

A collection for each model, the owner as tenant index; every request is filtered by owner. The server compares vectors,
so it has them as they are.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models

from mosaicast.adapters.gallery.store import (
    COLLECTIONS,
    MOST_MATCHES,
    GalleryConfig,
    GalleryUnavailable,
    Payload,
    translate_errors,
    version_texts,
)
from mosaicast.core.identity import Match
from mosaicast.core.types import PersonId

Vectors = NDArray[np.float32]
_PAGE = 1000


class Server:
    """A server. Thread-safe. Every method may raise GalleryUnavailable; the next call connects anew then."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None
        self._made = False
        """Whether the collection was seen to exist since the client connected."""

    def keep(self, owner: str, person: str, vectors: Vectors) -> None:
        """Keep templates of a person, all or none."""
        payload = {"owner": owner, "person": person}
        points = [models.PointStruct(id=str(uuid.uuid4()), vector=row.tolist(), payload=payload) for row in vectors]
        with self._open() as client:
            try:
                translate_errors(lambda: client.upsert(self._config.collection, points, wait=True))
            except GalleryUnavailable:
                # A part of a person would be somebody whom nobody knows of and nobody can delete.
                kept = models.PointIdsList(points=[point.id for point in points])
                with suppress(GalleryUnavailable):
                    translate_errors(lambda: client.delete(self._config.collection, kept, wait=True))
                raise

    def erase(self, owner: str, person: str, *, every_model: bool) -> None:
        """Erase a person's templates, of this model or of all; the server's own files are the server's."""
        chosen = models.FilterSelector(filter=_owned_by(owner, person))
        with self._open(make=not every_model) as client:
            for name in self._collections(client) if every_model else [self._config.collection]:
                translate_errors(lambda: client.delete(name, chosen, wait=True))  # noqa: B023 - called at once

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of every point in every collection."""
        with self._open(make=False) as client:
            points = [point for name in self._collections(client) for point in _scroll(client, name, None)]
        return frozenset((_owner(point.payload), _person(point.payload)) for point in points)

    def search(self, owner: str, vectors: Vectors) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, with one request for all."""
        requests = [
            models.QueryRequest(
                query=vector.tolist(),
                filter=_owned_by(owner),
                limit=MOST_MATCHES,
                with_payload=True,
                with_vector=self._config.scorer is not None,
            )
            for vector in vectors
        ]
        with self._open() as client:
            answers = translate_errors(lambda: client.query_batch_points(self._config.collection, requests))
        return [self._scored(vector, answer.points) for vector, answer in zip(vectors, answers, strict=True)]

    def versions(self, owner: str) -> Mapping[PersonId, str]:
        """Read who is enrolled."""
        ids: dict[str, list[str]] = defaultdict(list)
        with self._open() as client:
            for point in _scroll(client, self._config.collection, _owned_by(owner)):
                ids[_person(point.payload)].append(str(point.id))
        return version_texts(ids)

    def forget(self, owner: str) -> None:
        """Nothing: the server is asked each time."""

    def check(self) -> bool:
        """Ask the server for the collection. Nothing of it is kept here, so nothing can be outdated.

        Raises:
            GalleryUnavailable: no answer, or the collection is gone; the next call makes it anew, empty.
        """
        with self._open() as client:
            if not translate_errors(lambda: client.collection_exists(self._config.collection)):
                raise GalleryUnavailable("no_collection")
        return False

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            client = self._client
        if client is not None:
            self._drop(client)

    def _scored(self, vector: Vectors, points: Sequence[models.ScoredPoint]) -> list[Match]:
        people = [_person(point.payload) for point in points]
        if self._config.scorer is None or not points:
            return _best(zip(people, (point.score for point in points), strict=True))
        held = translate_errors(lambda: np.asarray([point.vector for point in points], np.float32))
        return _best(zip(people, self._config.scorer(vector[None], held)[0].tolist(), strict=True))

    def _collections(self, client: QdrantClient) -> list[str]:
        found = translate_errors(lambda: client.get_collections().collections)
        return [collection.name for collection in found if collection.name.startswith(COLLECTIONS)]

    @contextmanager
    def _open(self, *, make: bool = True) -> Iterator[QdrantClient]:
        """Give the connected client. The collection exists, unless it need not be made."""
        with self._lock:
            if self._client is None:
                self._client, self._made = self._connect(), False
            client = self._client
            if make and not self._made:
                self._make(client)
        try:
            yield client
        except GalleryUnavailable:
            self._drop(client)
            raise

    def _drop(self, client: QdrantClient) -> None:
        with self._lock:
            if self._client is client:
                self._client = None
        with suppress(GalleryUnavailable):
            translate_errors(client.close)

    def _connect(self) -> QdrantClient:
        config = self._config
        return translate_errors(
            lambda: QdrantClient(
                url=config.url,
                api_key=config.api_key,
                timeout=max(1, round(config.timeout_s)),
                check_compatibility=False,
            )
        )

    def _make(self, client: QdrantClient) -> None:
        try:
            translate_errors(lambda: self._ensure(client))
        except GalleryUnavailable:
            self._client = None
            with suppress(GalleryUnavailable):
                translate_errors(client.close)
            raise
        self._made = True

    def _ensure(self, client: QdrantClient) -> None:
        name = self._config.collection
        if client.collection_exists(name):
            return
        try:
            client.create_collection(name, _compared(self._config.dimension))
        except Exception:
            # Another process may have been faster.
            if not client.collection_exists(name):
                raise
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        client.create_payload_index(name, "owner", tenant)


def _best(scored: Iterable[tuple[str, float]]) -> list[Match]:
    best: dict[str, float] = {}
    for person, similarity in scored:
        best[person] = max(similarity, best.get(person, -1.0))
    return [Match(PersonId(person), value) for person, value in sorted(best.items(), key=lambda item: -item[1])]


def _compared(dimension: int) -> models.VectorParams:
    return models.VectorParams(size=dimension, distance=models.Distance.COSINE)


def _owner(payload: Payload | None) -> str:
    return str((payload or {}).get("owner"))


def _person(payload: Payload | None) -> str:
    return str((payload or {}).get("person"))


def _owned_by(owner: str, person: str | None = None) -> models.Filter:
    """Return the filter for an owner's templates, or one person's among them."""
    wanted = {"owner": owner} if person is None else {"owner": owner, "person": person}
    return models.Filter(
        must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in wanted.items()]
    )


def _scroll(client: QdrantClient, collection: str, wanted: models.Filter | None) -> Iterator[models.Record]:
    """Yield all points that a filter lets through, without vectors.

    Raises:
        GalleryUnavailable: from any step.
    """
    offset: object = None
    while True:
        page, offset = translate_errors(lambda: client.scroll(collection, wanted, _PAGE, None, offset, True, False))  # type: ignore[arg-type]  # noqa: B023
        yield from page
        if offset is None:
            return
