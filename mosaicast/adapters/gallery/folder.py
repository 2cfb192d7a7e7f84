"""The gallery in a folder: a small database for each owner and model, a copy in memory to search in.

`PATH/OWNER/COLLECTION`, where OWNER is a digest, so that any text may be an owner. What one owner's stream can match is
what lies in that owner's folder and says that it is that owner's. A point is all that was enrolled of a person at once,
so that it is there whole or not at all.
"""

import hashlib
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.gallery.local import LocalStore, Point, Stamp
from mosaicast.adapters.gallery.seal import Seal
from mosaicast.adapters.gallery.store import (
    MOST_MATCHES,
    GalleryConfig,
    GalleryUnavailable,
    OwnerUnavailable,
    collections_in,
    entries,
    translate_errors,
    version_texts,
)
from mosaicast.core.identity import Match
from mosaicast.core.types import PersonId

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Copy:
    """One owner's templates in memory."""

    store: LocalStore
    """What it is a copy of ..."""
    stamp: Stamp
    """... when it was this."""
    vectors: Vectors
    """[n, dimension], of length 1, each person's together."""
    people: tuple[PersonId, ...]
    starts: NDArray[np.intp]
    """Where each person's vectors begin."""
    versions: Mapping[PersonId, str]

    def outdated(self) -> bool:
        """Return whether the store differs from this, or does not say."""
        try:
            return self.store.stamp() != self.stamp
        except GalleryUnavailable:
            return True  # reading it will tell what is wrong, of this owner alone


class Folder:
    """The local mode. Thread-safe. Every method may raise GalleryUnavailable."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._seal = Seal(config.key, config.collection, config.dimension)
        self._lock = threading.Lock()
        self._copies: dict[str, Copy] = {}

    def keep(self, owner: str, person: str, vectors: Vectors) -> None:
        """Keep templates of a person, all or none."""
        point = str(uuid.uuid4())
        self._store(owner).add([Point(point, self._seal.close(owner, person, point, vectors))])

    def erase(self, owner: str, person: str, *, every_model: bool) -> None:
        """Erase a person's templates, of this model or of all, and their bytes."""
        # Asked before and after: another process may be taking it over just now, behind what is erased here.
        left = every_model and self._is_left(owner)
        for name in self._collections(owner) if every_model else [self._config.collection]:
            self._store(owner, name).erase(owner, person)
        if left or (every_model and self._is_left(owner)):
            raise GalleryUnavailable("not_taken_over")

    def _is_left(self, owner: str) -> bool:
        """Return whether something of an owner is still where the version before kept it."""
        former = self._config.former_path
        return former is not None and translate_errors(owner_folder(former, owner).exists)

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of every point in every folder."""
        path, patience_s = self._config.path, self._config.patience_s
        folders = translate_errors(lambda: [folder for owner in entries(path) for folder in collections_in(owner)])
        return frozenset[tuple[str, str]]().union(*(LocalStore(folder, patience_s).people() for folder in folders))

    def search(self, owner: str, vectors: Vectors) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, by what was read last; read it if it was not yet."""
        with self._lock:
            copy = self._copies.get(owner)
        copy = copy or self._read(owner)
        if not copy.people:
            return [[] for _ in vectors]
        scorer = self._config.scorer
        scores = vectors @ copy.vectors.T if scorer is None else scorer(vectors, copy.vectors)
        return [_best(copy.people, row) for row in np.maximum.reduceat(scores, copy.starts, axis=1)]

    def versions(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, if it differs from what was read."""
        with self._lock:
            copy = self._copies.get(owner)
        if copy is None or copy.outdated():
            copy = self._read(owner)
        return copy.versions

    def forget(self, owner: str) -> None:
        """Let go of what was read of an owner."""
        with self._lock:
            self._copies.pop(owner, None)

    def check(self) -> bool:
        """Return whether a folder differs from what was read of it; True if nothing was read."""
        with self._lock:
            copies = list(self._copies.values())
        if not copies:
            self._store("").stamp()  # raises if the path can't be a folder
        return not copies or any(copy.outdated() for copy in copies)

    def close(self) -> None:
        """Forget what was read."""
        with self._lock:
            self._copies.clear()

    def _read(self, owner: str) -> Copy:
        self.forget(owner)  # what is known to be old is not searched, even if reading fails
        try:
            copy = self._copied(owner, self._store(owner))
        except GalleryUnavailable as exc:
            raise OwnerUnavailable(str(exc)) from exc
        with self._lock:
            self._copies[owner] = copy
        return copy

    def _copied(self, owner: str, store: LocalStore) -> Copy:
        stamp, points = store.read()
        held: dict[str, list[Vectors]] = defaultdict(list)
        ids: dict[str, list[str]] = defaultdict(list)
        for point in points:
            person, vectors = self._seal.open(owner, point.point_id, point.payload)
            held[person].append(vectors)
            ids[person].append(point.point_id)
        counts = [sum(len(vectors) for vectors in own) for own in held.values()]
        return Copy(
            store,
            stamp,
            np.concatenate([vectors for own in held.values() for vectors in own] or [self._nothing]),
            tuple(PersonId(person) for person in held),
            np.cumsum([0, *counts], dtype=np.intp)[:-1],
            version_texts(ids),
        )

    @property
    def _nothing(self) -> Vectors:
        return np.zeros((0, self._config.dimension), np.float32)

    def _store(self, owner: str, collection: str | None = None) -> LocalStore:
        folder = owner_folder(self._config.path, owner) / (collection or self._config.collection)
        return LocalStore(folder, self._config.patience_s)

    def _collections(self, owner: str) -> list[str]:
        folder = owner_folder(self._config.path, owner)
        return translate_errors(lambda: [entry.name for entry in collections_in(folder)])


def owner_folder(path: Path, owner: str) -> Path:
    """Return where an owner's folders are, one for each model."""
    return path / hashlib.blake2b(owner.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _best(people: Sequence[PersonId], scores: Vectors) -> list[Match]:
    best = np.argsort(-scores, kind="stable")[:MOST_MATCHES]  # what is no number comes last
    return [Match(people[place], float(scores[place])) for place in best]
