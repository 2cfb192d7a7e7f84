"""An erased person's bytes are in no file any more, however they were written, also after a crash in between."""

import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.gallery.local import FILE, LocalStore
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable, QdrantGallery
from mosaicast.core.types import OwnerId
from tests.adapters.gallery_killed import KILLED, KILLED_WRITING, config, connect_without_secure_delete
from tests.adapters.gallery_killed import templates as vectors_of

ME, ANA = OwnerId("owner-1"), "ana-4711"
OTHERS = 12


def vectors(seed: int, count: int = 2) -> np.ndarray:
    return vectors_of(seed, count)


@pytest.fixture(params=[bytes(range(32)), None], ids=["encrypted", "plain"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QdrantGallery:
    """Ana between others, so that her pages are not the last ones."""
    monkeypatch.setattr(sqlite3, "connect", connect_without_secure_delete)
    gallery = QdrantGallery(config(tmp_path / "gallery", request.param))
    for number in range(OTHERS):
        gallery.upsert_templates(ME, ANA if number == 5 else f"person-{number}", vectors(number))
    return gallery


def files(gallery: QdrantGallery) -> dict[str, bytes]:
    root = gallery._config.path
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def traces(gallery: QdrantGallery) -> list[bytes]:
    """How Ana may lie in a file: her id; her numbers as float32, float64 and text; what was sealed."""
    numbers = [float(number) for number in vectors(5)[:, 40:44].ravel()]
    found = [ANA.encode(), np.array(numbers, np.float32).tobytes(), np.array(numbers).tobytes()]
    found += [struct.pack(form, number) for number in numbers for form in (">d", "<d")]
    found += [repr(number)[:12].encode() for number in numbers]
    (folder,) = gallery._config.path.glob("*/faces-*")
    _, points = LocalStore(folder, 1.0).read()
    for point_id, payload in points:
        if payload["person"] == ANA:
            sealed = str(payload.get("sealed", ""))
            found += [point_id.encode()] + [sealed[at : at + 24].encode() for at in (0, 1000, 4000) if sealed]
    return found


def left(gallery: QdrantGallery, looked_for: list[bytes]) -> set[tuple[str, bytes]]:
    return {(name, trace) for name, held in files(gallery).items() for trace in looked_for if trace in held}


def of_others(gallery: QdrantGallery) -> bool:
    """The others are as they were."""
    reader = QdrantGallery(gallery._config)
    people = reader.refresh(ME).keys()
    best = [reader.search(ME, vectors(number))[0][0] for number in range(OTHERS) if number != 5]
    return len(people) == OTHERS - 1 and all(match.similarity > 0.999 for match in best)


def test_no_byte_is_left(gallery: QdrantGallery) -> None:
    looked_for = traces(gallery)
    held = {trace for _, trace in left(gallery, looked_for)}
    if gallery._config.key is None:
        assert repr(float(vectors(5)[0, 40]))[:12].encode() in held, "the search finds what is there"
    else:
        assert held == {ANA.encode(), *looked_for[-4:]}, "what is encrypted, and not the numbers"
    gallery.delete_person(ME, ANA)
    assert left(gallery, looked_for) == set()
    assert of_others(gallery)
    assert ANA not in QdrantGallery(gallery._config).refresh(ME)


def test_without_compacting_it_would_be_left(gallery: QdrantGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search can fail."""
    looked_for = traces(gallery)
    monkeypatch.setattr(LocalStore, "_compact", lambda *_: None)
    gallery.delete_person(ME, ANA)
    assert left(gallery, looked_for)


def test_erased_in_the_folders_of_every_model(gallery: QdrantGallery) -> None:
    older = QdrantGallery(config(gallery._config.path, gallery._config.key))
    object.__setattr__(older._config, "model", "older")
    looked_for = [*traces(gallery), ANA.encode()]
    older.upsert_templates(ME, ANA, vectors(5))
    gallery.erase_person(ME, ANA)
    assert left(gallery, looked_for) == set()


def kill(gallery: QdrantGallery, where: object) -> None:
    path, key = gallery._config.path, gallery._config.key or b""
    command = [sys.executable, "-m", "tests.adapters.gallery_killed", str(path), key.hex(), str(where)]
    root = Path(__file__).parents[2]
    killed = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode in {KILLED, KILLED_WRITING}, killed.stderr


@pytest.mark.parametrize("where", ["deleting", "deleted", 0, 9_000, 60_000])
def test_killed_in_between_the_next_one_finishes(gallery: QdrantGallery, where: int | str) -> None:
    looked_for = traces(gallery)
    kill(gallery, where)
    assert left(gallery, looked_for), "it was killed too late to show anything"
    people = QdrantGallery(gallery._config).refresh(ME)
    if where == "deleting":  # she is still enrolled; who asked for it never heard that it was done, and asks again
        assert ANA in people
        gallery.delete_person(ME, ANA)
    assert left(gallery, looked_for) == set()
    assert {Path(name).name for name in files(gallery)} == {FILE, "mosaicast.lock"}, "no journal, no copy"
    assert of_others(gallery)


def test_killed_while_enrolling_nobody_sees_a_part_and_no_byte_is_left(gallery: QdrantGallery) -> None:
    before, (file,) = gallery.refresh(ME), gallery._config.path.rglob(FILE)
    size = file.stat().st_size
    kill(gallery, "enrolling")
    assert file.stat().st_size > size, "it was killed too early to show anything"
    assert file.with_name(f"{FILE}-journal").exists()
    assert QdrantGallery(gallery._config).refresh(ME) == before
    assert gallery.refresh(ME) == before
    assert file.stat().st_size == size
    assert left(gallery, [b"zoe-0815", repr(float(vectors(77, 20)[0, 40]))[:12].encode()]) == set()
    assert {Path(name).name for name in files(gallery)} == {FILE, "mosaicast.lock"}


def test_a_disk_too_full_to_compact_is_told_and_the_others_stay_readable(
    gallery: QdrantGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = traces(gallery)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "_vacuum", full)
        for _ in range(2):  # asked again it is not taken for done
            with pytest.raises(GalleryUnavailable, match="OperationalError"):
                gallery.delete_person(ME, ANA)
        assert of_others(gallery)
    assert left(gallery, looked_for)
    gallery.delete_person(ME, ANA)
    assert left(gallery, looked_for) == set()
    assert of_others(gallery)


def test_a_person_who_was_kept_in_part_leaves_no_byte(gallery: QdrantGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = LocalStore._insert

    def fails(*args: Any) -> None:
        insert(*args)
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "_insert", fails)
        with pytest.raises(GalleryUnavailable, match="OSError"):
            gallery.upsert_templates(ME, "zoe-0815", vectors(77))
    assert left(gallery, [b"zoe-0815", repr(float(vectors(77)[0, 40]))[:12].encode()]) == set()
    assert gallery.refresh(ME).keys() >= {ANA}
