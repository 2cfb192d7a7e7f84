"""Enrolling from a video, and adding one to somebody who is enrolled: all of it is kept, or nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.database.storage import ADDING, Photo, Storage, StorageError
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.clip import LARGEST_CLIP_BYTES
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.adapters.vault import VaultError
from services.api.background.leftovers import ENROLLING_MS, Leftovers
from services.api.background.renewal import Renewer
from services.api.errors import BeingErasedError
from services.api.people import records
from services.api.people.filming import Seen
from services.api.people.items import photo_item, thumbnail_item
from tests.fakes.gallery import MemoryGallery
from tests.services.api.fakes import problem
from tests.services.api.people_tools import PeopleDesk
from tests.services.api.puppets import Films, Puppet, draw, puppet_models, turning, whose

LIMIT_S = 30.0


def photo(name: str) -> bytes:
    return jpeg.encode(draw([Puppet(name)]), 95)


class VideoDesk(PeopleDesk):
    """An api that enrolls puppets from films."""

    films: Films

    def video(self, *names: str, seconds: float = 3.0) -> bytes:
        """Return a film of these people, side by side."""
        places = [320.0] if len(names) == 1 else [160.0, 480.0]
        scripts = [turning(name, x=x) for name, x in zip(names, places, strict=True)]
        return self.films.add("-".join(names), lambda time_s: [one(time_s)[0] for one in scripts], seconds)

    def add(self, person_id: str, video: bytes, **more: Any) -> Any:
        """Ask to add a video to a person."""
        return self.admin.post(f"/v1/people/{person_id}/looks", files={"video": ("b.mp4", video)}, **more)

    def people_of(self, person_id: str) -> list[set[str]]:
        """Return whose a person's templates are, by network."""
        galleries = self.galleries.values()
        return [{whose(one) for one in gallery.held["default", person_id]} for gallery in galleries]

    def kept(self, person_id: str) -> set[str]:
        """Return the names of what the vault has of a person."""
        folder = self.folder / "vault" / person_id
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def is_whole(self, person_id: str, pictures: int) -> None:
        """Rows, vault and galleries agree, and nothing is left over."""
        person = self.storage.person(person_id)
        assert person is not None
        ids = [one.photo_id for one in person.photos if one.photo_id is not None]
        assert len(ids) == pictures
        assert all(one.kept for one in person.photos if one.photo_id is not None)
        items = {item for one in ids for item in (photo_item(one), thumbnail_item(one))}
        assert self.kept(person_id) == items | {"whole"}
        assert all(len(gallery.held["default", person_id]) == pictures for gallery in self.galleries.values())


@pytest.fixture
def desk(tmp_path: Path, storage: Storage) -> VideoDesk:
    models, films = puppet_models(), Films()
    galleries = {network.name: MemoryGallery(network.dimension) for network in models.networks}
    desk = VideoDesk(tmp_path, storage, galleries=galleries, make_models=lambda: models, filmed=films)
    desk.films = films
    desk.build()
    return desk


def test_a_person_is_enrolled_from_a_video_alone(desk: VideoDesk) -> None:
    answer = desk.enroll(video=desk.video("ann"))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    (video,) = body["videos"]
    assert (video["file"], video["verdict"], video["note"]) == ("a.mp4", "ok", "")
    assert set(video["sides"]) == {"front", "left", "right"}
    assert 3 <= video["looks"] == len(body["photos"]) <= 10
    assert all(one["verdict"] == "ok" and one["file"].startswith("a.mp4 at ") for one in body["photos"])
    assert desk.people_of(body["person_id"]) == [{"ann"}, {"ann"}]
    desk.is_whole(body["person_id"], video["looks"])
    shown = desk.admin.get(body["photos"][0]["thumbnail"])
    assert jpeg.size_wh(shown.content) == (112, 112)
    again = desk.admin.get(f"/v1/people/{body['person_id']}").json()
    assert (len(again["photos"]), again["videos"]) == (video["looks"], [])


def test_the_video_itself_is_nowhere(desk: VideoDesk) -> None:
    data = desk.video("ann")
    desk.enroll(video=data)
    files = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(data in path.read_bytes() for path in files)


def test_photos_say_who_is_meant_wherever_they_stand_in_the_form(desk: VideoDesk) -> None:
    video = ("video", ("a.mp4", desk.video("ann", "bob")))
    shot = ("photos", ("ann.jpg", photo("ann")))
    for files in ([video, shot], [shot, video]):
        answer = desk.admin.post("/v1/people", data={"name": "Ann"}, files=files)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert body["videos"][0]["verdict"] == "ok"
        assert desk.people_of(body["person_id"]) == [{"ann"}, {"ann"}]
        desk.is_whole(body["person_id"], 1 + body["videos"][0]["looks"])


def test_a_video_of_no_use_beside_good_photos_is_told_and_left_out(desk: VideoDesk) -> None:
    body = desk.enroll(photo("ann"), video=desk.video("bob")).json()
    assert body["videos"][0]["verdict"] == "somebody_else"
    assert desk.people_of(body["person_id"]) == [{"ann"}, {"ann"}]
    desk.is_whole(body["person_id"], 1)


def test_a_good_video_beside_useless_photos_stands_alone(desk: VideoDesk) -> None:
    body = desk.enroll(b"no photo", video=desk.video("ann")).json()
    assert body["photos"][0]["verdict"] == "unreadable"
    assert desk.people_of(body["person_id"]) == [{"ann"}, {"ann"}]


@pytest.mark.parametrize(
    ("video", "verdict"),
    [(b"no film", "unreadable"), (bytes(LARGEST_CLIP_BYTES + 1), "too_large"), (("ann", "bob"), "several_people")],
    ids=["unreadable", "too large", "several people"],
)
def test_a_video_that_can_not_be_used_enrolls_nobody(desk: VideoDesk, video: Any, verdict: str) -> None:
    data = desk.video(*video) if isinstance(video, tuple) else video
    told = problem(desk.enroll(b"no photo", video=data), 422)
    assert told["type"] == "/problems/video-refused"
    assert told["detail"].startswith("the video can't be used; a.mp4: ")
    assert [one["verdict"] for one in told["videos"]] == [verdict]
    assert [one["verdict"] for one in told["photos"]] == ["unreadable"]
    assert desk.nothing_is_kept()


def test_two_videos_or_nothing_are_refused(desk: VideoDesk) -> None:
    data = desk.video("ann")
    told = problem(desk.admin.post("/v1/people", data={"name": "Ann"}, files=[("video", ("a.mp4", data))] * 2), 422)
    assert told["type"] == "/problems/photo-count"
    assert "or a video" in problem(desk.admin.post("/v1/people", files={"name": (None, "Ann")}), 422)["detail"]
    assert desk.nothing_is_kept()


# --- adding ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ann(desk: VideoDesk) -> str:
    return str(desk.enroll(photo("ann")).json()["person_id"])


def test_looks_of_a_video_are_added_to_somebody(desk: VideoDesk, ann: str) -> None:
    desk.producer.sent.clear()
    answer = desk.add(ann, desk.video("ann", "bob"))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["videos"][0]["verdict"] == "ok"
    assert len(body["photos"]) == 1 + body["videos"][0]["looks"]
    assert desk.people_of(ann) == [{"ann"}, {"ann"}]
    desk.is_whole(ann, len(body["photos"]))
    assert "gallery/default" in {key for key, _ in desk.producer.sent}, "the recognizer hears of it"
    assert desk.storage.people_without(desk.deps.templates.made_with) == []
    assert desk.admin.delete(f"/v1/people/{ann}").status_code == 204
    assert desk.nothing_is_kept(), "erasing erases looks too"


def test_a_video_of_somebody_else_is_not_added(desk: VideoDesk, ann: str) -> None:
    told = problem(desk.add(ann, desk.video("bob")), 422)
    assert told["videos"][0]["verdict"] == "somebody_else"
    desk.is_whole(ann, 1)


def test_what_can_not_be_added_says_why(desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = desk.video("ann")
    assert problem(desk.add("nobody", video), 404)["type"] == "/problems/no-such-person"
    photos = desk.admin.post(f"/v1/people/{ann}/looks", files={"photos": ("a.jpg", photo("ann"))})
    assert problem(photos, 422)["type"] == "/problems/photo-count"
    assert problem(desk.admin.post(f"/v1/people/{ann}/looks", json={}), 415)["type"] == "/problems/form-wanted"
    assert desk.anyone.post(f"/v1/people/{ann}/looks", files={"video": ("b.mp4", video)}).status_code == 401
    with monkeypatch.context() as fewer:
        fewer.setattr(records, "MOST_TEMPLATES", 10)
        assert problem(desk.add(ann, video), 422)["type"] == "/problems/too-many-looks"
    for path in (desk.folder / "vault" / ann).iterdir():
        path.write_bytes(b"damaged")
    assert problem(desk.add(ann, video), 409)["type"] == "/problems/nothing-to-compare"


def test_a_body_that_is_too_large_is_not_read_to_its_end(desk: VideoDesk, ann: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(102 * 1024 * 1024)}
    assert desk.admin.post(f"/v1/people/{ann}/looks", content=b"--x", headers=headers).status_code == 413


def failing(error: Exception, after: int = 0) -> Callable[..., Any]:
    """Fail, after so many calls that did nothing."""
    calls = iter(range(after))

    def fail(*_: object, **__: object) -> None:
        if next(calls, None) is None:
            raise error

    return fail


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_full_disk_leaves_nothing_of_a_video(
    desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    put, calls = desk.deps.vault.put, []

    def full(person: str, item: str, content: bytes) -> None:
        calls.append(item)
        if len(calls) > after:
            raise VaultError("the photos' folder fails: No space left on device")
        put(person, item, content)

    monkeypatch.setattr(desk.deps.vault, "put", full)
    problem(desk.add(ann, desk.video("ann")), 503)
    monkeypatch.undo()
    desk.is_whole(ann, 1)
    problem_free = desk.add(ann, desk.video("ann"))
    assert problem_free.status_code == 201


def test_a_full_disk_leaves_nothing_of_a_new_person(desk: VideoDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(desk.deps.vault, "put", failing(VaultError("full"), 4))
        problem(desk.enroll(video=desk.video("ann")), 503)
    assert desk.nothing_is_kept()


def test_what_can_not_be_erased_now_is_erased_later(desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(desk.storage, "end_adding", failing(StorageError("away")))
        broken.setattr(desk.deps.vault, "erase_item", failing(VaultError("ill")))
        assert desk.add(ann, desk.video("ann")).status_code == 503
    assert len(desk.kept(ann)) > 3
    shown = desk.admin.get(f"/v1/people/{ann}").json()
    assert len(shown["photos"]) == 1, "what is given up is not shown"
    leftovers = Leftovers(desk.deps)
    leftovers.check()
    desk.now_s += ENROLLING_MS / 1000
    leftovers.check()
    desk.is_whole(ann, 1)


class KilledError(BaseException):
    """The process dies here: nothing that handles errors runs."""


@pytest.mark.parametrize(
    ("name", "whole"), [("put", False), ("end_adding", True), ("again", True)], ids=["vault", "rows", "templates"]
)
def test_killed_in_the_middle_all_of_a_video_is_kept_or_nothing(
    desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch, name: str, whole: bool
) -> None:
    target = {"put": desk.deps.vault, "end_adding": desk.storage, "again": desk.deps.reindexer}[name]
    original = getattr(target, name)
    calls: list[object] = []

    def killed(*arguments: Any) -> Any:
        calls.append(arguments)
        if name != "put" or len(calls) > 4:
            raise KilledError
        return original(*arguments)

    person, known = desk.deps.person(ann), desk.deps.enroller.known(photo("ann"))
    seen = desk.deps.clips.follow("a.mp4", desk.video("ann"))
    assert isinstance(seen, Seen)
    assert known is not None
    clip = desk.deps.clips.settle("a.mp4", seen, [known])
    with monkeypatch.context() as broken:
        broken.setattr(target, name, killed)
        broken.setattr(records, "give_up", lambda *_: None)
        with pytest.raises(KilledError):
            records.add(desk.deps, person, clip.looks)
    desk.build()  # the api starts again
    leftovers, renewer = Leftovers(desk.deps), Renewer(desk.deps)
    leftovers.check()
    desk.now_s += ENROLLING_MS / 1000
    leftovers.check()
    renewer.check()
    thread = desk.deps.reindexer._thread
    if thread is not None:
        thread.join(LIMIT_S)
    desk.is_whole(ann, 1 + len(clip.looks) if whole else 1)
    assert desk.people_of(ann) == [{"ann"}, {"ann"}]


def test_pictures_that_are_being_added_now_are_left_alone(desk: VideoDesk, ann: str) -> None:
    assert desk.storage.begin_adding(ann, [Photo("b.mp4", ADDING, "p1")])
    desk.deps.vault.put(ann, photo_item("p1"), b"x")
    leftovers = Leftovers(desk.deps)
    leftovers.check()
    desk.now_s += ENROLLING_MS / 1000 - 1
    leftovers.check()
    assert desk.deps.vault.has(ann, photo_item("p1"))
    desk.now_s += 1
    leftovers.check()
    desk.is_whole(ann, 1)


def test_who_is_erased_while_a_video_is_added_leaves_nothing(
    desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, erased = desk.deps.vault.put, list[int]()

    def erased_meanwhile(person: str, item: str, content: bytes) -> None:
        if not erased:
            erased.append(desk.admin.delete(f"/v1/people/{person}").status_code)
        put(person, item, content)

    monkeypatch.setattr(desk.deps.vault, "put", erased_meanwhile)
    seen = desk.deps.clips.follow("a.mp4", desk.video("ann"))
    assert isinstance(seen, Seen)
    clip = desk.deps.clips.settle("a.mp4", seen, [])
    with pytest.raises(BeingErasedError):
        records.add(desk.deps, desk.deps.person(ann), clip.looks)
    assert erased == [204]
    assert desk.nothing_is_kept()


def test_a_gallery_that_is_away_gets_the_templates_later_unasked(desk: VideoDesk, ann: str) -> None:
    first = next(iter(desk.galleries.values()))
    first.away = True
    told = problem(desk.add(ann, desk.video("ann")), 503)
    assert "the looks are kept" in told["detail"]
    first.away = False
    renewer = Renewer(desk.deps)
    renewer.check()
    thread = desk.deps.reindexer._thread
    assert thread is not None
    thread.join(LIMIT_S)
    looks = [one for one in desk.deps.person(ann).photos if one.kept]
    desk.is_whole(ann, len(looks))
    assert len(looks) > 3


def test_models_that_fail_are_ours_to_mend_and_nothing_is_kept(
    desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.deps.clips, "follow", failing(InferenceError("died")))
    problem(desk.add(ann, desk.video("ann")), 503)
    problem(desk.enroll(video=desk.video("ann")), 503)
    desk.is_whole(ann, 1)


def test_a_reindex_that_runs_meanwhile_loses_no_look(
    desk: VideoDesk, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another api made templates of the photos alone, and is the last to write."""
    keep, added = desk.deps.templates.keep, list[bool]()

    def added_meanwhile(*arguments: Any) -> None:
        keep(*arguments)
        if not added:
            looks = [Photo("b.mp4 at 1.0 s", ADDING, "p1")]
            added.append(desk.storage.begin_adding(ann, looks))
            desk.deps.vault.put(ann, photo_item("p1"), photo("ann"))
            desk.deps.vault.put(ann, thumbnail_item("p1"), photo("ann"))
            assert desk.storage.end_adding(ann, ["p1"])

    monkeypatch.setattr(desk.deps.templates, "keep", added_meanwhile)
    assert desk.deps.reindexer.again(ann)
    desk.is_whole(ann, 2)
