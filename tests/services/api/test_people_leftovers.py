"""A failed enrollment leaves nothing, whichever step fails, and a wrong database never wipes the photos."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from mosaicast.adapters.binding import REFUSES, bind
from mosaicast.adapters.database.storage import Person, Storage, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.vault import VaultError
from services.api.background.leftovers import ENROLLING_MS, Leftovers
from tests.services.api.fakes import Desk, keep_token, problem
from tests.services.api.people_tools import PeopleDesk, jpeg, portrait


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    assert bind(storage, desk.deps.vault) is None
    return desk


def breaking(desk: PeopleDesk, place: str) -> tuple[Any, str, Exception]:
    """Return what of which object fails how."""
    first, second = desk.galleries.values()
    return {
        "row": (desk.storage, "create_person", StorageError("away")),
        "photo": (desk.deps.vault, "put", VaultError("full")),
        "first gallery": (first, "upsert_templates", GalleryUnavailable("away")),
        "second gallery's old templates": (second, "delete_person", GalleryUnavailable("away")),
        "second gallery": (second, "upsert_templates", GalleryUnavailable("away")),
        "note": (desk.storage, "keep_person", StorageError("away")),
        "bug": (desk.deps.templates, "keep", RuntimeError("a bug")),
    }[place]


UNDOING: dict[str, Callable[[PeopleDesk], tuple[Any, str, Exception]]] = {
    "nothing": lambda desk: (Desk, "none", RuntimeError()),
    "consent": lambda desk: (desk.storage, "begin_erasing", StorageError("away")),
    "gallery": lambda desk: (next(iter(desk.galleries.values())), "erase_person", GalleryUnavailable("away")),
    "photos": lambda desk: (desk.deps.vault, "erase", VaultError("ill")),
    "row": lambda desk: (desk.storage, "delete_person", StorageError("away")),
}


@pytest.mark.parametrize("undoing", UNDOING)
@pytest.mark.parametrize(
    "place",
    ["row", "photo", "first gallery", "second gallery's old templates", "second gallery", "note", "bug"],
)
def test_whichever_step_fails_nobody_is_seen_and_nothing_stays(
    desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch, place: str, undoing: str
) -> None:
    stream_id = desk.create()["stream_id"]
    with monkeypatch.context() as broken:
        for target, name, error in (breaking(desk, place), UNDOING[undoing](desk)):
            broken.setattr(target, name, _raising(error), raising=False)
        problem(desk.enroll(jpeg(portrait("astronaut"))), 500 if place == "bug" else 503)
        assert desk.storage.visible_people("default", stream_id, desk.now_ms) == {}
    assert desk.storage.people_without("other") == [], "reindex makes no templates of what is left"
    desk.now_ms += ENROLLING_MS
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert newest.visible_until == {}


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_what_a_gallery_keeps_is_erased_when_it_answers_and_its_row_stays_until_then(desk: PeopleDesk) -> None:
    """Both networks: the first kept its templates and then was away, so that the second's failure left them there."""
    first, second = desk.galleries.values()
    stream_id = desk.create()["stream_id"]

    def keep_and_go(*_: object) -> None:
        first.away = True
        raise GalleryUnavailable("away")

    second.upsert_templates = keep_and_go
    problem(desk.enroll(jpeg(portrait("astronaut"))), 503)
    (left,) = desk.admin.get("/v1/people").json()["people"]
    assert (left["erasing"], left["expired"]) == (True, True)
    assert first.held
    leftovers = Leftovers(desk.deps)
    with pytest.raises(GalleryUnavailable):
        leftovers.check()
    assert desk.storage.visible_people("default", stream_id, desk.now_ms) == {}
    assert desk.storage.people_ids() == {left["person_id"]}
    for change in ({"expires_at": None}, {"name": "Ann"}):
        problem(desk.admin.patch(f"/v1/people/{left['person_id']}", json=change), 409)
    first.away = False
    leftovers.check()
    assert desk.nothing_is_kept()


def test_an_erasure_that_was_cut_off_is_finished_unasked(desk: PeopleDesk) -> None:
    person_id = desk.enrolled()["person_id"]
    for gallery in desk.galleries.values():
        gallery.away = True
    problem(desk.admin.delete(f"/v1/people/{person_id}"), 503)
    for gallery in desk.galleries.values():
        gallery.away = False
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()


def test_an_erasure_is_not_over_before_the_others_know_of_it(desk: PeopleDesk) -> None:
    desk.create()
    person_id = desk.enrolled()["person_id"]
    desk.producer.accepts = False
    problem(desk.admin.delete(f"/v1/people/{person_id}"), 503)
    assert desk.deps.vault.people() == frozenset(), "photos are erased all the same"
    Leftovers(desk.deps).check()
    assert desk.storage.people_ids() == {person_id}
    desk.producer.accepts = True
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()


def test_an_enrollment_at_work_is_left_alone_and_one_that_was_cut_off_is_not(desk: PeopleDesk) -> None:
    desk.storage.create_person(Person("ann", "default", "Ann", desk.now_ms, state="enrolling"))
    desk.deps.vault.put("ann", "p1", b"x")
    Leftovers(desk.deps).check()
    assert desk.deps.vault.people() == {"ann"}
    desk.now_ms += ENROLLING_MS
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()


def test_an_enrollment_that_was_given_up_meanwhile_is_not_kept(
    desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = desk.deps.vault.put

    def slow(person: str, *more: Any) -> None:
        put(person, *more)
        desk.now_ms += ENROLLING_MS
        Leftovers(desk.deps).check()

    monkeypatch.setattr(desk.deps.vault, "put", slow)
    problem(desk.enroll(jpeg(portrait("astronaut"))), 503)
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()


def test_the_start_says_what_differs_and_erases_none_of_it(desk: PeopleDesk) -> None:
    person = desk.enrolled()["person_id"]
    desk.deps.vault.erase(person)
    for gallery in desk.galleries.values():
        gallery.held["elsewhere", "ghost"] = gallery.held.pop(("default", person))
    desk.deps.vault.put("stranger", "p1", b"x")
    leftovers = Leftovers(desk.deps)
    with structlog.testing.capture_logs() as logged:
        leftovers.check()
        leftovers.check()
    (said,) = [line for line in logged if line["event"] == "people_differ"]
    counts = {"vault_orphans": 1, "gallery_orphans": 1, "without_photos": 1, "without_templates": 1, "unfinished": 0}
    assert {name: said[name] for name in counts} == counts
    assert desk.deps.vault.people() == {"stranger"}
    assert all(gallery.held for gallery in desk.galleries.values())


def test_the_start_compares_when_the_gallery_is_there(desk: PeopleDesk) -> None:
    leftovers = Leftovers(desk.deps)
    next(iter(desk.galleries.values())).away = True
    with structlog.testing.capture_logs() as logged, pytest.raises(GalleryUnavailable):
        leftovers.check()
    assert logged == []
    next(iter(desk.galleries.values())).away = False
    with structlog.testing.capture_logs() as logged:
        leftovers.check()
    assert [line["event"] for line in logged] == ["people_agree"]


# --- the vault and its database -----------------------------------------------------------------------------


def other_database(desk: PeopleDesk, name: str, *, people_of: str = "") -> PeopleDesk:
    """The same folder with another database, as after a mistake in the settings, or a restored backup."""
    storage = Storage(f"sqlite:///{desk.folder / name}")
    storage.migrate()
    keep_token(storage)
    if people_of:
        storage.create_person(Person(people_of, "default", "Zoe", 1))
    other = PeopleDesk(desk.folder, storage, galleries=desk.galleries)
    other.build()
    return other


def test_an_empty_or_wrong_database_wipes_nothing(desk: PeopleDesk) -> None:
    kept = [desk.enrolled()["person_id"] for _ in range(3)]
    before = {path: path.read_bytes() for path in (desk.folder / "vault").rglob("*") if path.is_file()}
    for name, people_of in (("empty.db", ""), ("wrong.db", "zoe")):
        other = other_database(desk, name, people_of=people_of)
        refuses = bind(other.storage, other.deps.vault)
        assert refuses == REFUSES
        Leftovers(other.deps).check()
        assert refuses in problem(other.enroll(jpeg(portrait("astronaut"))), 503)["detail"]
        assert other.admin.get("/v1/status").json()["problems"] == [refuses]
        with pytest.raises(VaultError, match="another database"):
            other.deps.vault.put("ann", "p1", b"x")
        with pytest.raises(VaultError, match="another database"):
            other.deps.vault.erase(kept[0])
        if people_of:
            assert other.admin.delete(f"/v1/people/{people_of}").status_code == 204, "nothing of hers is in there"
        assert other.storage.people_ids() == frozenset(), "the failed enrollment left nothing"
        other.storage.close()
    after = {path: path.read_bytes() for path in (desk.folder / "vault").rglob("*") if path.is_file()}
    assert after == before
    assert bind(desk.storage, desk.deps.vault) is None, "the right one goes on"
    assert desk.admin.get("/v1/status").json()["problems"] == []


def test_whoever_is_erased_while_the_vault_refuses_is_erased_when_it_does_not(desk: PeopleDesk) -> None:
    person = desk.enrolled()["person_id"]
    desk.deps.vault.refuse(REFUSES)
    assert REFUSES in problem(desk.admin.delete(f"/v1/people/{person}"), 503)["detail"]
    assert desk.deps.vault.people() == {person}
    desk.deps.vault.refuse(None)
    Leftovers(desk.deps).check()
    assert desk.nothing_is_kept()


def test_an_installation_of_before_is_bound_at_its_first_start_and_loses_nothing(
    tmp_path: Path, storage: Storage
) -> None:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    person = desk.enrolled()["person_id"]
    desk.deps.vault.put("left-behind", "p1", b"x")
    assert (storage.vault_id(), desk.deps.vault.id()) == (None, None)
    assert bind(storage, desk.deps.vault) is None
    bound = storage.vault_id()
    assert bound is not None
    assert desk.deps.vault.id() == bound
    assert bind(storage, desk.deps.vault) is None
    assert storage.vault_id() == bound
    assert desk.deps.vault.people() == {person, "left-behind"}


@pytest.mark.parametrize("lost", ["database", "vault"])
def test_a_start_that_was_cut_off_between_both_is_finished(desk: PeopleDesk, lost: str) -> None:
    desk.enrolled()
    bound = desk.storage.vault_id()
    if lost == "vault":
        (desk.folder / "vault" / "vault-id").unlink()
    else:
        with desk.storage.engine.begin() as connection:
            connection.execute(text("DELETE FROM installation"))
    assert bind(desk.storage, desk.deps.vault) is None
    assert desk.storage.vault_id() == desk.deps.vault.id() == bound


def test_of_two_first_starts_at_once_both_take_one_id(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    other = other_database(desk, "fresh.db")
    (desk.folder / "vault" / "vault-id").unlink()
    people_ids = other.storage.people_ids

    def another_is_faster() -> frozenset[str]:
        other.storage.bind_vault("the-faster-ones")
        return people_ids()

    monkeypatch.setattr(other.storage, "people_ids", another_is_faster)
    assert bind(other.storage, other.deps.vault) is None
    assert other.storage.vault_id() == other.deps.vault.id() == "the-faster-ones"
    other.storage.close()


def test_the_operator_may_bind_them_all_the_same(desk: PeopleDesk) -> None:
    kept = desk.enrolled()["person_id"]
    other = other_database(desk, "empty.db")
    assert bind(other.storage, other.deps.vault) is not None
    assert bind(other.storage, other.deps.vault, force=True) is None
    assert other.enroll(jpeg(portrait("astronaut"))).status_code == 201
    assert kept in other.deps.vault.people()
    assert bind(desk.storage, desk.deps.vault) == REFUSES, "the photos have one master"
    other.storage.close()


def test_names_of_people_are_in_no_log(desk: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.deps.vault, "put", _raising(VaultError("full")))
    monkeypatch.setattr(desk.deps.vault, "erase", _raising(VaultError("ill")))
    with structlog.testing.capture_logs() as logged:
        desk.enroll(jpeg(portrait("astronaut")), name="Annabel")
        desk.now_ms += ENROLLING_MS
        Leftovers(desk.deps).check()
    assert logged
    assert "Annabel" not in str(logged)
