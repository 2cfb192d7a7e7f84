"""Every refused publisher leaves one line and a reason: at the stream that it tried, else at the edge. Never a key."""

import json
import shutil
from typing import Any

import httpx
import pytest

from mosaicast.runtime import logs
from services.api.refusals import (
    FRESH_S,
    IN_USE,
    KEPT_S,
    MOST,
    REASONS,
    UNKNOWN_KEY,
    Refusals,
)
from tests.services.api.fakes import EDGE_TOKEN, Desk, problem
from tests.services.api.test_status import report, told

FROM = "192.0.2.7"


@pytest.fixture(autouse=True)
def _log() -> None:
    logs.configure("api")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what the log has told of refused publishers, before anything was redacted."""
    written = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [
        {name: line[name] for name in ("address", "reason", "stream", "times")}
        for line in written
        if line["event"] == "publisher_refused"
    ]


def publish(desk: Desk, key: str, more: str = "", app: str = "live", address: str = FROM) -> int:
    return desk.hook("publish", f"app={app}&addr={address}&clientid=9&name={key}&type=live{more}").status_code


def status(desk: Desk) -> dict[str, Any]:
    answer: dict[str, Any] = desk.admin.get("/v1/status").json()
    return answer


def whys(desk: Desk) -> tuple[list[str], list[str]]:
    """Return why publishers were refused on the one stream, and at the edge."""
    now = status(desk)
    (stream,) = now["streams"]
    return [one["why"] for one in stream["refused"]], [one["why"] for one in now["edge"]["refused"]]


def test_a_wrong_key_is_told_at_the_edge(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.create()
    assert publish(desk, "wrong") == 403
    assert lines(caplog) == [{"address": FROM, "reason": "unknown_key", "stream": None, "times": 1}]
    assert status(desk)["edge"] == {
        "refused": [
            {
                "address": FROM,
                "why": "unknown_key",
                "reason": "This stream key is not known.",
                "times": 1,
                "last_ms": desk.now_ms,
            }
        ]
    }
    assert whys(desk)[0] == []


def test_the_key_of_a_deleted_stream_is_a_wrong_key(desk: Desk) -> None:
    gone = desk.create()
    desk.admin.delete(f"/v1/streams/{gone['stream_id']}")
    desk.create()
    assert publish(desk, gone["stream_key"]) == 403
    assert whys(desk) == ([], ["unknown_key"])


def test_a_second_publisher_is_told_at_the_stream_and_in_its_sentence(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    created = desk.create()
    desk.publish(created["stream_key"], "1")
    for part in ("ingest", "compositor"):
        report(desk, created["stream_id"], part)
    assert told(desk) == ("live", "")
    assert publish(desk, created["stream_key"]) == 403
    assert lines(caplog) == [{"address": FROM, "reason": "in_use", "stream": created["stream_id"], "times": 1}]
    assert whys(desk) == (["in_use"], [])
    state, sentence = told(desk)
    assert state == "live"
    assert sentence.startswith("Somebody else tried to publish")
    desk.now_s += FRESH_S + 1
    for part in ("ingest", "compositor"):
        report(desk, created["stream_id"], part)
    assert told(desk) == ("live", "")
    assert whys(desk) == (["in_use"], []), "the list has it for longer"


def test_what_hurts_more_stands_in_the_sentence(desk: Desk) -> None:
    created = desk.create()
    desk.publish(created["stream_key"], "1")
    report(desk, created["stream_id"], "ingest")
    report(desk, created["stream_id"], "compositor", reason="HLS pauses: its disk is too slow; RTMP goes on.")
    publish(desk, created["stream_key"])
    assert told(desk) == ("live", "HLS pauses: its disk is too slow; RTMP goes on.")
    assert whys(desk) == (["in_use"], [])


def test_the_id_in_place_of_the_key_and_no_key_at_all(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    assert publish(desk, stream_id) == publish(desk, "") == publish(desk, "%20%0A") == 403
    assert whys(desk) == (["id_for_key"], ["no_key"])


def test_who_publishes_on_a_file_or_as_a_masked_stream(desk: Desk) -> None:
    desk.media_dir = desk.folder / "media"
    desk.media_dir.mkdir()
    (desk.media_dir / "a.mp4").touch()
    desk.build()
    created = desk.create(source={"kind": "file", "path": "a.mp4"})
    assert publish(desk, created["stream_key"]) == 403
    assert publish(desk, created["stream_key"], app="masked") == 403
    assert publish(desk, created["stream_id"], app="masked") == 403
    assert publish(desk, "unknown", app="masked") == 403
    assert whys(desk) == (["masked", "reads_a_file"], ["masked"])


def connect(desk: Desk, app: str, more: str = "") -> httpx.Response:
    return desk.hook("connect", f"app={app}&flashver=FMLE&addr={FROM}&epoch=1&call=connect{more}")


@pytest.mark.parametrize("app", ["live", "masked"])
def test_who_connects_to_what_there_is_is_let_in(desk: Desk, app: str) -> None:
    assert connect(desk, app).status_code == 204
    for pasted in (f"{app}%20", f"{app}%0A", f"{app}/%20", f"%20{app}"):
        answer = connect(desk, pasted)
        assert (answer.status_code, answer.headers["location"]) == (302, app)


def test_who_connects_to_something_else_is_told_at_the_edge(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.create()
    for app in ("", "app", "Live", "live2", "live/unknown-key"):
        assert connect(desk, app).status_code == 403
    assert connect(desk, "live", "&app=masked").status_code == 403
    assert whys(desk) == ([], ["own_fields", "wrong_address"])
    assert [line["reason"] for line in lines(caplog)] == ["wrong_address", "own_fields"]


def test_a_key_in_the_servers_address_says_whose_stream_was_meant(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    created = desk.create()
    assert connect(desk, f"live/{created['stream_key']}").status_code == 403
    assert connect(desk, created["stream_key"]).status_code == 403
    assert whys(desk) == (["wrong_address"], [])
    assert created["stream_key"] not in str([record.msg for record in caplog.records])


def test_who_sets_fields_of_the_edge_is_told_with_the_address_that_the_edge_saw(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    key = desk.create()["stream_key"]
    assert publish(desk, key, more="&addr=203.0.113.1") == 403
    assert lines(caplog) == [{"address": FROM, "reason": "own_fields", "stream": None, "times": 1}]


@pytest.mark.parametrize("address", ["", "unix:", "a&b", "x" * 500, "%0Aline"])
def test_an_address_that_is_none_is_not_repeated(desk: Desk, caplog: pytest.LogCaptureFixture, address: str) -> None:
    publish(desk, "wrong", address=address)
    assert [line["address"] for line in lines(caplog)] == ["unknown"]


def test_without_the_database_a_publisher_leaves_a_line_too(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    key = desk.create()["stream_key"]
    desk.storage.close()
    shutil.rmtree(desk.folder / "db")
    assert publish(desk, key) == 503
    assert [line["reason"] for line in lines(caplog)] == ["no_database"]


@pytest.mark.parametrize("end", ["%20", "%0A", "%0D%0A", "%09", "%20%0A%20"])
def test_a_key_with_a_space_or_a_line_at_its_end_is_taken_as_meant(desk: Desk, end: str) -> None:
    created = desk.create()
    answer = desk.publish(created["stream_key"] + end)
    assert (answer.status_code, answer.headers["location"]) == (302, created["stream_id"])
    assert desk.publish_done(created["stream_key"] + end).status_code == 204
    assert desk.admin.get(f"/v1/streams/{created['stream_id']}").json()["publishing"] is False
    assert whys(desk) == ([], [])


def test_no_key_is_in_a_line_or_a_status(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    created = desk.create()
    desk.publish(created["stream_key"], "1")
    for app in ("live", "masked", "other"):
        publish(desk, created["stream_key"], app=app)
        publish(desk, "a-wrong-key", app=app)
    problem(desk.hook("publish", f"app=masked&name={created['stream_key']}&token={EDGE_TOKEN}"), 403)
    written = str([record.msg for record in caplog.records])
    assert written.count("publisher_refused") > 3
    for secret in (created["stream_key"], "a-wrong-key", EDGE_TOKEN):
        assert secret not in written + json.dumps(status(desk))


def test_the_same_is_told_once_a_minute_and_counted_in_between() -> None:
    refusals = Refusals()
    assert [refusals.note("s", IN_USE, FROM, now, 0) for now in (0.0, 2.0, 4.0, 59.0, 60.0, 61.0, 121.0)] == [
        1, 0, 0, 0, 4, 0, 2,
    ]  # fmt: skip
    assert [one.times for one in refusals.of("s", 121.0)] == [7]
    assert refusals.note("s", UNKNOWN_KEY, FROM, 61.0, 0) == refusals.note(None, IN_USE, FROM, 61.0, 0) == 1
    assert refusals.note("s", IN_USE, "192.0.2.8", 61.0, 0) == 1


def test_what_is_old_is_forgotten_and_strangers_do_not_fill_the_memory() -> None:
    refusals = Refusals()
    for number in range(MOST + 5):
        refusals.note(None, UNKNOWN_KEY, f"192.0.2.{number}", float(number), number)
    kept = refusals.of(None, float(MOST))
    assert len(kept) == MOST
    assert (kept[0].last_ms, kept[-1].last_ms) == (MOST + 4, 5), "the newest first"
    assert refusals.of(None, MOST + 4 + KEPT_S + 1) == ()
    assert refusals.note(None, UNKNOWN_KEY, "192.0.2.30", 30 + KEPT_S + 1, 0) == 1
    assert refusals.of(None, 30 + KEPT_S + 1)[0].times == 1, "counted anew"


def test_a_deleted_stream_is_forgotten(desk: Desk) -> None:
    created = desk.create()
    publish(desk, created["stream_id"])
    assert desk.board.refusals.of(created["stream_id"], desk.now_s)
    desk.admin.delete(f"/v1/streams/{created['stream_id']}")
    assert desk.board.refusals.of(created["stream_id"], desk.now_s) == ()


def test_each_reason_has_a_word_a_sentence_and_what_to_do() -> None:
    assert len({why.word for why in REASONS}) == len(REASONS)
    assert all(why.sentence.endswith(".") and why.remedy.endswith(".") for why in REASONS)
