"""The gallery in a folder: one process at a time, and nobody works with what another has replaced."""

import fcntl
import threading

import numpy as np
import pytest

from mosaicast.adapters.gallery import GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.gallery_folder import Folder
from mosaicast.core.types import OwnerId

ME = OwnerId("owner-1")
ONE = np.eye(4, dtype=np.float32)[:1]


@pytest.fixture
def config(tmp_path) -> GalleryConfig:
    return GalleryConfig("test", "1", 4, tmp_path / "qdrant", patience_s=0.05)


def test_nothing_is_opened_before_it_is_needed(config):
    QdrantGallery(config)
    assert not config.path.exists()


def test_check_tells_of_every_change_by_others(config):
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


def test_reading_changes_nothing_for_other_readers(config):
    one, other = QdrantGallery(config), QdrantGallery(config)
    one.refresh(ME)
    other.refresh(ME)
    assert not one.check()


def test_a_folder_that_is_in_use_is_unavailable_and_the_copy_of_before_is_not_used(config):
    gallery = QdrantGallery(config)
    QdrantGallery(config).upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    QdrantGallery(config).upsert_templates(ME, "ben", ONE)
    with (config.path / "mosaicast.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for call in (
            lambda: gallery.refresh(ME),
            lambda: gallery.search(ME, ONE),
            lambda: gallery.delete_person(ME, "a"),
        ):
            with pytest.raises(GalleryUnavailable, match="folder_in_use"):
                call()
    assert gallery.refresh(ME).keys() == {"ana", "ben"}


def test_one_at_a_time_in_one_process_too(config):
    gallery = QdrantGallery(config)
    with Folder(config).open(), pytest.raises(GalleryUnavailable, match="folder_in_use"):
        gallery.refresh(ME)
    assert gallery.refresh(ME) == {}


def test_writers_at_once_lose_nothing(config):
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


@pytest.mark.parametrize("damage", ["meta.json", "collection/faces-test-1/storage.sqlite"])
def test_a_broken_folder_is_unavailable_and_heals(config, damage):
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    file = config.path / damage
    whole = file.read_bytes()
    file.write_bytes(b"garbage" * 10)
    fresh = QdrantGallery(config)
    with pytest.raises(GalleryUnavailable):
        fresh.search(ME, ONE)
    file.write_bytes(whole)
    assert len(fresh.search(ME, ONE)[0]) == 1


def test_a_folder_that_is_taken_away_knows_nobody(config):
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", ONE)
    gallery.refresh(ME)
    config.path.rename(config.path.with_name("elsewhere"))
    assert gallery.check()
    assert gallery.refresh(ME) == {}
    assert gallery.search(ME, ONE) == [[]]


def test_a_path_that_is_no_folder_is_unavailable(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    gallery = QdrantGallery(GalleryConfig("test", "1", 4, file))
    for call in (gallery.check, lambda: gallery.refresh(ME)):
        with pytest.raises(GalleryUnavailable, match=r"FileExistsError|NotADirectoryError"):
            call()
