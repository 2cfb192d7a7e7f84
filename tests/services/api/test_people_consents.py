"""Consents that run out, per person and per stream, and who is told when."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.database.storage import Person, Storage
from mosaicast.contracts.messages import GalleryChanged
from mosaicast.core.consents import FOREVER_MS
from services.api.background import consents
from services.api.background.consents import announce_ended, keep_consents
from services.api.http.schemas import to_moment, to_ms
from tests.services.api.fakes import Desk, problem

NOW = 1_700_000_000_000
LATER = "2023-11-14T23:13:20Z"
LATER_MS = NOW + 3_600_000


@pytest.fixture
def ann(desk: Desk) -> str:
    desk.storage.create_person(Person("ann", "default", "Ann", NOW))
    return "/v1/people/ann"


def visible(desk: Desk, stream_id: str) -> dict[str, int]:
    return desk.storage.visible_people("default", stream_id, desk.now_ms)


def told(desk: Desk) -> list[str]:
    return [message.owner_id for _, message in desk.producer.sent if isinstance(message, GalleryChanged)]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (LATER, LATER_MS),
        ("2023-11-15T08:13:20+09:00", LATER_MS),
        ("2023-11-14 23:13:20.5z", LATER_MS + 500),
        ("9999-12-31T23:59:59.999Z", FOREVER_MS),
        (None, None),
    ],
)
def test_an_end_is_set_and_shown_in_utc(desk: Desk, ann: str, text: str | None, ms: int | None) -> None:
    changed = desk.admin.patch(ann, json={"expires_at": text}).json()
    kept = desk.storage.person("ann")
    assert kept is not None
    assert kept.expires_ms == ms
    assert (changed["expires_at"] is None) is (ms is None)
    assert changed["expired"] is False
    if ms is not None:
        assert to_ms(to_moment(ms)) == ms
        assert changed["expires_at"].endswith("Z")


def test_an_end_masks_when_it_comes_and_streams_are_told_before(desk: Desk, ann: str) -> None:
    stream_id = desk.create()["stream_id"]
    assert visible(desk, stream_id) == {"ann": FOREVER_MS}
    desk.admin.patch(ann, json={"expires_at": LATER})
    assert visible(desk, stream_id) == {"ann": LATER_MS}
    assert told(desk) == ["default"]
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert newest.revision == 2
    desk.now_ms = LATER_MS
    assert visible(desk, stream_id) == {}
    assert desk.admin.get(ann).json()["expired"] is True
    desk.admin.patch(ann, json={"expires_at": None})
    assert visible(desk, stream_id) == {"ann": FOREVER_MS}


def test_a_past_moment_ends_a_consent_at_once(desk: Desk, ann: str) -> None:
    stream_id = desk.create()["stream_id"]
    assert desk.admin.patch(ann, json={"expires_at": "2001-01-01T00:00:00Z"}).json()["expired"] is True
    assert visible(desk, stream_id) == {}


def test_a_name_alone_leaves_the_end(desk: Desk, ann: str) -> None:
    desk.admin.patch(ann, json={"expires_at": LATER})
    assert desk.admin.patch(ann, json={"name": "Anna"}).json()["expires_at"] == LATER


def test_an_end_that_reached_nobody_does_not_look_as_if_it_had(desk: Desk, ann: str) -> None:
    desk.producer.accepts = False
    problem(desk.admin.patch(ann, json={"expires_at": LATER}), 503)
    kept = desk.storage.person("ann")
    assert kept is not None
    assert kept.expires_ms == LATER_MS, "it is said again later"


def test_one_stream_counts_for_more(desk: Desk, ann: str) -> None:
    first, second = desk.create()["stream_id"], desk.create()["stream_id"]
    url = f"{ann}/consents/{first}"
    answer = desk.admin.request("PUT", url, json={"allowed": False}).json()
    assert answer == {"stream_id": first, "allowed": False, "expires_at": None, "visible": False}
    assert visible(desk, first) == {}
    assert visible(desk, second) == {"ann": FOREVER_MS}
    assert desk.admin.request("PUT", url, json={"expires_at": LATER}).json()["visible"] is True
    desk.admin.patch(ann, json={"expires_at": "2001-01-01T00:00:00Z"})
    assert visible(desk, first) == {"ann": LATER_MS}
    assert visible(desk, second) == {}
    shown = desk.admin.get(ann).json()["consents"]
    assert shown == [{"stream_id": first, "allowed": True, "expires_at": LATER, "visible": True}]
    assert desk.admin.delete(url).status_code == 204
    assert visible(desk, first) == {}
    problem(desk.admin.delete(url), 404)
    assert len(told(desk)) == 4


def test_without_a_body_it_is_allowed(desk: Desk, ann: str) -> None:
    stream_id = desk.create()["stream_id"]
    assert desk.admin.request("PUT", f"{ann}/consents/{stream_id}").json()["allowed"] is True


@pytest.mark.parametrize("body", [{"allowed": "maybe"}, {"expires_at": 5}, {"expires_at": "x"}, {"alowed": True}, []])
def test_what_is_no_consent_is_refused(desk: Desk, ann: str, body: Any) -> None:
    stream_id = desk.create()["stream_id"]
    problem(desk.admin.request("PUT", f"{ann}/consents/{stream_id}", json=body), 422)
    assert visible(desk, stream_id) == {"ann": FOREVER_MS}
    assert told(desk) == []


def test_a_consent_needs_a_person_and_a_stream_of_the_same_owner(desk: Desk, ann: str) -> None:
    stream_id, other = desk.create()["stream_id"], desk.create(owner="village")["stream_id"]
    problem(desk.admin.request("PUT", f"/v1/people/nobody/consents/{stream_id}"), 404)
    problem(desk.admin.request("PUT", f"{ann}/consents/nowhere"), 404)
    assert "another owner" in problem(desk.admin.request("PUT", f"{ann}/consents/{other}"), 422)["detail"]
    problem(desk.admin.delete(f"/v1/people/nobody/consents/{stream_id}"), 404)


def test_ends_are_announced_once_when_they_come(desk: Desk, ann: str) -> None:
    desk.storage.set_expiry("ann", LATER_MS)
    at_start = announce_ended(desk.deps, 0)
    assert told(desk) == []
    desk.now_ms = LATER_MS
    later = announce_ended(desk.deps, at_start)
    assert told(desk) == ["default"]
    assert announce_ended(desk.deps, later) == LATER_MS
    assert told(desk) == ["default"]


def test_an_end_that_reached_nobody_is_announced_when_the_broker_is_back(desk: Desk, ann: str) -> None:
    desk.storage.set_expiry("ann", NOW)
    desk.producer.accepts = False
    assert announce_ended(desk.deps, 0) == NOW
    desk.producer.accepts = True
    desk.deps.outbox.work_off()
    assert told(desk) == ["default"]


def test_the_job_waits_for_the_next_end_and_outlives_the_database(
    desk: Desk, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.storage.set_expiry("ann", NOW + 400)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        desk.now_ms += round(seconds * 1000)
        if len(waits) == 2:
            monkeypatch.setattr(desk.storage, "owners_with_an_end", _away)
        if len(waits) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("services.api.background.consents.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_consents(desk.deps))
    assert waits == [0.4, consents.LONGEST_WAIT_S, consents.LONGEST_WAIT_S]
    assert told(desk) == ["default"]


def _away(*_: object) -> None:
    from mosaicast.adapters.database.storage import StorageError

    raise StorageError("away")


def test_consents_survive_a_restart(desk: Desk, ann: str, tmp_path: Path) -> None:
    desk.admin.patch(ann, json={"expires_at": LATER})
    desk.storage.close()
    again = Storage(f"sqlite:///{tmp_path / 'db' / 'mosaicast.db'}")
    kept = again.person("ann")
    again.close()
    assert kept is not None
    assert kept.expires_ms == LATER_MS
