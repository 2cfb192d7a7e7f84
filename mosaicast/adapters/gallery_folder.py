"""The gallery in a folder: Qdrant's local mode, one process inside at a time, a copy in memory for searching.

The library reads the files before it takes its own lock, so that it may hold what another has just replaced, and
would delete by that. Hence a lock of ours around the whole stay.
"""

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from mosaicast.adapters.gallery_store import GalleryConfig, GalleryUnavailable, mapped, scroll

_LOCK = "mosaicast.lock"
_COUNTER = slice(24, 28)
"""SQLite's file change counter, in the header of the database: rises with every commit (sqlite.org/fileformat2)."""

Stamp = tuple[int, bytes] | None
"""Of a database file: inode and change counter; None if there is no file."""


@dataclass(frozen=True, slots=True)
class Templates:
    """One owner's templates in memory."""

    vectors: NDArray[np.float32]
    """[n, dimension], of length 1."""
    people: tuple[str, ...]
    ids: tuple[str, ...]


class Folder:
    """The local mode. Thread-safe."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._copy: Mapping[str, Templates] | None = None
        self._stamp: Stamp = None

    @contextmanager
    def open(self) -> Iterator[QdrantClient]:
        """Give a client while nobody else is inside. The collection exists.

        Raises:
            GalleryUnavailable: somebody else stays too long, or the folder is broken.
        """
        with self._alone():
            client = mapped(lambda: QdrantClient(path=str(self._config.path)))
            try:
                mapped(lambda: self._ensure(client))
                yield client
            finally:
                mapped(client.close)

    def read(self) -> None:
        """Copy all templates into memory.

        Raises:
            GalleryUnavailable: as `open`; the copy of before is gone then.
        """
        with self._lock:
            self._copy = None
        with self.open() as client:
            stamp = self._read_stamp()
            points = list(scroll(client, self._config.collection, None, vectors=True))
        copy = mapped(lambda: self._by_owner(points))
        with self._lock:
            self._copy, self._stamp = copy, stamp

    def copy(self) -> Mapping[str, Templates]:
        """Return what was read last, by owner; read it if it was not yet.

        Raises:
            GalleryUnavailable: as `read`.
        """
        with self._lock:
            copy = self._copy
        if copy is not None:
            return copy
        self.read()
        with self._lock:
            return self._copy or {}

    def check(self) -> bool:
        """Return whether the file differs from what was read last.

        Raises:
            GalleryUnavailable: the file can't be looked at.
        """
        stamp = self._read_stamp()
        with self._lock:
            return self._copy is None or stamp != self._stamp

    def close(self) -> None:
        """Forget the copy."""
        with self._lock:
            self._copy = None

    def _by_owner(self, points: list[models.Record]) -> dict[str, Templates]:
        grouped: dict[str, list[models.Record]] = defaultdict(list)
        for point in points:
            grouped[str((point.payload or {})["owner"])].append(point)
        return {owner: self._templates(own) for owner, own in grouped.items()}

    def _templates(self, points: list[models.Record]) -> Templates:
        vectors = np.asarray([point.vector for point in points], np.float32)
        return Templates(
            vectors.reshape(len(points), self._config.dimension),
            tuple(str((point.payload or {})["person"]) for point in points),
            tuple(str(point.id) for point in points),
        )

    def _ensure(self, client: QdrantClient) -> None:
        if not client.collection_exists(self._config.collection):
            client.create_collection(self._config.collection, self._config.vectors)

    @property
    def _database(self) -> Path:
        return self._config.path / "collection" / self._config.collection / "storage.sqlite"

    def _read_stamp(self) -> Stamp:
        try:
            with self._database.open("rb") as file:
                return os.fstat(file.fileno()).st_ino, file.read(_COUNTER.stop)[_COUNTER]
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._config.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._config.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc
        try:
            self._wait_for(handle)
            yield
        finally:
            os.close(handle)  # lets go of the lock too

    def _wait_for(self, handle: int) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            stop=stop_after_delay(self._config.patience_s),
            wait=wait_random(0.005, 0.03),
            reraise=True,
        )
        try:
            attempts(fcntl.flock, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise GalleryUnavailable("folder_in_use") from exc
