"""One folder of the gallery: an owner's templates of one model, rows of an SQLite database.

One process at a time is in a folder, by a lock of ours. SQLite's own would not do: a process loses them when it closes
any handle of the file, as `stamp` does (sqlite.org/howtocorrupt, 2.2).

SQLite keeps deleted bytes in its file until it needs the space. So an erasure ends with VACUUM, which writes the file
anew. The transaction that deletes also marks the file: whoever opens it after a crash in between finishes the erasure.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from mosaicast.adapters.gallery.store import GalleryUnavailable, Payload, errors_translated

FILE = "templates.sqlite"
_LOCK = "mosaicast.lock"
_COUNTER = slice(24, 28)
"""SQLite's file change counter, in the header of the database: rises with every commit (sqlite.org/fileformat2)."""
_WHOLE, _ERASING = 1, 2
"""The database's user_version: all is well; or what was deleted may still lie in the file."""
_SETTINGS = (
    "journal_mode = DELETE",  # WAL would keep deleted rows in a second file, and not count in the header
    "synchronous = EXTRA",  # what was answered holds after a power cut
    "temp_store = MEMORY",  # VACUUM makes no copy outside of the folder
)
_TABLE = """CREATE TABLE points
    (id TEXT PRIMARY KEY, owner BLOB NOT NULL, person BLOB NOT NULL, key TEXT, sealed TEXT, plain TEXT)"""
"""Owner and person are blobs, for any text is one (a lone surrogate too), and not all text is UTF-8."""
_INSERT = "INSERT INTO points (id, owner, person, key, sealed, plain) VALUES (?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT id, owner, person, key, sealed, plain FROM points ORDER BY rowid"

Stamp = tuple[int, bytes] | None
"""Of a database file: inode and change counter; None if there is no file, or nothing was ever written to it."""
Row = tuple[str, bytes, bytes, str | None, str | None, str | None]


class Point(NamedTuple):
    """All that was enrolled of a person at once."""

    point_id: str
    payload: Payload
    """As `Seal.close` returns it."""


class LocalStore:
    """Points in a folder. Thread-safe. Every method raises GalleryUnavailable.

    Args:
        folder: of the name of the collection; made when something is added.
        patience_s: how long to wait for somebody else to leave.
    """

    def __init__(self, folder: Path, patience_s: float) -> None:
        self._folder, self._patience_s = folder, patience_s
        self._database = folder / FILE

    def stamp(self) -> Stamp:
        """Return what differs after every change, without waiting for anybody."""
        try:
            handle = os.open(self._database, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc
        try:
            header = os.read(handle, _COUNTER.stop)
            return (os.fstat(handle).st_ino, header[_COUNTER]) if header else None
        except OSError as exc:
            raise GalleryUnavailable(type(exc).__name__) from exc
        finally:
            os.close(handle)

    def read(self) -> tuple[Stamp, list[Point]]:
        """Return all points, the oldest first, and the stamp of what they are."""
        with self._entered() as database:
            if database is None:
                return None, []
            return self.stamp(), [_point(row) for row in database.execute(_SELECT)]

    def people(self) -> frozenset[tuple[str, str]]:
        """Return owner and person of every point."""
        with self._entered() as database:
            rows = database.execute("SELECT DISTINCT owner, person FROM points") if database is not None else ()
            return frozenset((_text(owner), _text(person)) for owner, person in rows)

    def add(self, points: Sequence[Point]) -> None:
        """Keep points; they are there all or not at all."""
        with self._alone(make=True):
            try:
                with self._opened(make=True) as database:
                    self._insert(database, points)
            except GalleryUnavailable:
                # The error may have come after the commit. Somebody whom nobody knows of could be deleted by nobody.
                with suppress(GalleryUnavailable), self._opened() as database:
                    self._erase(database, "id = ?", [(point.point_id,) for point in points])
                raise

    def erase(self, owner: str, person: str) -> None:
        """Erase the points of a person, and their bytes from every file here."""
        with self._entered() as database:
            if database is not None:
                self._erase(database, "owner = ? AND person = ?", [(_blob(owner), _blob(person))])

    @contextmanager
    def _entered(self) -> Iterator[sqlite3.Connection | None]:
        """Give the open database to one at a time; None: nothing was ever kept here, and nothing is made."""
        if self.stamp() is None:
            yield None
            return
        with self._alone(), self._opened() as database:
            # Of a crash while the file was made, rolled back by now, an empty one is left.
            yield database if self.stamp() is not None else None

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        with errors_translated(), closing(self._connect(make)) as database:
            state = _state(database)
            if state not in {_WHOLE, _ERASING} and self.stamp() is not None:
                raise GalleryUnavailable("unknown_format")
            if state == _ERASING:
                # Somebody was killed while erasing. A disk too full for it must not keep the others from being read.
                with suppress(sqlite3.Error, OSError):
                    self._compact(database)
            yield database

    def _connect(self, make: bool) -> sqlite3.Connection:
        address = f"{self._database.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
        database = sqlite3.connect(address, uri=True, timeout=self._patience_s, isolation_level=None)
        try:
            for setting in _SETTINGS:
                database.execute(f"PRAGMA {setting}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _insert(self, database: sqlite3.Connection, points: Sequence[Point]) -> None:
        database.execute("BEGIN IMMEDIATE")
        with database:  # commits, or rolls back
            if _state(database) not in {_WHOLE, _ERASING}:
                database.execute(_TABLE)
                database.execute(f"PRAGMA user_version = {_WHOLE}")
            database.executemany(_INSERT, [_row(point) for point in points])

    def _erase(self, database: sqlite3.Connection, which: str, values: Sequence[tuple[object, ...]]) -> None:
        database.execute("BEGIN IMMEDIATE")
        with database:
            if database.executemany(f"DELETE FROM points WHERE {which}", values).rowcount:  # noqa: S608 - ours
                self._mark(database)
        if _state(database) == _ERASING:
            self._compact(database)

    def _mark(self, database: sqlite3.Connection) -> None:
        database.execute(f"PRAGMA user_version = {_ERASING}")

    def _compact(self, database: sqlite3.Connection) -> None:
        """Write the database anew without what was deleted, and take the mark away."""
        self._vacuum(database)
        database.execute(f"PRAGMA user_version = {_WHOLE}")

    def _vacuum(self, database: sqlite3.Connection) -> None:
        database.execute("VACUUM")

    @contextmanager
    def _alone(self, *, make: bool = False) -> Iterator[None]:
        with errors_translated():
            if make:
                for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            wait_for_lock(handle, self._patience_s)
            yield
        finally:
            os.close(handle)  # lets go of the lock too


def wait_for_lock(handle: int, patience_s: float) -> None:
    """Lock an open file for this process alone.

    Raises:
        GalleryUnavailable: somebody else had it all the time.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        stop=stop_after_delay(patience_s),
        wait=wait_random(0.005, 0.03),
        reraise=True,
    )
    try:
        attempts(fcntl.flock, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise GalleryUnavailable("folder_in_use") from exc


def _state(database: sqlite3.Connection) -> int:
    (state,) = database.execute("PRAGMA user_version").fetchone()
    return int(state)


def _row(point: Point) -> Row:
    held = point.payload
    plain = json.dumps(held["plain"]) if "plain" in held else None
    key, sealed = (None if held.get(name) is None else str(held[name]) for name in ("key", "sealed"))
    return point.point_id, _blob(str(held["owner"])), _blob(str(held["person"])), key, sealed, plain


def _point(row: Row) -> Point:
    point_id, owner, person, key, sealed, plain = row
    payload = {"owner": _text(owner), "person": _text(person), "key": key, "sealed": sealed}
    if plain is not None:
        payload["plain"] = json.loads(plain)
    return Point(point_id, {name: value for name, value in payload.items() if value is not None})


def _blob(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _text(blob: bytes) -> str:
    return blob.decode(errors="surrogatepass")
