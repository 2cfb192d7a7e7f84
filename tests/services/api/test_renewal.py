"""Networks changed: the same people are known again without anybody's doing, and who can't be is named."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicast.adapters.database.storage import Storage
from mosaicast.contracts.messages import StatusReport
from services.api.background import renewal
from services.api.background.renewal import RETRY_S, Renewer
from services.api.people.face_models import Network
from tests.fakes.gallery import MemoryGallery
from tests.services.api.people_tools import PeopleDesk
from tests.services.api.puppets import Films, puppet_models
from tests.services.api.test_people_videos import VideoDesk, photo

LIMIT_S = 30.0


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> VideoDesk:
    models = puppet_models()
    galleries = {network.name: MemoryGallery(network.dimension) for network in models.networks}
    desk = VideoDesk(tmp_path, storage, galleries=galleries, make_models=lambda: models, filmed=Films())
    desk.build()
    return desk


def newer(network: Network) -> Network:
    return replace(network, version="2")


def upgraded(desk: PeopleDesk) -> None:
    """The api starts again with newer networks: their collections are empty."""
    networks = desk.make_models().networks
    desk.galleries = {network.name: MemoryGallery(network.dimension) for network in networks}
    desk.wrap = newer
    desk.build()


def finished(desk: PeopleDesk) -> None:
    thread = desk.deps.reindexer._thread
    assert thread is not None
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def enrolled(desk: PeopleDesk, *names: str) -> list[str]:
    return [str(desk.enroll(photo(name)).json()["person_id"]) for name in names]


def held(desk: PeopleDesk) -> list[set[str]]:
    return [{person for _, person in gallery.held} for gallery in desk.galleries.values()]


def test_after_an_upgrade_everybody_is_known_again_unasked(desk: VideoDesk) -> None:
    people = enrolled(desk, "ann", "bob")
    upgraded(desk)
    assert held(desk) == [set(), set()]

    async def start() -> None:
        keeping = asyncio.create_task(renewal.keep_renewed(desk.deps))
        while desk.storage.people_without(desk.deps.templates.made_with):
            await asyncio.sleep(0)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(start(), LIMIT_S))
    finished(desk)
    assert held(desk) == [set(people)] * 2
    assert desk.people_of(people[0]) == [{"ann"}, {"ann"}]


def test_nothing_is_begun_where_nobody_waits(desk: VideoDesk) -> None:
    enrolled(desk, "ann")
    Renewer(desk.deps).check()
    assert desk.deps.reindexer._thread is None


def test_killed_in_the_middle_it_goes_on_with_the_others(desk: VideoDesk) -> None:
    people = enrolled(desk, "ann", "bob", "cid")
    upgraded(desk)
    desk.deps.reindexer.again(people[0])  # so far it came
    made_before = [gallery.held["default", people[0]] for gallery in desk.galleries.values()]
    desk.build()
    Renewer(desk.deps).check()
    finished(desk)
    assert desk.deps.reindexer.progress().total == 2
    assert held(desk) == [set(people)] * 2
    made = [gallery.held["default", people[0]] for gallery in desk.galleries.values()]
    assert all(one is before for one, before in zip(made, made_before, strict=True)), "who was done is left alone"


def test_of_two_apis_the_second_leaves_what_the_first_has_done(
    desk: VideoDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = enrolled(desk, "ann", "bob")
    upgraded(desk)
    other = VideoDesk(desk.folder, desk.storage, galleries=desk.galleries, make_models=desk.make_models, filmed=Films())
    other.wrap = newer
    other.build()
    inside, go_on = threading.Event(), threading.Event()
    original = type(desk.deps.enroller).templates_again

    def waiting(self: object, data: bytes) -> object:
        if self is desk.deps.enroller:
            inside.set()
            assert go_on.wait(LIMIT_S)
        return original(self, data)  # type: ignore[arg-type]

    monkeypatch.setattr(type(desk.deps.enroller), "templates_again", waiting)
    Renewer(desk.deps).check()
    assert inside.wait(LIMIT_S)
    Renewer(other.deps).check()
    finished(other)
    made: list[str] = []
    monkeypatch.setattr(desk.deps.templates, "keep", lambda owner, person, faces: made.append(person))
    go_on.set()
    finished(desk)
    assert made == people[:1], "only the one that it had in hand"
    assert held(desk) == [set(people)] * 2


def test_who_has_no_photo_of_use_is_named_by_id_and_not_tried_again_and_again(desk: VideoDesk) -> None:
    gone, good = enrolled(desk, "ann", "bob")
    for file in (desk.folder / "vault" / gone).iterdir():
        file.write_bytes(b"damaged")
    upgraded(desk)
    renewer = Renewer(desk.deps)
    renewer.check()
    finished(desk)
    assert held(desk) == [{good}] * 2
    first = desk.deps.reindexer._thread
    renewer.check()
    assert desk.deps.reindexer._thread is first
    (said,) = desk.admin.get("/v1/status").json()["problems"]
    assert gone in said
    assert good not in said
    assert "enroll them anew" in said
    assert desk.admin.delete(f"/v1/people/{gone}").status_code == 204
    renewer.check()
    assert desk.admin.get("/v1/status").json()["problems"] == []


def test_a_run_that_failed_is_tried_again_after_a_while(desk: VideoDesk) -> None:
    people = enrolled(desk, "ann")
    upgraded(desk)
    last = list(desk.galleries.values())[-1]
    last.away = True
    renewer = Renewer(desk.deps)
    renewer.check()
    finished(desk)
    failed = desk.deps.reindexer._thread
    last.away = False
    renewer.check()
    assert desk.deps.reindexer._thread is failed
    desk.now_s += RETRY_S
    renewer.check()
    finished(desk)
    assert held(desk) == [set(people)] * 2


def test_the_status_of_a_stream_says_what_is_going_on(desk: VideoDesk) -> None:
    created = desk.create()
    desk.publish(created["stream_key"])
    for part in ("ingest", "compositor"):
        report = StatusReport(service=part, instance="0", stream_id=created["stream_id"], state="live", at_ms=1)
        desk.board.take(report, desk.now_s)
    (person,) = enrolled(desk, "ann")
    (stream,) = desk.admin.get("/v1/status").json()["streams"]
    assert (stream["state"], stream["reason"]) == ("live", "")
    desk.storage.note_templates(person, "older/1")
    renewer = Renewer(desk.deps)
    renewer.check()
    (stream,) = desk.admin.get("/v1/status").json()["streams"]
    assert stream["state"] == "live"
    assert stream["reason"].startswith("Templates of 1 enrolled people are being made")
    finished(desk)
    renewer.check()
    (stream,) = desk.admin.get("/v1/status").json()["streams"]
    assert stream["reason"] == ""
