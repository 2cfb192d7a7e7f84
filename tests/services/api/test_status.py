"""What the parts reported, as people see it."""

from typing import Any

import pytest

from mosaicast.adapters.database.storage import Person
from mosaicast.contracts.messages import StatusReport
from services.api.status import SILENT_S, YOUNG_MS
from tests.services.api.fakes import Desk

COUNTERS = {
    "taken": 100,
    "clear": 40,
    "masked": 50,
    "full_mosaic": 6,
    "dropped": 4,
    "dropped.late": 3,
    "dropped.seek": 1,
    "guard_trips": 2,
}
GAUGES = {"fps": 29.5, "end_to_end_ms": 1060.0, "behind_ms": 2200.0}


def report(desk: Desk, stream_id: str, service: Any, state: Any = "live", **more: Any) -> None:
    told = StatusReport(service=service, instance="0", stream_id=stream_id, state=state, at_ms=1, **more)
    desk.board.take(told, desk.now_s)


def seen(desk: Desk) -> dict[str, Any]:
    answer = desk.admin.get("/v1/status").json()
    assert answer["at_ms"] == desk.now_ms
    (only,) = answer["streams"]
    return dict(only)


def told(desk: Desk) -> tuple[str, str]:
    now = seen(desk)
    return now["state"], now["reason"]


@pytest.fixture
def live(desk: Desk) -> str:
    """A stream that is live, with a report of every part."""
    created = desk.create(name="Main <b>square</b>")
    stream_id = str(created["stream_id"])
    desk.publish(created["stream_key"])
    report(desk, stream_id, "ingest", counters={"frames_ingested": 104})
    report(desk, stream_id, "compositor", counters=COUNTERS, gauges=GAUGES)
    report(desk, stream_id, "recognizer", gauges={"tracks_clear": 1.0, "tracks_masked": 2.0, "tracks_unknown": 2.0})
    return stream_id


def test_a_live_stream_with_its_frames_faces_and_addresses(desk: Desk, live: str) -> None:
    assert seen(desk) == {
        "stream_id": live,
        "name": "Main <b>square</b>",
        "state": "live",
        "reason": "",
        "latency_ms": 1060.0,
        "behind_ms": 2200.0,
        "fps": 29.5,
        "frames": {
            "ingested": 104, "clear": 40, "masked": 50, "full_mosaic": 6, "dropped": 4,
            "dropped_by_reason": {"late": 3, "seek": 1},
        },
        "tracks": {"clear": 1.0, "masked": 2.0, "unknown": 2.0},
        "visible": [],
        "guard_trips": 2,
        "refused": [],
        "rtmp_url": f"rtmp://edge.test/masked/{live}",
        "hls_url": f"http://edge.test/hls/{live}.m3u8",
    }  # fmt: skip


def test_who_is_seen_is_named_and_who_was_deleted_is_not(desk: Desk, live: str) -> None:
    ana = Person("p-ana", "default", "Ana", 1)
    desk.storage.create_person(ana)
    report(desk, live, "recognizer", visible=("p-ana", "p-gone"))
    assert seen(desk)["visible"] == [{"person_id": "p-ana", "name": "Ana"}]
    desk.now_s += SILENT_S + 0.1
    assert seen(desk)["visible"] == []


def test_silent_parts_are_not_believed_but_what_they_counted_stays(desk: Desk, live: str) -> None:
    desk.now_s += SILENT_S
    assert seen(desk)["state"] == "live"
    desk.now_s += 0.1
    assert told(desk) == ("starting", "The stream is starting; its first pictures are on their way."), "it is young"
    desk.now_ms += YOUNG_MS + 1
    stale = seen(desk)
    assert told(desk) == ("starting", "The service that reads the source (ingest) does not report.")
    assert (stale["latency_ms"], stale["behind_ms"], stale["fps"], stale["tracks"]) == (None, None, 0.0, {})
    assert (stale["frames"]["ingested"], stale["frames"]["clear"]) == (104, 40)
    report(desk, live, "ingest")
    assert told(desk) == ("starting", "The service that masks (compositor) does not report.")


@pytest.mark.parametrize("part", ["ingest", "compositor"])
def test_a_part_that_was_stopped_does_not_report(desk: Desk, live: str, part: str) -> None:
    report(desk, live, part, "stopped", reason="")
    desk.now_ms += YOUNG_MS + 1
    state, sentence = told(desk)
    assert state == "starting"
    assert f"({part}) does not report" in sentence


def test_reports_of_one_stream_are_not_seen_at_another(desk: Desk, live: str) -> None:
    report(desk, "other", "compositor", "quarantined", reason="not mine", counters={"clear": 9})
    assert (seen(desk)["state"], seen(desk)["frames"]["clear"]) == ("live", 40)
    desk.board.forget("other")
    assert seen(desk)["state"] == "live"
    desk.board.forget(live)
    assert (seen(desk)["state"], seen(desk)["frames"]["ingested"]) == ("starting", 0)
