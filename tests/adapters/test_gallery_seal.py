"""Templates at rest: who has no key reads nothing, adds nobody, and gives nobody's face to another."""

import base64
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.gallery.local import FILE
from mosaicast.adapters.gallery.qdrant import GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.gallery.seal import KEY_BYTES, Seal
from mosaicast.core.types import OwnerId

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ME, OTHER = OwnerId("owner-1"), OwnerId("owner-2")
VECTORS = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0][:3].astype(np.float32)
"""Three, of length 1."""


def seal(key: bytes | None = KEY, collection: str = "faces-a-1") -> Seal:
    return Seal(key, collection, 8)


@pytest.fixture
def config(tmp_path: Path) -> GalleryConfig:
    return GalleryConfig("test", "1", 8, tmp_path / "gallery", key=KEY)


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("count", [1, 3])
def test_what_was_closed_opens(key: bytes | None, count: int) -> None:
    payload = seal(key).close(ME, "ana", "p1", VECTORS[:count])
    person, vectors = seal(key).open(ME, "p1", payload)
    assert person == "ana"
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, VECTORS[:count])


def test_nothing_but_the_ids_can_be_read_and_no_two_are_alike() -> None:
    payloads = [seal().close(ME, "ana", "p1", VECTORS) for _ in range(2)]
    assert payloads[0].keys() == {"owner", "person", "sealed", "key"}
    contents = [base64.b64decode(str(payload["sealed"])) for payload in payloads]
    assert len(contents[0]) == 12 + VECTORS.nbytes + 16
    assert contents[0] != contents[1]
    for content in contents:
        assert VECTORS[0, :2].tobytes() not in content
    assert payloads[0]["key"] == payloads[1]["key"]
    assert bytes.fromhex(str(payloads[0]["key"])) not in KEY


@pytest.mark.parametrize(
    ("closed_with", "opened_with"), [(KEY, OTHER_KEY), (KEY, None), (None, KEY)], ids=["another", "none", "plain"]
)
def test_another_key_opens_nothing(closed_with: bytes | None, opened_with: bytes | None) -> None:
    payload = seal(closed_with).close(ME, "ana", "p1", VECTORS)
    with pytest.raises(GalleryUnavailable, match="wrong_key"):
        seal(opened_with).open(ME, "p1", payload)


@pytest.mark.parametrize("place", range(0, 12 + 32 + 16, 5))
def test_every_changed_byte_is_noticed(place: int) -> None:
    payload = seal().close(ME, "ana", "p1", VECTORS[:1])
    content = bytearray(base64.b64decode(str(payload["sealed"])))
    content[place] ^= 1
    payload["sealed"] = base64.b64encode(content).decode()
    with pytest.raises(GalleryUnavailable, match="template_damaged"):
        seal().open(ME, "p1", payload)


@pytest.mark.parametrize("sealed", [None, "", "A", "===", "ö", "AAAA", base64.b64encode(bytes(28)).decode(), 7, []])
def test_garbage_is_no_template(sealed: int | list[object] | str | None) -> None:
    payload = seal().close(ME, "ana", "p1", VECTORS) | {"sealed": sealed}
    with pytest.raises(GalleryUnavailable, match="template_damaged"):
        seal().open(ME, "p1", payload)


@pytest.mark.parametrize("plain", [None, [], "x", [[1.0] * 7], [[float("nan")] * 8], [[1.0] * 8, [1.0]], {}])
def test_garbage_is_no_plain_template(plain: dict[str, Any] | list[list[float]] | str | None) -> None:
    payload = seal(None).close(ME, "ana", "p1", VECTORS) | {"plain": plain}
    with pytest.raises(GalleryUnavailable):
        seal(None).open(ME, "p1", payload)


@pytest.mark.parametrize("payload", [None, {}, {"owner": ME}, {"owner": ME, "person": 7}, {"person": "ana"}])
def test_a_point_without_ids_is_damaged(payload: dict[str, int | str] | dict[str, str] | None) -> None:
    with pytest.raises(GalleryUnavailable, match="template_damaged"):
        seal().open(ME, "p1", payload)


def test_a_template_opens_only_where_it_belongs() -> None:
    payload = seal().close(ME, "ana", "p1", VECTORS)
    moves: list[tuple[Seal, str, str, dict[str, object]]] = [
        (seal(), ME, "p1", {"person": "ben"}),
        (seal(), ME, "p2", {}),
        (seal(), OTHER, "p1", {}),
        (seal(), OTHER, "p1", {"owner": OTHER}),
        (seal(collection="faces-a-2"), ME, "p1", {}),
    ]
    for opener, owner, point, changes in moves:
        with pytest.raises(GalleryUnavailable, match="template_damaged"):
            opener.open(owner, point, {**payload, **changes})


def test_ids_that_run_into_each_other_are_different() -> None:
    payload = seal().close("a\0b", "c", "p1", VECTORS)
    with pytest.raises(GalleryUnavailable, match="template_damaged"):
        seal().open("a", "p1", payload | {"owner": "a", "person": "b\0c"})


@pytest.mark.parametrize("length", [0, 16, KEY_BYTES - 1, KEY_BYTES + 1])
def test_a_key_of_another_length_is_refused(config: GalleryConfig, length: int) -> None:
    with pytest.raises(ValueError, match=f"has {length} bytes"):
        QdrantGallery(replace(config, key=bytes(length)))


def test_no_key_is_shown(config: GalleryConfig) -> None:
    shown = repr(replace(config, api_key="api-secret"))
    assert "api-secret" not in shown
    assert "key=" not in shown


def test_a_gallery_with_another_key_is_unavailable_and_never_nobody(config: GalleryConfig) -> None:
    QdrantGallery(config).upsert_templates(ME, "ana", VECTORS)
    for key in (OTHER_KEY, None):
        gallery = QdrantGallery(replace(config, key=key))
        for _ in range(2):
            with pytest.raises(GalleryUnavailable, match="wrong_key"):
                gallery.refresh(ME)
            with pytest.raises(GalleryUnavailable, match="wrong_key"):
                gallery.search(ME, VECTORS)
        assert gallery.check()
    assert QdrantGallery(config).refresh(ME).keys() == {"ana"}


def test_a_person_who_lost_the_key_can_still_be_erased(config: GalleryConfig) -> None:
    """Erasing needs no key."""
    QdrantGallery(config).upsert_templates(ME, "ana", VECTORS)
    QdrantGallery(replace(config, key=OTHER_KEY)).erase_person(ME, "ana")
    assert QdrantGallery(config).refresh(ME) == {}


def test_a_template_given_to_another_person_in_the_file_is_noticed(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", VECTORS)
    gallery.upsert_templates(ME, "stranger", VECTORS[::-1])
    gallery.refresh(ME)
    (folder,) = config.path.glob(f"*/{config.collection}")
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        assert database.execute("UPDATE points SET person = ?", (b"ana",)).rowcount == 2
    assert gallery.check()
    for ask in (lambda: gallery.refresh(ME), lambda: gallery.search(ME, VECTORS)):
        with pytest.raises(GalleryUnavailable, match="template_damaged"):
            ask()


def test_a_folder_given_to_another_owner_is_noticed(config: GalleryConfig) -> None:
    gallery = QdrantGallery(config)
    gallery.upsert_templates(ME, "ana", VECTORS)
    (mine,) = config.path.iterdir()
    gallery.upsert_templates(OTHER, "ben", VECTORS)
    (others,) = set(config.path.iterdir()) - {mine}
    others.rename(config.path / "away")
    mine.rename(others)
    with pytest.raises(GalleryUnavailable, match="template_damaged"):
        gallery.search(OTHER, VECTORS)
    assert gallery.refresh(ME) == {}
