"""What both homes of the gallery share: settings, the error, filters, reading page by page."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from qdrant_client import models
from qdrant_client.client_base import QdrantBase

from mosaicast.adapters.embedders.yardstick import Scorer
from mosaicast.core.types import PersonId

MOST_TEMPLATES = 20
"""Of one person."""
MOST_MATCHES = 2 * MOST_TEMPLATES
"""Of one face. A server is asked for so many templates: the two best persons are always among them."""
COLLECTIONS = "faces-"
"""How the names of our collections begin."""
_PAGE = 1000
T = TypeVar("T")


class GalleryUnavailable(Exception):  # noqa: N818 - a state, and the design's word for it
    """The store is away, slow or broken: nobody new becomes visible. Trying again may help."""

    retry = True


class OwnerUnavailable(GalleryUnavailable):
    """One owner's templates can't be read: damaged, or in use for too long. Those of others may well be."""


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
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 0.5
    """For one request to a server; the library rounds it up to whole seconds."""
    scorer: Scorer | None = None
    """How alike a look is to a template; None: their cosine."""
    patience_s: float = 5.0
    """How long to wait for another process to leave the folder; each stays for a tenth of a second or two."""
    key: bytes | None = field(default=None, repr=False)
    """The secret, 32 bytes, with which templates in the folder are encrypted; None: they lie there as they are. A
    server holds them as they are in any case: it compares them."""

    @property
    def collection(self) -> str:
        """Name of the collection: mixing models is impossible by construction."""
        return f"{COLLECTIONS}{self.model}-{self.version}".replace("/", "-")

    @property
    def vectors(self) -> models.VectorParams:
        """How a server's collection compares."""
        return models.VectorParams(size=self.dimension, distance=models.Distance.COSINE)


def translate_errors(call: Callable[[], T]) -> T:
    """Run a call of the library; whatever it raises, the gallery is unavailable.

    Its errors have no common base: HTTP, gRPC, locks, SQLite, pickles of the local mode.
    """
    try:
        return call()
    except GalleryUnavailable:
        raise
    except Exception as exc:
        raise GalleryUnavailable(type(exc).__name__) from exc


def owned_by(owner: str, person: str | None = None) -> models.Filter:
    """Return the filter for an owner's templates, or one person's among them."""
    wanted = {"owner": owner} if person is None else {"owner": owner, "person": person}
    return models.Filter(
        must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in wanted.items()]
    )


def owner_and_person(payload: Mapping[str, object] | None) -> tuple[str, str]:
    """Return whose point it is: nothing sealed is needed for it."""
    held = payload or {}
    return str(held.get("owner")), str(held.get("person"))


def scroll(client: QdrantBase, collection: str, wanted: models.Filter | None) -> Iterator[models.Record]:
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


def version_texts(ids: Mapping[str, Sequence[str]]) -> dict[PersonId, str]:
    """Return for each person a text that differs whenever the person's points do; their ids are never used again."""
    return {PersonId(person): _digest(sorted(own)) for person, own in ids.items()}


def _digest(ids: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
