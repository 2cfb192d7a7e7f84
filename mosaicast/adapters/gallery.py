"""The gallery of enrolled faces, in Qdrant: a server by URL, or its local mode in a folder.

One collection for each embedding model and version, so that vectors of two models never meet. The local mode lets one
process at a time into its folder: a writer opens it, writes and leaves; a reader copies the templates into memory,
leaves, and searches there until `check` tells that the file has changed.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models

from mosaicast.adapters.gallery_folder import Folder, Templates
from mosaicast.adapters.gallery_server import Server
from mosaicast.adapters.gallery_store import (
    MOST_TEMPLATES,
    GalleryConfig,
    GalleryUnavailable,
    mapped,
    owned_by,
    scroll,
)
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId

__all__ = ["Gallery", "GalleryConfig", "GalleryUnavailable", "QdrantGallery"]


class Gallery(Protocol):
    """Templates by owner and person. Thread-safe. Every method may raise GalleryUnavailable."""

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep vectors of length 1 of a person, all or none."""

    def delete_person(self, owner: str, person: str) -> None:
        """Erase a person's templates."""

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, best first, each once."""

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""

    def check(self) -> bool:
        """Make sure that the store is there; True: it may have changed, `refresh` before the next search."""


class _Store(Protocol):
    """Where the collection is."""

    def open(self) -> AbstractContextManager[QdrantClient]:
        """Give a client for a moment. The collection exists."""

    def check(self) -> bool:
        """See `Gallery.check`."""

    def close(self) -> None:
        """Let go of it."""


class QdrantGallery:
    """A `Gallery` in Qdrant."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._folder = Folder(config) if config.url is None else None
        self._store: _Store = self._folder or Server(config)

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep vectors of length 1 (float32 [n, dimension]) of a person, all or none.

        Raises:
            GalleryUnavailable: as every method here. What was kept of them was erased again, if that was possible.
            ValueError: vectors of another dimension, not finite, of length 0, or too many of one person.
        """
        self._validate(vectors)
        payload = {"owner": owner, "person": person}
        points = [models.PointStruct(id=str(uuid.uuid4()), vector=row.tolist(), payload=payload) for row in vectors]
        with self._store.open() as client:
            try:
                mapped(lambda: client.upsert(self._config.collection, points, wait=True))
            except GalleryUnavailable:
                # A part of a person would be somebody whom nobody knows of and nobody can delete.
                with suppress(GalleryUnavailable):
                    self._delete(client, models.PointIdsList(points=[point.id for point in points]))
                raise

    def delete_person(self, owner: str, person: str) -> None:
        """Erase a person's templates."""
        with self._store.open() as client:
            self._delete(client, models.FilterSelector(filter=owned_by(owner, person)))

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, best first, each once."""
        if self._folder is not None:
            return self._search_copy(self._folder.copy().get(owner), vectors)
        requests = [
            models.QueryRequest(
                query=vector.tolist(),
                filter=owned_by(owner),
                limit=2 * MOST_TEMPLATES,
                with_payload=True,
                with_vector=self._config.scorer is not None,
            )
            for vector in vectors
        ]
        with self._store.open() as client:
            answers = mapped(lambda: client.query_batch_points(self._config.collection, requests))
        return [self._scored(vector, answer.points) for vector, answer in zip(vectors, answers, strict=True)]

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""
        if self._folder is not None:
            if self._folder.check():
                self._folder.read()
            templates = self._folder.copy().get(owner)
            return {} if templates is None else _versions(zip(templates.people, templates.ids, strict=True))
        with self._store.open() as client:
            points = scroll(client, self._config.collection, owned_by(owner), vectors=False)
        return _versions((_person(point.payload), str(point.id)) for point in points)

    def check(self) -> bool:
        """Make sure that the store is there; True: it may have changed, `refresh` before the next search."""
        return self._store.check()

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _search_copy(self, templates: Templates | None, vectors: NDArray[np.float32]) -> list[list[Match]]:
        if templates is None:
            return [[] for _ in vectors]
        scores = self._score(vectors, templates.vectors)
        return [_best(zip(templates.people, row.tolist(), strict=True)) for row in scores]

    def _scored(self, vector: NDArray[np.float32], points: Sequence[models.ScoredPoint]) -> list[Match]:
        if self._config.scorer is None or not points:
            return _best((_person(point.payload), point.score) for point in points)
        held = mapped(lambda: np.asarray([point.vector for point in points], np.float32))
        scores = self._score(vector[None], held)[0].tolist()
        return _best((_person(point.payload), score) for point, score in zip(points, scores, strict=True))

    def _score(self, vectors: NDArray[np.float32], templates: NDArray[np.float32]) -> NDArray[np.float32]:
        return vectors @ templates.T if self._config.scorer is None else self._config.scorer(vectors, templates)

    def _delete(self, client: QdrantClient, selector: models.FilterSelector | models.PointIdsList) -> None:
        mapped(lambda: client.delete(self._config.collection, selector, wait=True))

    def _validate(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self._config.dimension or len(vectors) > MOST_TEMPLATES:
            raise ValueError(f"vectors of shape {vectors.shape}, not [<={MOST_TEMPLATES}, {self._config.dimension}]")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.all(np.abs(lengths - 1.0) < 0.01):  # NaN is not less
            raise ValueError("vectors of another length than 1")


def _best(scored: Iterable[tuple[str, float]]) -> list[Match]:
    best: dict[str, float] = {}
    for person, similarity in scored:
        best[person] = max(similarity, best.get(person, -1.0))
    return [Match(PersonId(person), value) for person, value in sorted(best.items(), key=lambda item: -item[1])]


def _versions(points: Iterable[tuple[str, str]]) -> Mapping[PersonId, str]:
    """Return {person: digest of the ids of the templates}; ids are never used again."""
    ids: dict[str, list[str]] = defaultdict(list)
    for person, point_id in points:
        ids[person].append(point_id)
    return {PersonId(person): _digest(sorted(own)) for person, own in ids.items()}


def _digest(ids: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()


def _person(payload: Mapping[str, object] | None) -> str:
    return str((payload or {}).get("person"))
