"""Templates made again from the kept photos."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicast.adapters.database.storage import Storage
from mosaicast.contracts.messages import GalleryChanged
from services.api.people.face_models import Network
from tests.fakes.gallery import MemoryGallery
from tests.services.api.fakes import problem
from tests.services.api.people_tools import PeopleDesk, jpeg, models, portrait

URL = "/v1/gallery/reindex"


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    return desk


def newer(network: Network) -> Network:
    return replace(network, version="2")


def upgraded(desk: PeopleDesk) -> None:
    """The api starts again with newer networks: their collections are empty."""
    desk.galleries = {network.name: MemoryGallery(network.dimension) for network in models().networks}
    desk.wrap = newer
    desk.build()


def finished(desk: PeopleDesk) -> dict[str, object]:
    thread = desk.deps.reindexer._thread
    assert thread is not None
    thread.join(30)
    body: dict[str, object] = desk.admin.get(URL).json()
    return body


def test_after_a_change_of_the_networks_templates_are_made_again(desk: PeopleDesk) -> None:
    first = desk.enrolled()["person_id"]
    second = desk.enrolled(jpeg(portrait("admiral")), owner="town")["person_id"]
    before = {name: dict(gallery.held) for name, gallery in desk.galleries.items()}
    assert desk.admin.get(URL).json()["waiting"] == 0
    upgraded(desk)
    assert desk.admin.get(URL).json() == {
        "state": "idle", "reason": "", "waiting": 2, "total": 0, "done": 0, "skipped": [],
    }  # fmt: skip
    desk.producer.sent.clear()
    started = desk.admin.post(URL)
    assert started.status_code == 202
    assert started.json()["total"] == 2
    told = finished(desk)
    assert told == {"state": "done", "reason": "", "waiting": 0, "total": 2, "done": 2, "skipped": []}
    for name, gallery in desk.galleries.items():
        assert set(gallery.held) == {("default", first), ("town", second)}
        for key, vectors in gallery.held.items():
            assert vectors == pytest.approx(before[name][key], abs=1e-5)
    owners = [message.owner_id for _, message in desk.producer.sent if isinstance(message, GalleryChanged)]
    assert sorted(owners) == ["default", "town"]


def test_only_who_waits_is_made_again_unless_everybody_is_asked_for(desk: PeopleDesk) -> None:
    desk.enrolled()
    desk.admin.post(URL)
    assert finished(desk)["total"] == 0
    for gallery in desk.galleries.values():
        gallery.held.clear()
    desk.admin.post(URL, json={"everybody": True})
    assert finished(desk)["done"] == 1
    assert all(len(gallery.held) == 1 for gallery in desk.galleries.values())


def test_it_goes_on_where_it_was_cut_off(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        desk.enrolled()
    upgraded(desk)
    last = list(desk.galleries.values())[-1]
    original = last.upsert_templates

    def fail_at_the_second(*arguments: object) -> None:
        last.away = len(last.held) == 1
        original(*arguments)

    monkeypatch.setattr(last, "upsert_templates", fail_at_the_second)
    desk.admin.post(URL)
    told = finished(desk)
    assert (told["state"], told["done"], told["waiting"]) == ("failed", 1, 2)
    assert told["reason"]
    last.away = False
    monkeypatch.undo()
    desk.admin.post(URL)
    told = finished(desk)
    assert (told["state"], told["total"], told["waiting"]) == ("done", 2, 0)
    assert all(len(gallery.held) == 3 for gallery in desk.galleries.values())


def test_who_has_no_photo_any_more_is_named(desk: PeopleDesk, tmp_path: Path) -> None:
    gone, broken, good = (desk.enrolled()["person_id"] for _ in range(3))
    desk.deps.vault.erase(gone)
    for file in (tmp_path / "vault" / broken).iterdir():
        file.write_bytes(b"damaged")
    upgraded(desk)
    desk.admin.post(URL)
    told = finished(desk)
    assert told["state"] == "done"
    assert set(told["skipped"]) == {gone, broken}  # type: ignore[call-overload]
    assert told["waiting"] == 2
    assert all(set(gallery.held) == {("default", good)} for gallery in desk.galleries.values())


def test_who_is_erased_meanwhile_gets_no_template(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    person_id = desk.enrolled()["person_id"]
    upgraded(desk)
    enroller = desk.deps.enroller
    original = type(enroller).templates_again

    def erased_first(self: object, photo: bytes) -> object:
        assert desk.admin.delete(f"/v1/people/{person_id}").status_code == 204
        return original(enroller, photo)

    monkeypatch.setattr(type(enroller), "templates_again", erased_first)
    desk.admin.post(URL)
    assert finished(desk)["state"] == "done"
    assert desk.nothing_is_kept()


def test_it_runs_once_and_ends_with_the_api(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        desk.enrolled()
    upgraded(desk)
    inside, go_on = threading.Event(), threading.Event()
    original = type(desk.deps.enroller).templates_again

    def waiting(self: object, photo: bytes) -> object:
        inside.set()
        assert go_on.wait(20)
        return original(desk.deps.enroller, photo)

    monkeypatch.setattr(type(desk.deps.enroller), "templates_again", waiting)
    desk.admin.post(URL)
    assert inside.wait(20)
    again = desk.admin.post(URL)
    assert (again.status_code, again.json()["state"], again.json()["done"]) == (202, "running", 0)
    assert not desk.deps.reindexer.start(everybody=True)
    stopping = threading.Thread(target=desk.deps.reindexer.stop)
    stopping.start()
    go_on.set()
    stopping.join(20)
    told = desk.admin.get(URL).json()
    assert told["state"] in ("stopped", "done")
    assert told["waiting"] == 2 - told["done"]


def test_a_bug_ends_it_and_says_so(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.enrolled()
    upgraded(desk)

    def fail(*_: object) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(type(desk.deps.enroller), "templates_again", fail)
    desk.admin.post(URL)
    told = finished(desk)
    assert told["state"] == "failed"
    assert "s3cret" not in str(told)
    problem(desk.anyone.get(URL), 401)
