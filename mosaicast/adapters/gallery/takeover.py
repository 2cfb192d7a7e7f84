"""The gallery of versions before this one, which kept it in `qdrant/`, is taken over once: see docs/adr/0017.

A folder there was a collection of Qdrant's local mode: an SQLite database of pickled points. What was sealed goes over
as it is, so no key is needed, and the new rows open as the old points did. A folder is erased when all of it was read
back from its new place. One that can't be read is left, and nobody of that owner counts as erased.
"""

import os
import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mosaicast.adapters.gallery.local import LocalStore, Point, wait_for_lock
from mosaicast.adapters.gallery.store import (
    GalleryUnavailable,
    collections_in,
    entries,
    errors_translated,
    translate_errors,
)

_LOCK = "mosaicast.lock"
_POINT = ("qdrant_client.http.models.models", "PointStruct")
_PATIENCE_S = 5.0


class Takeover(NamedTuple):
    """What became of the folders of before."""

    people: int
    """How many have templates at the new place now that they did not have there."""
    left: dict[str, str]
    """Folders that could not be taken over, `DIGEST OF OWNER/COLLECTION` (or all of an owner's), and why."""


def take_over(former: Path, path: Path) -> Takeover:
    """Take over what lies in the gallery of before, and erase it there.

    Whoever has templates at the new place already keeps those. It goes on where it was cut off.

    Args:
        former: the folder of the gallery of before; it need not exist.
        path: the folder of the gallery.
    """
    people: set[tuple[str, str]] = set()
    left: dict[str, str] = {}
    for folder in _folders(former, left):
        name = f"{folder.parent.name}/{folder.name}"
        try:
            people |= _folder_taken_over(folder, LocalStore(path / name, _PATIENCE_S))
        except GalleryUnavailable as exc:
            left[name] = str(exc)
    for empty in (*former.glob("*/"), former):
        with suppress(OSError):  # what could not be taken over is in it, or something that is not ours
            empty.rmdir()
    return Takeover(len(people), left)


def _folders(former: Path, left: dict[str, str]) -> list[Path]:
    """Return the folders of all owners and models; note those owners whose can't be listed."""
    found = []
    for owner in translate_errors(lambda: entries(former)):
        try:
            found += translate_errors(partial(collections_in, owner))
        except GalleryUnavailable as exc:
            left[owner.name] = str(exc)
    return found


def _folder_taken_over(folder: Path, store: LocalStore) -> set[tuple[str, str]]:
    with _alone(folder):
        points = _points(folder)
        there = store.people()
        missing = [point for point in points if _whose(point) not in there]
        if missing:
            store.add(missing)
            _, held = store.read()
            if not all(point in held for point in missing):
                raise GalleryUnavailable("not_read_back")
        with errors_translated():
            shutil.rmtree(folder)
    return {_whose(point) for point in missing}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody of the version of before is in a folder."""
    with errors_translated():
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        wait_for_lock(handle, _PATIENCE_S)
        yield
    finally:
        os.close(handle)


def _points(folder: Path) -> list[Point]:
    """Return what a folder of before holds; nothing, if nothing was ever kept there."""
    file = folder / "collection" / folder.name / "storage.sqlite"
    with errors_translated():
        if not file.exists():
            return []
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as database:
            return [_point(content) for (content,) in database.execute("SELECT point FROM points ORDER BY rowid")]


def _point(content: bytes) -> Point:
    held = _Unpickler(BytesIO(content)).load().held
    payload = held["payload"]
    if not all(isinstance(text, str) for text in (held["id"], payload["owner"], payload["person"])):
        raise GalleryUnavailable("template_damaged")
    return Point(held["id"], payload)


def _whose(point: Point) -> tuple[str, str]:
    return str(point.payload["owner"]), str(point.payload["person"])


class _Record:
    """Holds what the library's point held."""

    def __setstate__(self, state: dict[str, dict[str, object]]) -> None:
        self.held = state["__dict__"]


class _Unpickler(pickle.Unpickler):
    """Makes records of points, and nothing else: a pickle may name any function to be called."""

    def find_class(self, module: str, name: str) -> type:
        if (module, name) != _POINT:
            raise pickle.UnpicklingError("no point")
        return _Record
