"""One behaviour suite for every home of the gallery: a folder, encrypted or not, and a server where one is given."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.adapters.gallery.local import LocalStore
from mosaicast.adapters.gallery.qdrant import Gallery, GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.gallery.store import MOST_TEMPLATES
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId
from tests.fakes.gallery import MemoryGallery, Store

SERVER = os.environ.get("MOSAICAST_TEST_QDRANT_URL")
DIMENSION = 8
MEMORY = "memory"
"""Stands for the gallery of the tests, which must keep to the port as the real ones do."""
ME, OTHER = OwnerId("owner-1"), OwnerId("owner-2")


def unit(*numbers: float) -> np.ndarray:
    """A vector of length 1 whose first numbers have these proportions."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


@pytest.fixture(params=["folder", "plain folder", "server", "memory"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GalleryConfig]:
    if request.param == "memory":
        yield GalleryConfig("test", "1", DIMENSION, tmp_path, url=MEMORY)
        return
    if request.param != "server":
        key = bytes(range(32)) if request.param == "folder" else None
        yield GalleryConfig("test", uuid.uuid4().hex, DIMENSION, tmp_path / "gallery", patience_s=1.0, key=key)
        return
    if SERVER is None:
        pytest.skip("no Qdrant server: set MOSAICAST_TEST_QDRANT_URL")
    config = GalleryConfig("test", uuid.uuid4().hex, DIMENSION, tmp_path, url=SERVER)
    yield config
    from qdrant_client import QdrantClient

    client = QdrantClient(url=SERVER)
    for name in (config.collection, replace(config, model="other").collection):
        client.delete_collection(name)
    client.close()


@pytest.fixture
def make(config: GalleryConfig) -> Iterator[Callable[..., Gallery]]:
    made: list[QdrantGallery] = []
    store = Store()

    def build(**changes: Any) -> Any:
        if config.url == MEMORY:
            return MemoryGallery(DIMENSION, model=changes.get("model", config.model), store=store)
        made.append(QdrantGallery(replace(config, **changes)))
        return made[-1]

    yield build
    for gallery in made:
        gallery.close()


@pytest.fixture
def gallery(make: Callable[..., Gallery]) -> Gallery:
    return make()


def found(gallery: Gallery, vector: np.ndarray, owner: OwnerId = ME) -> list[Match]:
    gallery.refresh(owner)
    return gallery.search(owner, vector[None])[0]


def test_an_empty_gallery_knows_nobody(gallery: Gallery) -> None:
    assert gallery.refresh(ME) == {}
    assert gallery.search(ME, np.stack([unit(1), unit(0, 1)])) == [[], []]


def test_no_face_is_no_answer(gallery: Gallery) -> None:
    assert gallery.search(ME, np.zeros((0, DIMENSION), np.float32)) == []


def test_the_best_of_each_persons_templates_counts_best_person_first(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", np.stack([unit(1), unit(0, 0, 1)]))
    gallery.upsert_templates(ME, "ben", unit(1, 1)[None])
    first, second = found(gallery, unit(0, 1, 0.1))
    assert [first.person_id, second.person_id] == ["ben", "ana"]
    assert first.similarity == pytest.approx(float(unit(1, 1) @ unit(0, 1, 0.1)), abs=1e-5)
    assert second.similarity == pytest.approx(float(unit(0, 0, 1) @ unit(0, 1, 0.1)), abs=1e-5)


def test_each_face_has_its_answer_in_order(gallery: Gallery) -> None:
    for person, vector in (("ana", unit(1)), ("ben", unit(0, 1))):
        gallery.upsert_templates(ME, person, vector[None])
    gallery.refresh(ME)
    answers = gallery.search(ME, np.stack([unit(0, 1), unit(1), unit(0, 1)]))
    assert [answer[0].person_id for answer in answers] == ["ben", "ana", "ben"]


def test_owners_never_meet(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", unit(1)[None])
    gallery.upsert_templates(OTHER, "ana", unit(0, 1)[None])
    assert [match.similarity for match in found(gallery, unit(0, 1), ME)] == [pytest.approx(0.0, abs=1e-6)]
    assert gallery.refresh(OwnerId("owner")) == {}
    gallery.delete_person(OTHER, "ana")
    assert len(found(gallery, unit(1), ME)) == 1


def test_models_never_meet(make: Callable[..., Gallery]) -> None:
    make().upsert_templates(ME, "ana", unit(1)[None])
    assert found(make(model="other"), unit(1)) == []


def test_deleted_in_one_model_erased_in_all(make: Callable[..., Gallery]) -> None:
    """`delete_person` is for making templates again, `erase_person` for people."""
    galleries = [make(), make(model="other")]
    for gallery in galleries:
        for person in ("ana", "ben"):
            gallery.upsert_templates(ME, person, unit(1)[None])
    galleries[0].delete_person(ME, "ana")
    assert [set(gallery.refresh(ME)) for gallery in galleries] == [{"ben"}, {"ana", "ben"}]
    galleries[0].erase_person(ME, "ana")
    galleries[0].erase_person(OTHER, "ben")
    assert [set(gallery.refresh(ME)) for gallery in galleries] == [{"ben"}, {"ben"}]


def test_the_second_person_is_found_behind_twenty_templates_of_the_first(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", np.stack([unit(1, 0, number / 1000) for number in range(20)]))
    gallery.upsert_templates(ME, "ben", unit(1, 1)[None])
    assert [match.person_id for match in found(gallery, unit(1))] == ["ana", "ben"]


def test_erased_people_are_not_found(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", np.stack([unit(1), unit(1, 0.1)]))
    gallery.upsert_templates(ME, "ben", unit(0, 1)[None])
    gallery.delete_person(ME, "ana")
    assert [match.person_id for match in found(gallery, unit(1))] == ["ben"]
    gallery.delete_person(ME, "nobody")
    gallery.erase_person(OwnerId("owner-3"), "nobody")
    assert gallery.refresh(ME).keys() == {"ben"}


def test_refresh_tells_who_is_there_and_whose_templates_differ(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", unit(1)[None])
    gallery.upsert_templates(ME, "ben", unit(0, 1)[None])
    first = gallery.refresh(ME)
    assert first.keys() == {"ana", "ben"}
    assert gallery.refresh(ME) == first
    gallery.upsert_templates(ME, "ben", unit(0, 0, 1)[None])
    second = gallery.refresh(ME)
    assert second[PersonId("ana")] == first[PersonId("ana")]
    assert second[PersonId("ben")] != first[PersonId("ben")]
    gallery.delete_person(ME, "ana")
    gallery.upsert_templates(ME, "ana", unit(1)[None])
    assert gallery.refresh(ME)[PersonId("ana")] != first[PersonId("ana")]


def test_what_another_process_writes_is_seen_after_refresh(make: Callable[..., Gallery]) -> None:
    writer, reader = make(), make()
    assert found(reader, unit(1)) == []
    writer.upsert_templates(ME, "ana", unit(1)[None])
    assert [match.person_id for match in found(reader, unit(1))] == [PersonId("ana")]
    writer.delete_person(ME, "ana")
    assert found(reader, unit(1)) == []


def test_it_lasts(make: Callable[..., Gallery]) -> None:
    writer = make()
    writer.upsert_templates(ME, "ana", unit(1)[None])
    if isinstance(writer, QdrantGallery):
        writer.close()
    assert len(found(make(), unit(1))) == 1


def test_a_zero_vector_is_like_nobody(gallery: Gallery) -> None:
    gallery.upsert_templates(ME, "ana", unit(1)[None])
    assert all(match.similarity == 0.0 for match in found(gallery, np.zeros(DIMENSION, np.float32)))


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((0, DIMENSION)),
        np.zeros((1, DIMENSION)),
        np.full((1, DIMENSION), np.nan),
        np.ones((1, DIMENSION)),
        np.eye(DIMENSION)[0],
        np.eye(DIMENSION + 1)[:1],
        np.tile(np.eye(DIMENSION), (MOST_TEMPLATES, 1))[: MOST_TEMPLATES + 1],
    ],
    ids=["none", "zero", "NaN", "too long", "one dimension", "another model's", "too many"],
)
def test_wrong_vectors_are_refused(gallery: Gallery, vectors: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="vectors of"):
        gallery.upsert_templates(ME, "ana", vectors.astype(np.float32))
    assert gallery.refresh(ME) == {}


def test_a_person_who_is_kept_in_part_is_erased(
    gallery: Gallery, config: GalleryConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes fails after it has written: nobody must be left whom no one knows of."""
    if config.url == MEMORY:
        pytest.skip("nothing that could fail writes for it")
    from qdrant_client import QdrantClient

    store: Any
    store, writes = (LocalStore, "_insert") if config.url is None else (QdrantClient, "upsert")
    written = getattr(store, writes)

    def fails(self: Any, *args: Any, **kwargs: Any) -> None:
        written(self, *args, **kwargs)
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(store, writes, fails)
        with pytest.raises(GalleryUnavailable, match="OSError"):
            gallery.upsert_templates(ME, "ana", unit(1)[None])
    assert gallery.refresh(ME) == {}


def test_everybody_is_listed_of_every_owner_and_model(make: Callable[..., Gallery], gallery: Gallery) -> None:
    assert gallery.everybody() == frozenset()
    gallery.upsert_templates(ME, "ana", unit(1)[None])
    gallery.upsert_templates(OTHER, "ben", unit(1)[None])
    older = make(model="other")
    older.upsert_templates(ME, "zoe", unit(1)[None])
    assert gallery.everybody() == {(ME, "ana"), (OTHER, "ben"), (ME, "zoe")}
    assert make(key=None).everybody() == gallery.everybody(), "no key is needed to say whose they are"
    gallery.erase_person(ME, "zoe")
    assert gallery.everybody() == {(ME, "ana"), (OTHER, "ben")}
