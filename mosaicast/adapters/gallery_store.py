"""What both homes of the gallery share: settings, the error, filters, reading page by page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from qdrant_client import QdrantClient, models

from mosaicast.adapters.embedders.yardstick import Scorer

MOST_TEMPLATES = 20
"""Of one person; twice as many are asked for per face, so that the two best persons are always among them."""
_PAGE = 1000
T = TypeVar("T")


class GalleryUnavailable(Exception):  # noqa: N818 - a state, and the design's word for it
    """The store is away, slow or broken: nobody new becomes visible. Trying again may help."""

    retry = True


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
    """For one request to a server; the library rounds it up to whole seconds."""
    scorer: Scorer | None = None
    """How alike a look is to a template; None: their cosine."""
    patience_s: float = 5.0
    """How long to wait for another process to leave the folder; each stays for a tenth of a second or two."""

    @property
    def collection(self) -> str:
        """Name of the collection: mixing models is impossible by construction."""
        return f"faces-{self.model}-{self.version}".replace("/", "-")

    @property
    def vectors(self) -> models.VectorParams:
        """How the collection compares."""
        return models.VectorParams(size=self.dimension, distance=models.Distance.COSINE)


def mapped(call: Callable[[], T]) -> T:
    """Run a call of the library; whatever it raises, the gallery is unavailable.

    Its errors have no common base: HTTP, gRPC, locks, SQLite, pickles of the local mode.
    """
    try:
        return call()
    except Exception as exc:
        raise GalleryUnavailable(type(exc).__name__) from exc


def owned_by(owner: str, person: str | None = None) -> models.Filter:
    """Return the filter for an owner's templates, or one person's among them."""
    wanted = {"owner": owner} if person is None else {"owner": owner, "person": person}
    return models.Filter(
        must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in wanted.items()]
    )


def scroll(
    client: QdrantClient, collection: str, wanted: models.Filter | None, *, vectors: bool
) -> Iterator[models.Record]:
    """Yield all templates that a filter lets through.

    Raises:
        GalleryUnavailable: from any step.
    """
    offset: object = None
    while True:
        page, offset = mapped(lambda: client.scroll(collection, wanted, _PAGE, None, offset, True, vectors))  # type: ignore[arg-type]  # noqa: B023
        yield from page
        if offset is None:
            return
