"""A process that is killed while it erases a person: `python -m tests.adapters.gallery_killed FOLDER KEY WHERE`.

WHERE: `deleting`, `deleted`, or a number: in the midst of VACUUM, when its journal has so many bytes; `enrolling`: it
enrolls a person of twenty templates, and is killed before the commit.
"""

import os
import resource
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mosaicast.adapters.gallery.local import LocalStore
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery

KILLED = 9
KILLED_WRITING = -signal.SIGXFSZ
_CONNECT = sqlite3.connect
DIMENSION = 512


def config(folder: Path, key: bytes | None) -> GalleryConfig:
    return GalleryConfig("test", "1", DIMENSION, folder, key=key, patience_s=2.0)


def connect_without_secure_delete(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    """Some builds of SQLite overwrite what is deleted by themselves; ours must not depend on that."""
    database: sqlite3.Connection = _CONNECT(*args, **kwargs)
    database.execute("PRAGMA secure_delete = OFF")
    return database


def die(*_: object, **__: object) -> None:
    os._exit(KILLED)


def spill(database: sqlite3.Connection) -> None:
    """As with a large file, pages are overwritten before the end."""
    for setting in ("cache_size = 1", "cache_spill = 1"):
        database.execute(f"PRAGMA {setting}")


def connect_and_spill(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    database = connect_without_secure_delete(*args, **kwargs)
    spill(database)
    return database


def die_in_vacuum(database: sqlite3.Connection, journal_bytes: int) -> None:
    spill(database)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal_bytes, journal_bytes))
    database.execute("VACUUM")


class Dying(sqlite3.Connection):
    """Where it would commit."""

    def __exit__(self, *_: object) -> Literal[False]:
        die()
        return False


def connect_and_die(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    return connect_and_spill(*args, factory=Dying, **kwargs)


def templates(seed: int, count: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def main(folder: str, key: str, where: str) -> None:
    sqlite3.connect = connect_without_secure_delete  # type: ignore[assignment]
    if where == "deleting":
        sqlite3.connect = connect_and_spill  # type: ignore[assignment]
        LocalStore._mark = die  # type: ignore[method-assign]
    elif where == "enrolling":
        sqlite3.connect = connect_and_die  # type: ignore[assignment]
    elif where == "deleted":
        LocalStore._compact = die  # type: ignore[method-assign]
    else:
        LocalStore._vacuum = lambda _, database: die_in_vacuum(database, int(where))  # type: ignore[method-assign, assignment]
    gallery = QdrantGallery(config(Path(folder), bytes.fromhex(key) or None))
    if where == "enrolling":
        gallery.upsert_templates("owner-1", "zoe-0815", templates(77, 20))
    gallery.delete_person("owner-1", "ana-4711")


if __name__ == "__main__":
    main(*sys.argv[1:])
