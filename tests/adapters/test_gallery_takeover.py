"""The gallery of versions before, in Qdrant's local mode: taken over as it was, then erased; or left, and said."""

import fcntl
import os
import pickle
import shutil
import sqlite3
import tempfile
import uuid
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mosaicast.adapters.gallery.folder import owner_folder
from mosaicast.adapters.gallery.local import LocalStore
from mosaicast.adapters.gallery.qdrant import GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.gallery.seal import Seal
from mosaicast.adapters.gallery.takeover import take_over
from mosaicast.core.types import OwnerId

KEY = bytes(range(32))
ME, OTHER = OwnerId("owner-1"), OwnerId("owner-2 \ud800")
VECTORS = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0].astype(np.float32)
"""Eight, of length 1, none like another."""


@pytest.fixture
def config(tmp_path: Path) -> GalleryConfig:
    return GalleryConfig("test", "1", 8, tmp_path / "gallery", key=KEY, former_path=tmp_path / "qdrant")


def former(config: GalleryConfig) -> Path:
    """Where the versions before kept it."""
    assert config.former_path is not None
    return config.former_path


def former_folder(config: GalleryConfig, owner: str) -> Path:
    return owner_folder(former(config), owner) / config.collection


def kept_before(config: GalleryConfig, owner: str, **people: int) -> list[str]:
    """As the versions before enrolled, with the library; return what was sealed."""
    folder = former_folder(config, owner)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mosaicast.lock").touch()
    client = QdrantClient(path=str(folder))
    if not client.collection_exists(config.collection):
        client.create_collection(config.collection, vectors_config={})
    sealed = []
    for person, number in people.items():
        point = str(uuid.uuid4())
        payload = Seal(config.key, config.collection, 8).close(owner, person, point, VECTORS[number : number + 1])
        client.upsert(config.collection, [models.PointStruct(id=point, vector={}, payload=payload)], wait=True)
        sealed.append(str(payload["sealed"]))
    client.close()
    return sealed


def best(config: GalleryConfig, number: int, owner: OwnerId = ME) -> tuple[str, float]:
    match = QdrantGallery(config).search(owner, VECTORS[number : number + 1])[0][0]
    return match.person_id, round(match.similarity, 5)


def everything(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_is_made_where_nothing_was(config: GalleryConfig) -> None:
    assert take_over(former(config), config.path) == (0, {})
    assert not config.path.exists()
    assert not former(config).exists()


def test_everybody_of_every_owner_and_model_is_found_as_before_and_nothing_is_left(config: GalleryConfig) -> None:
    older = replace(config, model="older")
    sealed = kept_before(config, ME, ana=0, ben=1) + kept_before(older, ME, ana=2) + kept_before(config, OTHER, eve=3)
    assert all(text.encode() in everything(former(config)) for text in sealed), "the search finds what is there"
    assert QdrantGallery(config).refresh(ME) == {}, "masked until then"
    assert take_over(former(config), config.path) == (3, {})
    assert (best(config, 0), best(config, 1), best(older, 2)) == (("ana", 1.0), ("ben", 1.0), ("ana", 1.0))
    assert best(config, 3, OTHER) == ("eve", 1.0)
    assert QdrantGallery(config).everybody() == {(ME, "ana"), (ME, "ben"), (OTHER, "eve")}
    assert all(text.encode() in everything(config.path) for text in sealed), "byte for byte what was sealed"
    assert not former(config).exists()
    assert take_over(former(config), config.path) == (0, {})


def test_who_was_taken_over_is_erased_like_everybody(config: GalleryConfig) -> None:
    (sealed,) = kept_before(config, ME, ana=0)
    take_over(former(config), config.path)
    QdrantGallery(config).erase_person(ME, "ana")
    assert sealed.encode() not in everything(config.path)
    assert b"ana" not in everything(config.path)


def test_who_was_deleted_before_does_not_come_back(config: GalleryConfig) -> None:
    """The versions before left deleted bytes in the file when they were killed while erasing."""
    kept_before(config, ME, ana=0, ben=1)
    client = QdrantClient(path=str(former_folder(config, ME)))
    ana = models.Filter(must=[models.FieldCondition(key="person", match=models.MatchValue(value="ana"))])
    client.delete(config.collection, models.FilterSelector(filter=ana), wait=True)
    client.close()
    take_over(former(config), config.path)
    assert QdrantGallery(config).refresh(ME).keys() == {"ben"}
    assert not former(config).exists()


def test_who_is_enrolled_anew_keeps_the_new_templates(config: GalleryConfig) -> None:
    kept_before(config, ME, ana=0, ben=1)
    QdrantGallery(config).upsert_templates(ME, "ana", VECTORS[5:6])
    assert take_over(former(config), config.path) == (1, {})
    assert (best(config, 5), best(config, 1)) == (("ana", 1.0), ("ben", 1.0))
    assert best(config, 0)[1] < 0.5


@pytest.mark.parametrize("cut_off", ["add", "read", "rmtree"])
def test_it_goes_on_where_it_was_cut_off(config: GalleryConfig, monkeypatch: pytest.MonkeyPatch, cut_off: str) -> None:
    kept_before(config, ME, ana=0, ben=1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil if cut_off == "rmtree" else LocalStore, cut_off, killed)
        with pytest.raises(KeyboardInterrupt):
            take_over(former(config), config.path)
    assert former_folder(config, ME).exists()
    assert take_over(former(config), config.path).left == {}
    assert (best(config, 0), best(config, 1)) == (("ana", 1.0), ("ben", 1.0))
    assert not former(config).exists()


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("bomb",)


@pytest.mark.parametrize("damage", ["no database", "no pickle", "bomb", "no ids"])
def test_what_cannot_be_read_is_its_owners_trouble_alone_and_is_said(
    config: GalleryConfig, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept_before(config, ME, ana=0, ben=1)
    kept_before(config, OTHER, eve=3)
    folder = former_folder(config, ME)
    file = folder / "collection" / folder.name / "storage.sqlite"
    if damage == "no database":
        file.write_bytes(b"garbage" * 100)
    else:
        content = {"no pickle": b"?", "bomb": pickle.dumps(Bomb()), "no ids": pickle.dumps(models.PointStruct(
            id="x", vector={}, payload={"person": "ana"}))}[damage]  # fmt: skip
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("UPDATE points SET point = ? WHERE rowid = 2", (content,))
    done = take_over(former(config), config.path)
    assert done.people == 1
    assert done.left.keys() == {f"{folder.parent.name}/{config.collection}"}
    assert not Path("bomb").exists()
    assert best(config, 3, OTHER) == ("eve", 1.0)
    assert QdrantGallery(config).refresh(ME) == {}, "not even ben: all of a folder or nothing"
    assert folder.exists()


def test_nobody_whose_templates_may_lie_there_still_counts_as_erased(config: GalleryConfig) -> None:
    kept_before(config, ME, ana=0)
    gallery = QdrantGallery(config)
    gallery.upsert_templates(OTHER, "ana", VECTORS[:1])
    with pytest.raises(GalleryUnavailable, match="not_taken_over"):
        gallery.erase_person(ME, "ana")
    gallery.erase_person(OTHER, "ana")
    take_over(former(config), config.path)
    gallery.erase_person(ME, "ana")
    assert gallery.everybody() == frozenset()


def test_a_full_disk_leaves_all_of_it_where_it_was(config: GalleryConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    (sealed,) = kept_before(config, ME, ana=0)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "_insert", full)
        assert list(take_over(former(config), config.path).left.values()) == ["OperationalError"]
    assert sealed.encode() in everything(former(config))
    assert take_over(former(config), config.path) == (1, {})
    assert best(config, 0) == ("ana", 1.0)


def test_a_folder_that_somebody_is_in_is_left_for_the_next_start(
    config: GalleryConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_before(config, ME, ana=0)
    monkeypatch.setattr("mosaicast.adapters.gallery.takeover._PATIENCE_S", 0.05)
    with (former_folder(config, ME) / "mosaicast.lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert list(take_over(former(config), config.path).left.values()) == ["folder_in_use"]
    assert take_over(former(config), config.path) == (1, {})


def test_who_is_erased_while_another_process_takes_over_is_not_confirmed(
    config: GalleryConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_before(config, ME, ana=1)
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ben", VECTORS[:1])  # so that the folder is there
    erase = LocalStore.erase

    def erase_then_another_starts(self: LocalStore, owner: str, person: str) -> None:
        erase(self, owner, person)
        take_over(former(config), config.path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "erase", erase_then_another_starts)
        with pytest.raises(GalleryUnavailable, match="not_taken_over"):
            gallery.erase_person(ME, "ana")
    gallery.erase_person(ME, "ana")
    assert gallery.everybody() == {(ME, "ben")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
@pytest.mark.parametrize("hidden", ["kept", "former"])
def test_a_folder_that_cannot_be_read_is_not_one_of_nobody(hidden: str) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            status = _told_of_a_hidden_folder(hidden)
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _told_of_a_hidden_folder(hidden: str) -> int:
    """As nobody: 0 if what may not be read is told as such."""
    os.setgid(65534)
    os.setuid(65534)
    home = Path(tempfile.mkdtemp())
    config = GalleryConfig("test", "1", 8, home / "gallery", key=KEY, former_path=home / "qdrant")
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", VECTORS[:1])
    if hidden == "former":
        owner_folder(former(config), ME).mkdir(parents=True)
        owner_folder(former(config), ME).chmod(0)
        return 0 if take_over(former(config), config.path).left else 2
    owner_folder(config.path, ME).chmod(0)
    asked = (lambda: gallery.erase_person(ME, "ana"), gallery.everybody)
    told = 0
    for ask in asked:
        try:
            ask()
        except GalleryUnavailable:
            told += 1
    return 0 if told == len(asked) else 3
