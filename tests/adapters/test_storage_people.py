"""People in the database: consents, who is visible where and until when, migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from mosaicast.adapters.database.storage import ADDING, GIVEN_UP, KEPT, MIGRATIONS, NewStream, Person, Photo, Storage
from mosaicast.contracts.messages import Source
from mosaicast.core.consents import FOREVER_MS, NEVER_MS, StreamConsent, visible_until

NOW = 1_700_000_000_000


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{tmp_path / 'mosaicast.db'}")
    storage.migrate()
    yield storage
    storage.close()


def stream(storage: Storage, stream_id: str, owner: str = "town") -> None:
    storage.create_stream(NewStream(stream_id, owner, "square", f"sha-{stream_id}", Source(), NOW))


def person(storage: Storage, person_id: str, owner: str = "town", expires_ms: int | None = None) -> None:
    storage.create_person(Person(person_id, owner, person_id.title(), NOW, expires_ms=expires_ms))


@pytest.mark.parametrize(
    ("expires_ms", "consent", "until"),
    [
        (None, None, FOREVER_MS),
        (5, None, 5),
        (None, StreamConsent(True), FOREVER_MS),
        (5, StreamConsent(True), 5),
        (5, StreamConsent(True, 9), 9),
        (9, StreamConsent(True, 5), 5),
        (None, StreamConsent(True, 5), 5),
        (None, StreamConsent(False), NEVER_MS),
        (9, StreamConsent(False, 5), NEVER_MS),
    ],
)
def test_what_was_said_about_the_stream_counts_for_more(
    expires_ms: int | None, consent: StreamConsent | None, until: int
) -> None:
    assert visible_until(expires_ms, consent) == until


def test_who_is_visible_where(storage: Storage) -> None:
    stream(storage, "s1")
    stream(storage, "s2")
    person(storage, "always")
    person(storage, "today", expires_ms=NOW + 10)
    person(storage, "over", expires_ms=NOW)
    person(storage, "elsewhere", owner="village")
    assert storage.set_consent("always", "s2", StreamConsent(False))
    assert storage.set_consent("over", "s2", StreamConsent(True, NOW + 99))
    assert storage.visible_people("town", "s1", NOW) == {"always": FOREVER_MS, "today": NOW + 10}
    assert storage.visible_people("town", "s2", NOW) == {"over": NOW + 99, "today": NOW + 10}
    assert storage.visible_people("town", "s2", NOW + 10) == {"over": NOW + 99}
    assert storage.visible_people("nowhere", "s1", NOW) == {}


def test_a_consent_is_replaced_forgotten_and_goes_with_its_stream_and_person(storage: Storage) -> None:
    stream(storage, "s1")
    person(storage, "ann")
    storage.set_consent("ann", "s1", StreamConsent(False))
    storage.set_consent("ann", "s1", StreamConsent(True, NOW))
    kept = storage.person("ann")
    assert kept is not None
    assert kept.consents == {"s1": StreamConsent(True, NOW)}
    assert storage.delete_consent("ann", "s1")
    assert not storage.delete_consent("ann", "s1")
    storage.set_consent("ann", "s1", StreamConsent(False))
    storage.delete_stream("s1")
    left = storage.person("ann")
    assert left is not None
    assert left.consents == {}


@pytest.mark.parametrize(("person_id", "stream_id"), [("nobody", "s1"), ("ann", "nowhere")])
def test_a_consent_needs_person_and_stream(storage: Storage, person_id: str, stream_id: str) -> None:
    stream(storage, "s1")
    person(storage, "ann")
    assert not storage.set_consent(person_id, stream_id, StreamConsent(True))


def test_the_ends_that_come(storage: Storage) -> None:
    stream(storage, "s1")
    person(storage, "ann", expires_ms=NOW + 5)
    person(storage, "bob", owner="village")
    storage.set_consent("bob", "s1", StreamConsent(True, NOW + 3))
    assert storage.next_end_ms(NOW) == NOW + 3
    assert storage.next_end_ms(NOW + 3) == NOW + 5
    assert storage.next_end_ms(NOW + 5) is None
    assert storage.owners_with_an_end(NOW, NOW + 2) == frozenset()
    assert storage.owners_with_an_end(NOW, NOW + 3) == {"village"}
    assert storage.owners_with_an_end(NOW, NOW + 5) == {"village", "town"}
    assert storage.owners_with_an_end(NOW + 5, NOW + 9) == frozenset()


def test_a_person_is_changed(storage: Storage) -> None:
    person(storage, "ann")
    assert storage.rename_person("ann", "Anna")
    assert storage.set_expiry("ann", NOW + 1)
    assert storage.note_templates("ann", "dlib/1")
    kept = storage.person("ann")
    assert kept is not None
    assert (kept.name, kept.expires_ms, kept.templates) == ("Anna", NOW + 1, "dlib/1")
    assert storage.people_without("dlib/1") == []
    assert storage.people_without("dlib/2") == ["ann"]
    assert storage.people_ids() == {"ann"}
    for change in (
        storage.rename_person("bob", "Bob"),
        storage.set_expiry("bob", 1),
        storage.note_templates("bob", ""),
    ):
        assert not change


def test_photos_keep_their_order_and_long_names_are_cut(storage: Storage) -> None:
    photos = (Photo("b" * 300, "ok", "p1"), Photo("a.jpg", "blurred"))
    storage.create_person(Person("ann", "town", "Ann", NOW, photos))
    kept = storage.people("town")[0].photos
    assert kept == (Photo("b" * 255, "ok", "p1"), Photo("a.jpg", "blurred"))


def test_streams_of_an_owner_get_a_new_revision(storage: Storage) -> None:
    stream(storage, "s1")
    stream(storage, "s2", owner="village")
    storage.people_changed("town")
    assert {s.stream_id: s.revision for s in storage.streams()} == {"s1": 2, "s2": 1}


def test_who_was_enrolled_before_is_still_there(tmp_path: Path) -> None:
    storage = Storage(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with storage.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO people VALUES ('ann', 'town', 'Ann', 1)"))
        connection.execute(text("INSERT INTO photos (person_id, file, verdict) VALUES ('ann', 'a.jpg', 'ok')"))
    storage.migrate()
    assert storage.people("town") == [Person("ann", "town", "Ann", 1, (Photo("a.jpg", "ok"),), None, {}, "")]
    with storage.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        command.upgrade(config, "head")
    assert storage.people_ids() == {"ann"}
    storage.close()


# --- adding pictures ------------------------------------------------------------------------------------------

MORE = (Photo("b.mp4 at 1.0 s", ADDING, "p1"), Photo("b.mp4 at 2.0 s", ADDING, "p2"))


def pictures(storage: Storage) -> dict[str | None, str]:
    found = storage.person("ann")
    return {} if found is None else {photo.photo_id: photo.verdict for photo in found.photos}


def test_pictures_are_added_all_together_and_templates_are_wanted_then(storage: Storage) -> None:
    person(storage, "ann")
    storage.note_templates("ann", "a/1")
    assert storage.begin_adding("ann", MORE)
    assert [one.person_id for one in storage.adding()] == ["ann"]
    assert pictures(storage) == {"p1": ADDING, "p2": ADDING}
    assert storage.people_without("a/1") == [], "not yet"
    assert storage.end_adding("ann", ["p1", "p2"])
    assert pictures(storage) == {"p1": KEPT, "p2": KEPT}
    assert all(photo.kept for photo in storage.person("ann").photos)  # type: ignore[union-attr]
    assert storage.adding() == []
    assert storage.people_without("a/1") == ["ann"]
    assert storage.waiting_by_owner("a/1") == {"town": 1}
    assert not storage.end_adding("ann", ["p1", "p2"]), "they are kept already"


def test_pictures_that_are_given_up_can_not_be_kept_any_more(storage: Storage) -> None:
    person(storage, "ann")
    storage.begin_adding("ann", MORE)
    storage.give_up_adding("ann", ["p1"])
    assert not storage.end_adding("ann", ["p1", "p2"])
    assert pictures(storage) == {"p1": GIVEN_UP, "p2": ADDING}, "all or none"
    storage.forget_given_up("ann")
    assert pictures(storage) == {"p2": ADDING}
    storage.end_adding("ann", ["p2"])
    storage.give_up_adding("ann", ["p2"])
    assert pictures(storage) == {"p2": KEPT}, "what is kept stays"


def test_nothing_is_added_to_who_is_not_kept(storage: Storage) -> None:
    assert not storage.begin_adding("nobody", MORE)
    storage.create_person(Person("ann", "town", "Ann", NOW, state="enrolling"))
    assert not storage.begin_adding("ann", MORE)
    storage.keep_person("ann", "a/1")
    assert storage.begin_adding("ann", MORE)
    storage.begin_erasing("ann")
    assert not storage.end_adding("ann", ["p1", "p2"])
    storage.delete_person("ann")
    assert storage.adding() == []
