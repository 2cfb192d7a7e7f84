"""One folder of Qdrant's local mode: an owner's templates of one model, one process inside at a time.

The library reads everything in a folder when it is opened, so folders are small. It reads before it takes its own
lock, so that it may hold what another has just replaced, and would delete by that: hence a lock of ours around all.

SQLite keeps deleted bytes in its file until they are needed for others. So erasing ends with VACUUM, which writes the
file anew, and begins with a mark: whoever comes after a crash in between finds it, and does what was left undone.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from qdrant_client import models
from qdrant_client.local.qdrant_local import QdrantLocal
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from mosaicast.adapters.gallery.store import GalleryUnavailable, scroll, translate_errors

_LOCK = "mosaicast.lock"
_ERASING = "mosaicast.erasing"
_COUNTER = slice(24, 28)
"""SQLite's file change counter, in the header of the database: rises with every commit (sqlite.org/fileformat2)."""

Stamp = tuple[int, bytes] | None
"""Of a database file: inode and change counter; None if there is no file."""


class LocalStore:
    """Points in a folder, without vectors. Thread-safe. Every method raises GalleryUnavailable.

    Args:
        folder: of the name of the collection; made when something is added.
        patience_s: how long to wait for somebody else to leave.
    """

    def __init__(self, folder: Path, patience_s: float) -> None:
        self._folder, self._patience_s = folder, patience_s
        self._collection = folder.name
        self._database = folder / "collection" / self._collection / "storage.sqlite"

    def stamp(self) -> Stamp:
        """Return what differs after every change, without waiting for anybody."""
        try:
            handle = os.open(self._database, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc
        try:
            return os.fstat(handle).st_ino, os.read(handle, _COUNTER.stop)[_COUNTER]
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc
        finally:
            os.close(handle)

    def read(self) -> tuple[Stamp, list[models.Record]]:
        """Return all points, and the stamp of what they are."""
        if self.stamp() is None:
            return None, []
        with self._alone(), self._client() as client:
            return self.stamp(), list(scroll(client, self._collection, None))

    def add(self, point: models.PointStruct) -> None:
        """Keep a point; it is there whole or not at all."""
        with self._alone(make=True):
            try:
                with self._client() as client:
                    translate_errors(lambda: client.upsert(self._collection, [point], wait=True))
            except GalleryUnavailable:
                # Somebody whom nobody knows of could be deleted by nobody.
                with suppress(GalleryUnavailable):
                    self._erase(models.HasIdCondition(has_id=[point.id]))
                raise

    def erase(self, wanted: models.Filter) -> None:
        """Erase the points that a filter lets through, and their bytes from every file here."""
        if self.stamp() is None:
            return
        with self._alone():
            self._erase(wanted)

    def _erase(self, wanted: models.Filter | models.HasIdCondition) -> None:
        chosen = wanted if isinstance(wanted, models.Filter) else models.Filter(must=[wanted])
        with self._client() as client:
            if translate_errors(lambda: client.count(self._collection, chosen).count):
                translate_errors(self._mark)
                translate_errors(
                    lambda: client.delete(self._collection, models.FilterSelector(filter=chosen), wait=True)
                )
        if self._marked:
            self._compact()

    @contextmanager
    def _client(self) -> Iterator[QdrantLocal]:
        if self._marked:
            # Somebody was killed while erasing. A disk too full for it must not keep the others from being read.
            with suppress(GalleryUnavailable):
                self._compact()
        # What QdrantClient(path=...) wraps; the wrapper takes ten times as long to open, for embeddings of its own.
        client = translate_errors(lambda: QdrantLocal(str(self._folder)))
        try:
            if not translate_errors(lambda: client.collection_exists(self._collection)):
                translate_errors(lambda: client.create_collection(self._collection, vectors_config={}))
            yield client
        finally:
            translate_errors(client.close)

    @property
    def _marked(self) -> bool:
        return translate_errors((self._folder / _ERASING).exists)

    def _mark(self) -> None:
        """Leave the mark, so that a power cut does not take it away."""
        for path, flags in ((self._folder / _ERASING, os.O_WRONLY | os.O_CREAT), (self._folder, os.O_RDONLY)):
            handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _compact(self) -> None:
        """Write the database anew without what was deleted, and take the mark away."""
        translate_errors(self._vacuum)
        translate_errors((self._folder / _ERASING).unlink)

    def _vacuum(self) -> None:
        with closing(sqlite3.connect(self._database, isolation_level=None)) as database:
            database.execute("PRAGMA temp_store = MEMORY")  # no copy outside of the folder
            database.execute("VACUUM")

    @contextmanager
    def _alone(self, *, make: bool = False) -> Iterator[None]:
        try:
            if make:
                for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
            stop=stop_after_delay(self._patience_s),
            wait=wait_random(0.005, 0.03),
            reraise=True,
        )
        try:
            attempts(fcntl.flock, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise GalleryUnavailable("folder_in_use") from exc
