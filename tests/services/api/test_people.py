"""Enrolling, listing, changing and erasing people over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.database.storage import Storage
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.media.jpeg import size_wh
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.adapters.vault import VaultError
from mosaicast.contracts.messages import GalleryChanged
from services.api.background.leftovers import Leftovers
from services.api.people import records as people
from tests.services.api.fakes import problem
from tests.services.api.people_tools import PeopleDesk, jpeg, models, portrait, variant


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    return desk


def announced(desk: PeopleDesk) -> list[str]:
    return [message.owner_id for _, message in desk.producer.sent if isinstance(message, GalleryChanged)]


def test_a_person_is_enrolled_listed_and_shown(desk: PeopleDesk) -> None:
    answer = desk.enrolled(jpeg(portrait("astronaut")), jpeg(variant("astronaut", turn_deg=9)), owner="town")
    person_id = answer["person_id"]
    assert (answer["name"], answer["owner"], answer["expires_at"], answer["expired"]) == ("Ann", "town", None, False)
    assert [photo["verdict"] for photo in answer["photos"]] == ["ok", "ok"]
    assert answer["photos"][0]["detail"]
    for network, gallery in zip(models().networks, desk.galleries.values(), strict=True):
        assert gallery.held["town", person_id].shape == (2, network.dimension)
    assert announced(desk) == ["town"]
    assert desk.admin.get("/v1/people").json() == {"people": [], "next_cursor": None}
    assert desk.admin.get("/v1/people?owner=town").json() == {"people": [answer], "next_cursor": None}
    assert desk.admin.get(f"/v1/people/{person_id}").json() == answer


def test_streams_of_the_owner_are_told_who_may_be_seen(desk: PeopleDesk) -> None:
    stream_id = desk.create(owner="town")["stream_id"]
    other = desk.create(owner="village")["stream_id"]
    before = desk.producer.newest(stream_id)
    assert before is not None
    desk.enrolled(owner="town")
    told = desk.producer.newest(stream_id)
    assert told is not None
    assert told.revision == before.revision + 1
    elsewhere = desk.producer.newest(other)
    assert elsewhere is not None
    assert elsewhere.revision == 1


def test_a_thumbnail_is_for_administrators_and_kept_nowhere_else(desk: PeopleDesk) -> None:
    answer = desk.enrolled(jpeg(portrait("astronaut")), jpeg(np.zeros((99, 99, 3), np.uint8)))
    good, bad = answer["photos"]
    assert (bad["verdict"], bad["thumbnail"], bad["photo_id"]) == ("no_face", None, None)
    picture = desk.admin.get(good["thumbnail"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "no-store"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert size_wh(picture.content) == (112, 112)
    problem(desk.anyone.get(good["thumbnail"]), 401)
    problem(desk.admin.get(good["thumbnail"].replace(good["photo_id"], "another")), 404)
    someone = desk.enrolled()
    problem(desk.admin.get(good["thumbnail"].replace(answer["person_id"], someone["person_id"])), 404)


def test_a_stranger_among_the_photos_is_left_out(desk: PeopleDesk) -> None:
    answer = desk.enrolled(
        jpeg(portrait("astronaut")), jpeg(portrait("admiral")), jpeg(variant("astronaut", light=0.8))
    )
    assert [photo["verdict"] for photo in answer["photos"]] == ["ok", "somebody_else", "ok"]
    assert answer["photos"][1]["thumbnail"] is None
    assert all(len(gallery.held["default", answer["person_id"]]) == 2 for gallery in desk.galleries.values())


def test_two_photos_of_two_people_enroll_nobody(desk: PeopleDesk) -> None:
    told = problem(desk.enroll(jpeg(portrait("astronaut")), jpeg(portrait("admiral"))), 422)
    assert "same person" in told["detail"]
    assert desk.nothing_is_kept()
    assert desk.producer.sent == []


def test_a_photo_turned_by_its_exif_is_noted(desk: PeopleDesk) -> None:
    lying = np.ascontiguousarray(np.rot90(portrait("astronaut")))
    answer = desk.enrolled(jpeg(lying, exif=6))
    assert "EXIF" in answer["photos"][0]["note"]


def test_erasing_takes_photos_templates_and_the_name(desk: PeopleDesk) -> None:
    person_id = desk.enrolled()["person_id"]
    url = f"/v1/people/{person_id}"
    assert desk.admin.delete(url).status_code == 204
    assert desk.nothing_is_kept()
    assert set(announced(desk)) == {"default"}
    problem(desk.admin.get(url), 404)
    problem(desk.admin.delete(url), 404)


def test_a_gallery_that_is_away_keeps_nobody(desk: PeopleDesk) -> None:
    for gallery in desk.galleries.values():
        gallery.away = True
        told = problem(desk.enroll(jpeg(portrait("astronaut"))), 503)
        gallery.away = False
        assert "gallery" in told["detail"]
        Leftovers(desk.deps).check()
        assert desk.nothing_is_kept()


def test_a_vault_that_fails_keeps_nobody(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise VaultError("No space left on device")

    monkeypatch.setattr(desk.deps.vault, "put", fail)
    problem(desk.enroll(jpeg(portrait("astronaut"))), 503)
    assert desk.nothing_is_kept()


def test_erasing_with_the_gallery_away_masks_at_once_and_goes_on_later(desk: PeopleDesk) -> None:
    stream_id = desk.create()["stream_id"]
    person_id = desk.enrolled()["person_id"]
    desk.admin.request("PUT", f"/v1/people/{person_id}/consents/{stream_id}", json={"allowed": True})
    assert person_id in desk.storage.visible_people("default", stream_id, desk.now_ms)
    gallery = next(iter(desk.galleries.values()))
    gallery.away = True
    before = len(announced(desk))
    told = problem(desk.admin.delete(f"/v1/people/{person_id}"), 503)
    assert "not everything is erased" in told["detail"]
    assert desk.storage.visible_people("default", stream_id, desk.now_ms) == {}
    assert len(announced(desk)) > before
    gallery.away = False
    assert desk.admin.delete(f"/v1/people/{person_id}").status_code == 204
    assert desk.nothing_is_kept()


def test_models_that_fail_are_503(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InferenceError("dead")

    monkeypatch.setattr(models(), "find", fail)
    problem(desk.enroll(jpeg(portrait("astronaut"))), 503)
    assert desk.nothing_is_kept()


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "a" * 201}, {"nam": "b"}, {"expires_at": "tomorrow"}])
def test_a_change_that_is_none_is_refused(desk: PeopleDesk, body: dict[str, Any]) -> None:
    person = desk.enrolled()
    url = f"/v1/people/{person['person_id']}"
    problem(desk.admin.patch(url, json=body), 422)
    assert desk.admin.get(url).json() == person


def test_a_name_is_changed(desk: PeopleDesk) -> None:
    url = f"/v1/people/{desk.enrolled()['person_id']}"
    assert desk.admin.patch(url, json={"name": "Anna"}).json()["name"] == "Anna"
    problem(desk.admin.patch("/v1/people/nobody", json={"name": "Anna"}), 404)


def test_erasing_takes_templates_of_earlier_networks_too(stored: PeopleDesk, tmp_path: Path) -> None:
    person_id = stored.enrolled()["person_id"]
    newer = {n.name: QdrantGallery(_config(tmp_path, replace(n, version="2"))) for n in models().networks}
    today = PeopleDesk(tmp_path, stored.storage, galleries=newer)
    today.build()
    assert today.admin.delete(f"/v1/people/{person_id}").status_code == 204
    for gallery in (*newer.values(), *stored.galleries.values()):
        assert person_id not in gallery.refresh("default")
        gallery.close()
    assert person_id.encode() not in _held(tmp_path / "gallery")


def test_an_owner_has_no_more_people_than_a_stream_can_be_told_of(
    desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_PEOPLE", 1)
    desk.enrolled()
    assert "1 people" in problem(desk.enroll(jpeg(portrait("astronaut"))), 422)["detail"]
    desk.enrolled(owner="town")
    assert len(desk.storage.people_ids()) == 2


@pytest.fixture
def stored(tmp_path: Path, storage: Storage) -> Iterator[PeopleDesk]:
    """With the real gallery in a folder."""
    galleries = {n.name: QdrantGallery(_config(tmp_path, n)) for n in models().networks}
    desk = PeopleDesk(tmp_path, storage, galleries=galleries)
    desk.build()
    yield desk
    for gallery in galleries.values():
        gallery.close()


def _config(folder: Path, network: Any) -> GalleryConfig:
    return GalleryConfig(network.name, network.version, network.dimension, folder / "gallery")


def _held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def _traces(vectors: Any) -> list[bytes]:
    """How eight numbers of a vector may lie in a file: as float32, as float64, as text."""
    part = [float(x) for x in vectors[20:28]]
    return [
        np.array(part, "<f4").tobytes(),
        np.array(part, "<f8").tobytes(),
        *[repr(number).encode() for number in part],
    ]


def test_photos_lie_encrypted_and_erasing_leaves_no_byte_of_a_face(stored: PeopleDesk, tmp_path: Path) -> None:
    photo = jpeg(portrait("astronaut"))
    judged = stored.deps.enroller.judge("a.jpg", photo)
    assert judged.good is not None
    pictures = [photo, judged.good.photo, judged.good.thumbnail]
    answer = stored.enrolled(photo)
    other = stored.enrolled(jpeg(portrait("admiral")))
    stored.storage.close()
    held = _held(tmp_path)
    for picture in pictures:
        assert picture[200:264] not in held
    traces = [trace for vectors in judged.good.vectors for trace in _traces(vectors)]
    assert any(trace in held for trace in traces), "the test knows how a template lies there"
    sealed = _held(tmp_path / "vault" / answer["person_id"])
    assert stored.admin.delete(f"/v1/people/{answer['person_id']}").status_code == 204
    stored.storage.close()
    held = _held(tmp_path)
    assert sealed[:64] not in held
    assert [trace for trace in traces if trace in held] == []
    assert answer["person_id"].encode() not in held
    assert other["person_id"].encode() in held
