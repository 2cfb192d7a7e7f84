"""Templates that the gallery lost while a stream is live come back by themselves."""

import asyncio
from pathlib import Path

import pytest

from mosaicast.adapters.database.storage import Storage
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from services.api.background import lost_templates as lost
from services.api.background.lost_templates import RETRY_S, Restorer
from services.api.people.items import photo_item
from tests.services.api.people_tools import PeopleDesk


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> PeopleDesk:
    desk = PeopleDesk(tmp_path, storage)
    desk.build()
    return desk


@pytest.fixture
def live(desk: PeopleDesk) -> str:
    """A stream on air; return its id."""
    created = desk.create()
    desk.publish(created["stream_key"])
    return str(created["stream_id"])


def lose(desk: PeopleDesk) -> None:
    for gallery in desk.galleries.values():
        gallery.held.clear()


def checked(desk: PeopleDesk, restorer: Restorer) -> int:
    """Check, and return how many people were made again."""
    before = desk.deps.reindexer._thread
    restorer.check()
    thread = desk.deps.reindexer._thread
    if thread is None or thread is before:
        return 0
    thread.join(30)
    return desk.deps.reindexer.progress().done


def test_who_is_lost_is_made_again_and_the_recognizer_is_told(desk: PeopleDesk, live: str) -> None:
    person = desk.enrolled()["person_id"]
    desk.enrolled(owner="elsewhere")
    restorer = Restorer(desk.deps)
    assert checked(desk, restorer) == 0, "nothing is lost"
    lose(desk)
    desk.producer.sent.clear()
    assert checked(desk, restorer) == 1, "only those of owners on air"
    assert all(set(gallery.held) == {("default", person)} for gallery in desk.galleries.values())
    assert {topic for topic, _ in desk.producer.sent} == {"gallery/default", f"streams/{live}"}


def test_the_loss_of_one_network_is_a_loss(desk: PeopleDesk, live: str) -> None:
    desk.enrolled()
    list(desk.galleries.values())[-1].held.clear()
    assert checked(desk, Restorer(desk.deps)) == 1
    assert all(len(gallery.held) == 1 for gallery in desk.galleries.values())


def test_nobody_is_made_again_who_may_not_be_seen_or_is_not_on_air(desk: PeopleDesk) -> None:
    created = desk.create()
    person = desk.enrolled()["person_id"]
    lose(desk)
    restorer = Restorer(desk.deps)
    assert checked(desk, restorer) == 0, "no stream is on air"
    desk.publish(created["stream_key"])
    desk.storage.set_expiry(person, 0)
    assert checked(desk, restorer) == 0


def test_who_never_had_templates_of_these_networks_waits_for_reindex(desk: PeopleDesk, live: str) -> None:
    person = desk.enrolled()["person_id"]
    lose(desk)
    desk.storage.note_templates(person, "older/1")
    assert checked(desk, Restorer(desk.deps)) == 0


def test_photos_that_cannot_be_used_are_not_tried_without_pause(desk: PeopleDesk, live: str) -> None:
    body = desk.enrolled()
    lose(desk)
    desk.deps.vault.erase(body["person_id"])
    restorer = Restorer(desk.deps)
    assert checked(desk, restorer) == 1
    assert all(not gallery.held for gallery in desk.galleries.values())
    desk.now_s += RETRY_S - 1
    assert checked(desk, restorer) == 0
    desk.now_s += 1
    assert checked(desk, restorer) == 1


def test_a_gallery_that_is_away_is_no_loss(desk: PeopleDesk, live: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.enrolled()
    for gallery in desk.galleries.values():
        gallery.away = True
    with pytest.raises(GalleryUnavailable):
        Restorer(desk.deps).check()
    monkeypatch.setattr(lost, "CHECK_S", 0.001)

    async def until_asked_again() -> None:
        watch = asyncio.create_task(lost.keep_templates(desk.deps))
        while sum(gallery.refused for gallery in desk.galleries.values()) < 5:
            await asyncio.sleep(0.01)
        assert not watch.done()
        watch.cancel()

    asyncio.run(asyncio.wait_for(until_asked_again(), 30))
    assert desk.deps.reindexer._thread is None


def test_the_watch_makes_templates_again(desk: PeopleDesk, live: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.enrolled()
    lose(desk)
    monkeypatch.setattr(lost, "CHECK_S", 0.01)
    last = list(desk.galleries.values())[-1]

    async def until_there() -> None:
        watch = asyncio.create_task(lost.keep_templates(desk.deps))
        while not last.held:
            await asyncio.sleep(0.01)
        watch.cancel()

    asyncio.run(asyncio.wait_for(until_there(), 30))


def test_whoever_is_erased_while_templates_are_made_again_leaves_none(
    desk: PeopleDesk, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasing ends the consent, then erases templates, then the person: templates must not come in between."""
    body = desk.enrolled()
    person, photo = body["person_id"], body["photos"][0]["photo_id"]
    lose(desk)
    get = desk.deps.vault.get

    def erased_meanwhile(person_id: str, item: str) -> bytes:
        content = get(person_id, item)
        if item == photo_item(photo):
            desk.storage.begin_erasing(person)
            desk.deps.templates.erase("default", person)
        return content

    monkeypatch.setattr(desk.deps.vault, "get", erased_meanwhile)
    assert checked(desk, Restorer(desk.deps)) == 1
    assert all(not gallery.held for gallery in desk.galleries.values())
