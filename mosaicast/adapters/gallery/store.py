"""What both homes of the gallery share: settings, errors, names."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mosaicast.adapters.embedders.cohort import Scorer
from mosaicast.core.types import PersonId

MOST_TEMPLATES = 40
"""Of one person: twenty photos, and the looks of two videos."""
MOST_MATCHES = 2 * MOST_TEMPLATES
"""Of one face. A server is asked for so many templates: the two best persons are always among them."""
COLLECTIONS = "faces-"
"""How the names of our collections begin."""
Payload = Mapping[str, object]
"""What is kept with a point: whose it is, and in a folder the templates."""
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
    former_path: Path | None = None
    """Folder of the local mode of earlier versions: nobody whose templates may still lie there counts as erased."""

    @property
    def collection(self) -> str:
        """Name of the collection: mixing models is impossible by construction."""
        return f"{COLLECTIONS}{self.model}-{self.version}".replace("/", "-")


def translate_errors(call: Callable[[], T]) -> T:
    """Run a call of a library; whatever it raises, the gallery is unavailable."""
    with errors_translated():
        return call()


@contextmanager
def errors_translated() -> Iterator[None]:
    """Whatever is raised within, the gallery is unavailable.

    The errors of libraries have no common base: HTTP, gRPC, files, SQLite.
    """
    try:
        yield
    except GalleryUnavailable:
        raise
    except Exception as exc:
        raise GalleryUnavailable(type(exc).__name__) from exc


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing, if it is not there. To `glob`, what it may not read is empty.

    Raises:
        OSError: it can't be read, or is no folder.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def collections_in(owner: Path) -> list[Path]:
    """Return the folders of an owner's models, sorted; none, if the owner has none.

    Raises:
        OSError: they can't be read.
    """
    try:
        return [folder for folder in entries(owner) if folder.name.startswith(COLLECTIONS)]
    except NotADirectoryError:
        return []  # a file among the owners, which is not ours


def version_texts(ids: Mapping[str, Sequence[str]]) -> dict[PersonId, str]:
    """Return for each person a text that differs whenever the person's points do; their ids are never used again."""
    return {PersonId(person): _digest(sorted(own)) for person, own in ids.items()}


def _digest(ids: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
