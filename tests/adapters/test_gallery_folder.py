"""The gallery in folders: one process at a time in each, and nobody works with what another has replaced."""

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from mosaicast.adapters.gallery.local import FILE, LocalStore
from mosaicast.adapters.gallery.qdrant import GalleryConfig, GalleryUnavailable, OwnerUnavailable, QdrantGallery
from mosaicast.core.types import OwnerId

ME, OTHER = OwnerId("owner-1"), OwnerId("owner-2")
ONE = np.eye(4, dtype=np.float32)[:1]


@pytest.fixture
def config(tmp_path: Path) -> GalleryConfig:
    return GalleryConfig("test", "1", 4, tmp_path / "gallery", patience_s=0.05, key=bytes(32))


def folder_of_me(config: GalleryConfig) -> Path:
    """The only folder that there is."""
    (folder,) = config.path.glob(f"*/{config.collection}")
    return folder


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Somebody is in a folder, and stays."""
    with (folder / "mosaicast.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def test_nothing_is_opened_before_it_is_needed(config: GalleryConfig) -> None:
    QdrantGallery(config)
    assert not config.path.exists()


def test_reading_makes_nothing(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    assert (gallery.check(), gallery.refresh(ME), gallery.search(ME, ONE), gallery.check()) == (True, {}, [[]], False)
    gallery.erase_person(ME, "ana")
    gallery.delete_person(ME, "ana")
    assert not config.path.exists()


def test_only_the_user_of_the_process_may_look_in(config: GalleryConfig) -> None:
    QdrantGallery(config).upsert_templates(ME, "ana", ONE)
    folder = folder_of_me(config)
    assert [path.stat().st_mode & 0o077 for path in (config.path, folder.parent, folder)] == [0, 0, 0]


def test_check_tells_of_every_change_by_others(config: GalleryConfig) -> None:
    reader, writer = QdrantGallery(config), QdrantGallery(config)
    assert reader.check()  # nothing was read yet
    reader.refresh(ME)
    assert not reader.check()
    for number in range(3):
        writer.upsert_templates(ME, f"person-{number}", ONE)
        assert reader.check()
        reader.refresh(ME)
        assert not reader.check()
    writer.delete_person(ME, "person-1")
    assert reader.check()
    assert reader.refresh(ME).keys() == {"person-0", "person-2"}


def test_what_changes_nothing_for_an_owner_is_not_told(config: GalleryConfig) -> None:
    reader, other = QdrantGallery(config), QdrantGallery(config)
    other.upsert_templates(ME, "ana", ONE)
    reader.refresh(ME)
    other.refresh(ME)
    other.delete_person(ME, "nobody")
    other.upsert_templates(OTHER, "ben", ONE)
    other.erase_person(OTHER, "ben")
    assert not reader.check()


def test_a_folder_that_is_in_use_is_unavailable_and_the_copy_of_before_is_not_used(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    QdrantGallery(config).upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    QdrantGallery(config).upsert_templates(ME, "ben", ONE)
    with inside(folder_of_me(config)):
        for call in (
            lambda: gallery.refresh(ME),
            lambda: gallery.search(ME, ONE),
            lambda: gallery.delete_person(ME, "a"),
            lambda: gallery.upsert_templates(ME, "carl", ONE),
        ):
            with pytest.raises(GalleryUnavailable, match="folder_in_use"):
                call()
    assert gallery.refresh(ME).keys() == {"ana", "ben"}


def test_owners_do_not_wait_for_each_other(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    with inside(folder_of_me(config)):
        gallery.upsert_templates(OTHER, "ben", ONE)
        assert gallery.refresh(OTHER).keys() == {"ben"}


def test_a_damaged_folder_is_its_owners_trouble_alone(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    folder = folder_of_me(config)
    gallery.upsert_templates(OTHER, "ben", ONE)
    for owner in (ME, OTHER):
        gallery.refresh(owner)
    (folder / FILE).write_bytes(b"x" * 100)
    assert gallery.check()
    with pytest.raises(OwnerUnavailable):
        gallery.refresh(ME)
    with pytest.raises(OwnerUnavailable):
        gallery.search(ME, ONE)
    assert not gallery.check()
    assert [match.person_id for match in gallery.search(OTHER, ONE)[0]] == ["ben"]


def test_what_was_let_go_is_no_news(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    for owner in (ME, OTHER):
        gallery.upsert_templates(owner, "ana", ONE)
        gallery.refresh(owner)
    QdrantGallery(config).upsert_templates(ME, "ben", ONE)
    gallery.forget(ME)
    assert not gallery.check()
    assert gallery.refresh(ME).keys() == {"ana", "ben"}


def test_one_at_a_time_in_one_process_too(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    store = LocalStore(folder_of_me(config), 0.05)
    with store._alone(), pytest.raises(GalleryUnavailable, match="folder_in_use"):
        gallery.refresh(ME)
    assert gallery.refresh(ME).keys() == {"ana"}


def test_writers_at_once_lose_nothing(config: GalleryConfig) -> None:
    galleries = [QdrantGallery(GalleryConfig("test", "1", 4, config.path, patience_s=30.0)) for _ in range(4)]
    threads = [
        threading.Thread(target=gallery.upsert_templates, args=(ME, f"person-{number}", ONE))
        for number, gallery in enumerate(galleries)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(galleries[0].refresh(ME)) == 4


def truncated(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def with_a_page_of_garbage(whole: bytes) -> bytes:
    return whole[:4096] + b"\xff" * 4096 + whole[8192:]


def of_a_format_to_come(whole: bytes) -> bytes:
    """By SQLite's header: its user_version is 3."""
    return whole[:60] + (3).to_bytes(4, "big") + whole[64:]


def somebody_elses(whole: bytes) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)")
        return database.serialize()


@pytest.mark.parametrize(
    "damaged", [lambda _: b"garbage" * 10, truncated, with_a_page_of_garbage, of_a_format_to_come, somebody_elses]
)
def test_a_broken_folder_is_unavailable_and_heals(config: GalleryConfig, damaged: Callable[[bytes], bytes]) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    file = folder_of_me(config) / FILE
    whole = file.read_bytes()
    file.write_bytes(damaged(whole))
    fresh = QdrantGallery(config)
    with pytest.raises(GalleryUnavailable):
        fresh.search(ME, ONE)
    file.write_bytes(whole)
    assert len(fresh.search(ME, ONE)[0]) == 1


def test_a_file_that_nothing_was_ever_written_to_is_nobodys(config: GalleryConfig) -> None:
    """Who enrolled the first person of an owner was killed before the commit."""
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    (folder_of_me(config) / FILE).write_bytes(b"")
    assert gallery.check()
    assert (gallery.refresh(ME), gallery.everybody(), gallery.check()) == ({}, frozenset(), False)
    gallery.erase_person(ME, "ana")
    gallery.upsert_templates(ME, "ben", ONE)
    assert gallery.refresh(ME).keys() == {"ben"}


def test_somebody_elses_lock_on_the_database_is_waited_for_and_then_unavailable(config: GalleryConfig) -> None:
    """A program that knows SQLite's locks only: `sqlite3 FILE`, say."""
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    with closing(sqlite3.connect(folder_of_me(config) / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for call in (
            lambda: gallery.refresh(ME),
            lambda: gallery.erase_person(ME, "ana"),
            lambda: gallery.upsert_templates(ME, "ben", ONE),
        ):
            with pytest.raises(GalleryUnavailable, match="OperationalError"):
                call()
        other.execute("ROLLBACK")
    assert gallery.refresh(ME).keys() == {"ana"}


def test_a_database_that_somebody_turned_to_a_write_ahead_log_is_turned_back(config: GalleryConfig) -> None:
    """There the header counts nothing, and deleted rows lie in a second file."""
    reader, writer = QdrantGallery(config), QdrantGallery(config)
    writer.upsert_templates(ME, "ana", ONE)
    with closing(sqlite3.connect(folder_of_me(config) / FILE)) as other:
        other.execute("PRAGMA journal_mode = WAL")
    reader.refresh(ME)
    writer.upsert_templates(ME, "ben", ONE)
    assert reader.check()
    assert reader.refresh(ME).keys() == {"ana", "ben"}
    assert {path.name for path in folder_of_me(config).iterdir()} == {FILE, "mosaicast.lock"}


def test_a_full_disk_is_told_keeps_nobody_and_changes_nothing_for_the_others(
    config: GalleryConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    connect = LocalStore._connect

    def full(self: LocalStore, make: bool) -> sqlite3.Connection:
        database = connect(self, make)
        database.execute("PRAGMA max_page_count = 1")  # no less than there are
        return database

    many = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "_connect", full)
        kept = 0
        with suppress(GalleryUnavailable):
            for number in range(100):
                gallery.upsert_templates(ME, f"ben-{number}", many)
                kept += 1
        with pytest.raises(GalleryUnavailable, match="OperationalError"):
            gallery.upsert_templates(ME, "dora", many)
        held = gallery.refresh(ME).keys()
        assert held == {"ana", *(f"ben-{number}" for number in range(kept))}
    gallery.upsert_templates(ME, "carl", ONE)
    assert gallery.refresh(ME).keys() == {*held, "carl"}


def test_a_folder_that_is_taken_away_knows_nobody(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    config.path.rename(config.path.with_name("elsewhere"))
    assert gallery.check()
    assert gallery.refresh(ME) == {}
    assert gallery.search(ME, ONE) == [[]]


def test_a_path_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    gallery = QdrantGallery(GalleryConfig("test", "1", 4, file))
    for call in (gallery.check, lambda: gallery.refresh(ME)):
        with pytest.raises(GalleryUnavailable, match=r"FileExistsError|NotADirectoryError"):
            call()
