"""The gallery of enrolled faces: databases in a folder, or a Qdrant server by URL.

One collection for each embedding model and version, so that vectors of two models never meet. In a folder templates are
encrypted, and a reader searches a copy in memory until `check` tells that the folder has changed.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.gallery.folder import Folder
from mosaicast.adapters.gallery.store import MOST_TEMPLATES, GalleryConfig, GalleryUnavailable, OwnerUnavailable
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId

__all__ = ["Gallery", "GalleryConfig", "GalleryUnavailable", "OwnerUnavailable", "QdrantGallery"]


class Gallery(Protocol):
    """Templates by owner and person. Thread-safe. Every method may raise GalleryUnavailable."""

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep vectors of length 1 of a person, all or none."""

    def delete_person(self, owner: str, person: str) -> None:
        """Erase a person's templates of this model."""

    def erase_person(self, owner: str, person: str) -> None:
        """Erase a person's templates of every model, those of before too."""

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of everybody who has templates, of whichever model."""

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, best first, each once."""

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""

    def forget(self, owner: str) -> None:
        """Let go of what was read of an owner; never fails."""

    def check(self) -> bool:
        """Make sure that the store is there; True: it may have changed, `refresh` before the next search."""


class _Home(Protocol):
    """Where the templates are."""

    def keep(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """See `Gallery.upsert_templates`."""

    def erase(self, owner: str, person: str, *, every_model: bool) -> None:
        """See `Gallery.delete_person` and `Gallery.erase_person`."""

    def everybody(self) -> frozenset[tuple[str, str]]:
        """See `Gallery.everybody`."""

    def search(self, owner: str, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """See `Gallery.search`."""

    def versions(self, owner: str) -> Mapping[PersonId, str]:
        """See `Gallery.refresh`."""

    def forget(self, owner: str) -> None:
        """See `Gallery.forget`."""

    def check(self) -> bool:
        """See `Gallery.check`."""

    def close(self) -> None:
        """Let go of it."""


class QdrantGallery:
    """A `Gallery` in a folder or on a server. Nothing is opened before it is needed.

    Raises:
        ValueError: `config.key` is no key.
    """

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._home: _Home = Folder(config) if config.url is None else _server(config)

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep vectors of length 1 (float32 [n, dimension]) of a person, all or none.

        Raises:
            GalleryUnavailable: as every method here. What was kept of them was erased again, if that was possible.
            ValueError: vectors of another dimension, not finite, of another length, none, or too many of one person.
        """
        self._validate(vectors)
        self._home.keep(owner, person, vectors)

    def delete_person(self, owner: str, person: str) -> None:
        """Erase a person's templates of this model. In a folder no byte of them is left in any file."""
        self._home.erase(owner, person, every_model=False)

    def erase_person(self, owner: str, person: str) -> None:
        """Erase a person's templates of every model, also of models that nobody asks any more."""
        self._home.erase(owner, person, every_model=True)

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of everybody who has templates, of whichever model. Opens nobody's templates."""
        return self._home.everybody()

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return for each vector the owner's people most like it, best first, each once."""
        return self._home.search(owner, vectors)

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""
        return self._home.versions(owner)

    def forget(self, owner: str) -> None:
        """Let go of what was read of an owner; never fails."""
        self._home.forget(owner)

    def check(self) -> bool:
        """Make sure that the store is there; True: it may have changed, `refresh` before the next search."""
        return self._home.check()

    def close(self) -> None:
        """Let go of the store."""
        self._home.close()

    def _validate(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self._config.dimension or not 1 <= len(vectors) <= MOST_TEMPLATES:
            raise ValueError(f"vectors of shape {vectors.shape}, not [1..{MOST_TEMPLATES}, {self._config.dimension}]")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.all(np.abs(lengths - 1.0) < 0.01):  # NaN is not less
            raise ValueError("vectors of another length than 1")


def _server(config: GalleryConfig) -> _Home:
    from mosaicast.adapters.gallery.server import Server  # half a second, which a folder need not wait for

    return Server(config)
