"""A gallery in memory. `tests/adapters/test_gallery.py` holds it to the contract of the real ones."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.gallery.qdrant import GalleryUnavailable, OwnerUnavailable
from mosaicast.adapters.gallery.store import MOST_TEMPLATES
from mosaicast.core.identity import Match
from mosaicast.core.types import PersonId

Held = dict[tuple[str, str], NDArray[np.float32]]
"""Templates [n, dimension] by owner and person."""


@dataclass
class Store:
    """What several galleries share: the templates of each model, and how often those of a person changed."""

    models: dict[str, Held] = field(default_factory=dict)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)


class MemoryGallery:
    """Templates in memory.

    Args:
        dimension: numbers in a vector.
        store: of galleries of other models, too.
        least: people less similar than this are not named.
    """

    def __init__(self, dimension: int, *, model: str = "fake", store: Store | None = None, least: float = -1.0) -> None:
        self._dimension, self._least = dimension, least
        self._store = store or Store()
        self.held = self._store.models.setdefault(model, {})
        self.away = False
        """True: it fails like a store that does not answer."""
        self.damaged: set[str] = set()
        """Owners whose templates cannot be read."""
        self.changed = False
        """What `check` tells next."""
        self.calls: list[str] = []
        """What it was asked: `search`, `refresh OWNER`, `check`."""
        self.refused = 0
        """How often it was asked while it was away."""
        self.searched: list[tuple[str, NDArray[np.float32]]] = []
        self.forgotten: list[str] = []

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        self._asked()
        self._validate(vectors)
        old = self.held.get((owner, person))
        self.held[owner, person] = vectors if old is None else np.vstack([old, vectors])
        self._store.changes[owner, person] += 1

    def delete_person(self, owner: str, person: str) -> None:
        self._asked()
        self.held.pop((owner, person), None)

    def erase_person(self, owner: str, person: str) -> None:
        self._asked()
        for held in self._store.models.values():
            held.pop((owner, person), None)

    def everybody(self) -> frozenset[tuple[str, str]]:
        self._asked()
        return frozenset(key for held in self._store.models.values() for key in held)

    def search(self, owner: str, vectors: NDArray[np.float32]) -> list[list[Match]]:
        self._asked("search")
        self.searched.append((owner, vectors))
        return [self._matches(owner, vector) for vector in vectors]

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        self._asked(f"refresh {owner}")
        if owner in self.damaged:
            raise OwnerUnavailable("told_to_fail")
        return self.versions(owner)

    def versions(self, owner: str) -> dict[PersonId, str]:
        """Return what `refresh` tells of an owner, unasked."""
        return {PersonId(person): self._version(own, person) for own, person in self.held if own == owner}

    def forget(self, owner: str) -> None:
        self.forgotten.append(owner)

    def check(self) -> bool:
        self._asked("check")
        changed, self.changed = self.changed, False
        return changed

    def _asked(self, call: str | None = None) -> None:
        self.calls += [call] if call else []
        if self.away:
            self.refused += 1
            raise GalleryUnavailable("told_to_fail")

    def _matches(self, owner: str, vector: NDArray[np.float32]) -> list[Match]:
        best = [
            Match(PersonId(person), float(np.max(templates @ vector)))
            for (own, person), templates in self.held.items()
            if own == owner
        ]
        return sorted((one for one in best if one.similarity >= self._least), key=lambda match: -match.similarity)

    def _version(self, owner: str, person: str) -> str:
        content = hashlib.sha256(self.held[owner, person].tobytes()).hexdigest()[:8]
        return f"{self._store.changes[owner, person]}-{content}"

    def _validate(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self._dimension or not 1 <= len(vectors) <= MOST_TEMPLATES:
            raise ValueError(f"vectors of shape {vectors.shape}")
        if not np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < 0.01):
            raise ValueError("vectors of another length than 1")
