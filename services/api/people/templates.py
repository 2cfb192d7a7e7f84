"""The galleries of all networks as one: a template of each, or none."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.core.types import PersonId
from services.api.people.face_models import Network, Vectors


class Gallery(Protocol):
    """Where the templates of one network are kept. Every method may raise GalleryUnavailable."""

    def upsert_templates(self, owner: str, person: str, vectors: NDArray[np.float32]) -> None:
        """Keep the vectors of a person."""

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who has templates."""

    def delete_person(self, owner: str, person: str) -> None:
        """Forget a person."""

    def erase_person(self, owner: str, person: str) -> None:
        """Forget a person, in the galleries of earlier networks too."""

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of everybody who has templates, of whichever network."""


class Templates:
    """The templates of people, of every network.

    Args:
        galleries: in the order of the vectors.
    """

    def __init__(self, galleries: Mapping[Network, Gallery]) -> None:
        self._galleries = dict(galleries)

    @property
    def made_with(self) -> str:
        """Names and versions of the networks: templates made with others are of no use."""
        return ",".join(f"{network.name}/{network.version}" for network in self._galleries)

    def people(self, owner: str) -> frozenset[str]:
        """Return who has templates of every network.

        Raises:
            GalleryUnavailable: one does not answer.
        """
        held = [frozenset(gallery.refresh(owner)) for gallery in self._galleries.values()]
        return frozenset[str].intersection(*held)

    def keep(self, owner: str, person: str, faces: Sequence[Vectors]) -> None:
        """Keep the templates of a person, all or none, in place of older ones.

        Args:
            faces: the vectors of each good photo.

        Raises:
            GalleryUnavailable: nothing is kept, as far as it answers: erase until it has.
        """
        try:
            for index, gallery in enumerate(self._galleries.values()):
                gallery.delete_person(owner, person)
                gallery.upsert_templates(owner, person, np.stack([vectors[index] for vectors in faces]))
        except GalleryUnavailable:
            # Half of a person is masked all the same: recognition asks every network. Whoever called knows of it.
            with suppress(GalleryUnavailable):
                self.erase(owner, person)
            raise

    def erase(self, owner: str, person: str) -> None:
        """Erase a person's templates, those of earlier networks too. One gallery that fails keeps no other from it.

        Raises:
            GalleryUnavailable: some may be left; erase again.
        """
        failed: GalleryUnavailable | None = None
        for gallery in self._galleries.values():
            try:
                gallery.erase_person(owner, person)
            except GalleryUnavailable as exc:
                failed = exc
        if failed is not None:
            raise failed

    def everybody(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of everybody who has a template of any network.

        Raises:
            GalleryUnavailable: one does not answer.
        """
        return frozenset[tuple[str, str]]().union(*(gallery.everybody() for gallery in self._galleries.values()))
