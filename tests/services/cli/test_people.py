"""`mosaicast enroll`, `people`, `reindex`: tables of verdicts, one sentence for every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.cli import people
from services.cli.client import ApiError
from tests.services.cli.fakes import Api, run

PERSON: dict[str, Any] = {
    "person_id": "s1",
    "name": "Ann [red]",
    "expires_at": "2030-12-31T09:00:00Z",
    "expired": False,
    "photos": [
        {"file": "a.jpg", "verdict": "ok", "detail": "it is used", "note": "it was turned upright"},
        {"file": "[b].jpg", "verdict": "blurred", "detail": "the face is blurred", "note": ""},
    ],
}


@pytest.fixture
def photo(tmp_path: Path) -> str:
    (tmp_path / "a.jpg").write_bytes(b"the photo")
    return str(tmp_path / "a.jpg")


def test_enrolling_sends_the_photos_and_prints_the_verdicts(api: Api, photo: str) -> None:
    api.answers = [(201, PERSON)]
    done = run(api, "enroll", "Ann [red]", photo, photo, "--owner", "town", "--until", "2030-12-31T18:00:00+09:00")
    assert done.exit_code == 0, done.output
    method, path, body = api.asked[0]
    assert (method, path) == ("POST", "/v1/people")
    assert body.count(b"the photo") == 2
    assert body.count(b'filename="a.jpg"') == 2
    for text in (b"Ann [red]", b"town", b"2030-12-31T18:00:00+09:00"):
        assert text in body
    assert "it is used; it was turned upright" in done.output
    assert "[b].jpg  blurred  the face is blurred" in done.output
    assert "enrolled as s1, until 2030-12-31T09:00:00Z" in done.output


VIDEO = {
    "file": "[c].mp4",
    "verdict": "ok",
    "detail": "it is used",
    "note": "",
    "looks": 7,
    "sides": ["front", "left"],
}


def test_a_video_is_sent_alone_or_with_photos(api: Api, photo: str, tmp_path: Path) -> None:
    video = tmp_path / "c.mp4"
    video.write_bytes(b"the film")
    api.answers = [(201, {**PERSON, "videos": [VIDEO]})] * 2
    for photos in ([], [photo]):
        done = run(api, "enroll", "Ann", *photos, "--video", str(video))
        assert done.exit_code == 0, done.output
        body = api.asked[-1][2]
        assert body.count(b"the film") == 1
        assert body.count(b"the photo") == len(photos)
        assert b'name="video"; filename="c.mp4"' in body
        assert "[c].mp4" in done.output
        assert "it is used; 7 looks (front, left)" in done.output


def test_enrolling_wants_a_photo_or_a_video(api: Api) -> None:
    assert run(api, "enroll", "Ann").exit_code == 2
    assert api.asked == []


def test_a_video_is_added_to_a_person(api: Api, tmp_path: Path) -> None:
    video = tmp_path / "c.mp4"
    video.write_bytes(b"the film")
    refused = {**VIDEO, "verdict": "somebody_else", "detail": "nobody in it is that person", "looks": 0, "sides": []}
    problem = {
        "detail": "the video can't be used; c.mp4: nobody in it is that person",
        "videos": [refused],
        "photos": [],
    }
    api.answers = [(201, {**PERSON, "videos": [VIDEO]}), (422, problem), (422, problem)]
    done = run(api, "people", "add-video", "s1", str(video))
    assert done.exit_code == 0, done.output
    assert api.asked[0][:2] == ("POST", "/v1/people/s1/looks")
    assert "a.jpg" not in done.output, "the verdicts on photos were told when they were sent"
    assert "7 looks" in done.output
    done = run(api, "people", "add-video", "s1", str(video))
    assert isinstance(done.exception, ApiError)
    assert "somebody_else" in done.output
    assert json.loads(run(api, "people", "add-video", "s1", str(video), "--json").output) == problem


def test_enrolling_as_json(api: Api, photo: str) -> None:
    api.answers = [(201, PERSON)]
    assert json.loads(run(api, "enroll", "Ann", photo, "--json").output) == PERSON


def test_no_photo_that_can_be_used_is_a_table_and_an_error(api: Api, photo: str) -> None:
    problem = {
        "status": 422,
        "detail": "no photo can be used; a.jpg: the face is blurred",
        "photos": PERSON["photos"][1:],
    }
    api.answers = [(422, problem), (422, problem)]
    done = run(api, "enroll", "Ann", photo)
    assert "[b].jpg  blurred  the face is blurred" in done.output
    assert isinstance(done.exception, ApiError)
    assert str(done.exception) == problem["detail"]
    assert json.loads(run(api, "enroll", "Ann", photo, "--json").output) == problem


def test_a_refusal_without_verdicts_is_an_error(api: Api, photo: str) -> None:
    api.answers = [(422, {"detail": "the two photos do not show the same person"}), (502, None), (500, ["odd"])]
    assert "same person" in str(run(api, "enroll", "Ann", photo).exception)
    assert str(run(api, "enroll", "Ann", photo).exception) == "the api answered 502"
    assert str(run(api, "enroll", "Ann", photo).exception) == "the api answered 500"


@pytest.mark.parametrize("missing", ["none.jpg", "."])
def test_a_photo_that_cannot_be_read_is_one_sentence_and_nothing_is_sent(
    api: Api, photo: str, tmp_path: Path, missing: str
) -> None:
    done = run(api, "enroll", "Ann", photo, str(tmp_path / missing))
    assert isinstance(done.exception, ApiError)
    assert str(done.exception).startswith("can't read")
    assert api.asked == []


def test_people_are_listed(api: Api) -> None:
    endless = {**PERSON, "person_id": "s2", "expires_at": None}
    over = {**PERSON, "person_id": "s3", "expired": True}
    api.answers = [(200, {"people": [PERSON, endless, over]}), (200, {"people": [PERSON]})]
    output = run(api, "people", "list", "--owner", "a&b").output
    assert api.asked[0][1] == "/v1/people?owner=a%26b"
    assert [line.split()[0] for line in output.splitlines()] == ["person", "s1", "s2", "s3"]
    assert "Ann [red]" in output
    assert "without end" in output
    assert "ended 2030" in output
    assert json.loads(run(api, "people", "list", "--json").output) == [PERSON]


def test_a_person_is_deleted_by_an_id_that_is_no_path(api: Api) -> None:
    api.answers = [(204, None)]
    assert run(api, "people", "delete", "../streams/s1", "--yes").exit_code == 0
    assert api.asked[0][:2] == ("DELETE", "/v1/people/..%2Fstreams%2Fs1")


def test_a_consent_is_extended(api: Api) -> None:
    api.answers = [(200, PERSON), (200, {**PERSON, "expires_at": None}), (200, PERSON)]
    done = run(api, "people", "extend", "s1", "--until", "2030-12-31T09:00:00Z")
    assert done.output == "Ann [red]: until 2030-12-31T09:00:00Z\n"
    assert json.loads(api.asked[0][2]) == {"expires_at": "2030-12-31T09:00:00+00:00"}
    assert run(api, "people", "extend", "s1", "--no-end").output == "Ann [red]: without end\n"
    assert json.loads(api.asked[1][2]) == {"expires_at": None}
    assert json.loads(run(api, "people", "extend", "s1", "--no-end", "--json").output) == PERSON


@pytest.mark.parametrize("options", [[], ["--until", "2030-12-31T09:00:00Z", "--no-end"]])
def test_extending_wants_one_end(api: Api, options: list[str]) -> None:
    assert run(api, "people", "extend", "s1", *options).exit_code == 2
    assert api.asked == []


def state(name: str, done: int, **more: Any) -> dict[str, Any]:
    return {"state": name, "reason": "", "waiting": 0, "total": 2, "done": done, "skipped": [], **more}


def test_reindexing_is_followed_to_its_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_POLL_S", 0.001)
    end = state("done", 2, skipped=["s9"])
    api.answers = [(202, state("running", 0)), (200, state("running", 1)), (200, end), (202, end)]
    done = run(api, "reindex", "--all")
    assert done.exit_code == 0, done.output
    assert json.loads(api.asked[0][2]) == {"everybody": True}
    assert "s9: no kept photo can be used" in done.output
    assert json.loads(run(api, "reindex", "--json").stdout) == end
    assert json.loads(api.asked[-1][2]) == {"everybody": False}


def test_reindexing_that_failed_is_an_error(api: Api) -> None:
    api.answers = [(202, state("failed", 1, reason="the gallery failed"))]
    assert str(run(api, "reindex").exception) == "not finished: the gallery failed"
