"""Streams: create, list, get, delete, new key, policy, panic, files as sources."""

import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mosaicast.adapters.database.storage import Storage
from mosaicast.contracts.messages import Source, Zone
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.types import Style
from services.api.deps import Addresses
from services.api.secrets import digest
from tests.services.api.fakes import Desk, problem


def test_a_new_stream_is_shown_announced_and_listed_oldest_first(desk: Desk) -> None:
    first = desk.create(name="Main square", owner="town")
    desk.now_ms += 1
    second = desk.create(name="Harbour")
    stream_id = first["stream_id"]
    assert first["publish_url"] == "rtmp://edge.test/live"
    assert first["rtmp_url"] == f"rtmp://edge.test/masked/{stream_id}"
    assert first["hls_url"] == f"http://edge.test/hls/{stream_id}.m3u8"
    assert first["watch_url"] is None, "nobody has said how others reach the api"
    assert (first["publishing"], first["panic"], first["policy"]["style"]) == (False, False, "mosaic")
    told = desk.producer.newest(stream_id)
    assert told is not None
    assert (told.owner_id, told.revision, told.publication) == ("town", 1, None)
    listed = desk.admin.get("/v1/streams").json()["streams"]
    assert [s["stream_id"] for s in listed] == [stream_id, second["stream_id"]]
    assert listed[0] == desk.admin.get(f"/v1/streams/{stream_id}").json()


def test_behind_a_proxy_the_page_for_viewers_is_named(desk: Desk) -> None:
    desk.addresses = Addresses("rtmp://edge.test", "https://a.test/hls", "https://a.test")
    desk.build()
    created = desk.create()
    assert created["watch_url"] == f"https://a.test/watch/{created['stream_id']}"
    assert desk.admin.get(f"/v1/streams/{created['stream_id']}").json()["watch_url"] == created["watch_url"]


def test_a_key_is_shown_once_and_only_its_hash_is_kept(desk: Desk) -> None:
    created = desk.create()
    key = created["stream_key"]
    assert "stream_key" not in desk.admin.get(f"/v1/streams/{created['stream_id']}").json()
    desk.storage.close()
    kept = b"".join(path.read_bytes() for path in (desk.folder / "db").iterdir())
    assert key.encode() not in kept
    assert digest(key).encode() in kept


def test_a_new_key_ends_the_old_one_and_its_publisher(desk: Desk) -> None:
    created = desk.create()
    stream_id, old = created["stream_id"], created["stream_key"]
    assert desk.publish(old, "1").status_code == 302
    new = desk.admin.post(f"/v1/streams/{stream_id}/key").json()["stream_key"]
    assert new != old
    assert desk.edge.dropped == [stream_id]
    told = desk.producer.newest(stream_id)
    assert told is not None
    assert told.publication is None, "ingest must not go on reading it"
    problem(desk.publish(old, "2"), 403)
    assert desk.publish(new, "3").status_code == 302
    desk.publish_done(old, "1")
    assert desk.admin.get(f"/v1/streams/{stream_id}").json()["publishing"]


def test_deleting_takes_the_stream_from_everybody(desk: Desk) -> None:
    created = desk.create()
    stream_id = created["stream_id"]
    assert desk.admin.delete(f"/v1/streams/{stream_id}").status_code == 204
    assert desk.producer.newest(stream_id) is None
    assert desk.edge.dropped == [stream_id]
    problem(desk.admin.get(f"/v1/streams/{stream_id}"), 404)
    problem(desk.admin.delete(f"/v1/streams/{stream_id}"), 404)
    problem(desk.publish(created["stream_key"]), 403)


def test_a_policy_is_changed_member_by_member(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    zone = {"x": 0.5, "y": 0.0, "width": 0.5, "height": 0.25}
    url = f"/v1/streams/{stream_id}/policy"
    before = desk.admin.get(url).json()
    assert desk.admin.patch(url, json={"style": "blur", "zones": [zone]}).json() == before | {
        "style": "blur",
        "zones": [zone],
    }
    changed = desk.admin.patch(url, json={"delay_s": 2.5}).json()
    assert (changed["style"], changed["delay_s"], changed["zones"]) == ("blur", 2.5, [zone])
    told = desk.producer.newest(stream_id)
    assert told is not None
    assert (told.policy.style, told.policy.delay_s, told.revision) == (Style.BLUR, 2.5, 3)
    assert told.policy.zones == (Zone(**zone),)
    assert desk.admin.patch(url, json={"zones": []}).json()["zones"] == []


@pytest.mark.parametrize(
    "body",
    [
        '{"style": "clear"}',
        '{"delay_s": 0.49}',
        '{"delay_s": 0.69}',
        '{"delay_s": 10.1}',
        '{"delay_s": NaN}',
        '{"analysis_fps": 3.9}',
        '{"analysis_fps": 1e400}',
        '{"detection_threshold": 0.61}',
        '{"preset": "placebo"}',
        '{"zones": [{"x": NaN, "y": 0, "width": 1, "height": 1}]}',
        '{"zones": [{"x": 0, "y": 0, "width": 1.01, "height": 1}]}',
        '{"zones": [{"x": 0, "y": 0, "width": 1}]}',
        f'{{"zones": [{", ".join(["{}"] * 65)}]}}',
        '{"masked": false}',
        '{"\\ud800": 1}',
        '["style"]',
    ],
)
def test_a_policy_beyond_its_limits_changes_nothing(desk: Desk, body: str) -> None:
    stream_id = desk.create()["stream_id"]
    url = f"/v1/streams/{stream_id}/policy"
    before = desk.admin.get(url).json()
    told = problem(desk.admin.patch(url, content=body, headers={"Content-Type": "application/json"}), 422)
    assert told["errors"][0]["field"].startswith("body")
    assert desk.admin.get(url).json() == before
    assert len(desk.producer.sent) == 1


def test_panic_holds_until_released(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    url = f"/v1/streams/{stream_id}"
    for method, panic in (("POST", True), ("DELETE", False)):
        assert desk.admin.request(method, f"{url}/panic").status_code == 204
        told = desk.producer.newest(stream_id)
        assert told is not None
        assert told.panic is panic
        assert desk.admin.get(url).json()["panic"] is panic


def test_a_panic_that_reached_nobody_does_not_look_as_if_it_had(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    desk.producer.accepts = False
    problem(desk.admin.post(f"/v1/streams/{stream_id}/panic"), 503)
    assert desk.admin.get(f"/v1/streams/{stream_id}").json()["panic"], "it is said again later"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/key"), ("GET", "/policy"), ("PATCH", "/policy"), ("POST", "/panic")],
)
def test_what_is_done_to_an_unknown_stream_is_404(desk: Desk, method: str, path: str) -> None:
    body = {"style": "blur"} if method == "PATCH" else None
    told = problem(desk.admin.request(method, f"/v1/streams/nobody{path}", json=body), 404)
    assert "nobody" in told["detail"]
    assert desk.producer.sent == []


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "a" * 201}, {"name": "a\x00b"}, {"name": "a", "owner": "a b"}, {"nam": "a"}]
)
def test_a_stream_without_a_proper_name_or_owner_is_refused(desk: Desk, body: dict[str, str]) -> None:
    problem(desk.admin.post("/v1/streams", json=body), 422)
    assert desk.storage.streams() == []


def test_a_file_below_the_media_folder_may_be_a_source(desk: Desk) -> None:
    desk.media_dir = desk.folder / "media"
    (desk.media_dir / "clips").mkdir(parents=True)
    (desk.media_dir / "clips" / "a.mp4").touch()
    desk.build()
    created = desk.create(source={"kind": "file", "path": "clips/../clips/a.mp4"})
    told = desk.producer.newest(created["stream_id"])
    assert told is not None
    assert told.source == Source(kind="file", path=str(Path("clips") / "a.mp4"))
    problem(desk.publish(created["stream_key"]), 403)


@pytest.mark.parametrize("path", [None, "", "../outside.mp4", "link.mp4", "none.mp4", "a\x00b", "a" * 300, "loop", "."])
def test_no_other_file_may_be_a_source(desk: Desk, path: str | None) -> None:
    desk.media_dir = desk.folder / "media"
    desk.media_dir.mkdir()
    (desk.folder / "outside.mp4").touch()
    os.symlink(desk.folder / "outside.mp4", desk.media_dir / "link.mp4")
    os.symlink("loop", desk.media_dir / "loop")
    desk.build()
    problem(desk.admin.post("/v1/streams", json={"name": "a", "source": {"kind": "file", "path": path}}), 422)
    assert desk.storage.streams() == []


def test_without_a_media_folder_no_file_may_be_a_source(desk: Desk) -> None:
    body = {"name": "a", "source": {"kind": "file", "path": "a.mp4"}}
    assert "MOSAICAST_MEDIA_DIR" in problem(desk.admin.post("/v1/streams", json=body), 422)["detail"]


def test_a_policy_is_changed_only_from_the_revision_that_the_sender_knows(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    url = f"/v1/streams/{stream_id}/policy"
    tag = desk.admin.get(url).headers["etag"]
    assert tag == '"1"'
    changed = desk.admin.patch(url, json={"style": "blur"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    for known in (tag, f"W/{tag}", '"99"', "nonsense", '"1", "2"', '""', '"-1"'):
        told = problem(desk.admin.patch(url, json={"style": "solid"}, headers={"If-Match": known}), 412)
        assert "ETag" in told["detail"]
    assert desk.admin.get(url).json()["style"] == "blur"
    for known in ('W/"2"', "*"):
        assert desk.admin.patch(url, json={"delay_s": 2}, headers={"If-Match": known}).status_code == 200
    problem(desk.admin.patch("/v1/streams/nobody/policy", json={}, headers={"If-Match": tag}), 404)


def test_two_changes_of_a_policy_at_once_lose_no_zone(storage: Storage, desk: Desk) -> None:
    """Two connections to one file: both have read the policy before either writes, unless one waits for the other."""
    stream_id = desk.create()["stream_id"]
    zone = Zone(x=0.5, y=0.0, width=0.5, height=0.25)
    other = Storage(str(storage.engine.url))
    for turn in range(20):
        both = threading.Barrier(2)

        def change(own: Storage, changes: dict[str, Any], start: threading.Barrier = both) -> None:
            start.wait()
            own.change_policy(stream_id, lambda old: msgspec.structs.replace(old, **changes))

        style = (Style.BLUR, Style.SOLID)[turn % 2]
        threads = [
            threading.Thread(target=change, args=(storage, {"zones": (zone,)})),
            threading.Thread(target=change, args=(other, {"style": style})),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        now = storage.stream(stream_id)
        assert now is not None
        assert (now.policy.zones, now.policy.style, now.revision) == ((zone,), style, 3 + 3 * turn)
        storage.change_policy(stream_id, lambda old: msgspec.structs.replace(old, zones=()))
    other.close()


def test_a_delay_too_short_to_look_ahead_is_refused_with_the_reason(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    url = f"/v1/streams/{stream_id}/policy"
    least = MaskPolicy().lead_s + 0.3
    told = problem(desk.admin.patch(url, json={"delay_s": least - 0.01}), 422)
    assert "0.85 s" in told["detail"]
    assert "0.4 s before a face is first seen" in told["detail"]
    assert desk.admin.patch(url, json={"delay_s": 0.85}).json()["delay_s"] == 0.85
    document = desk.anyone.get("/openapi.json").json()
    assert document["components"]["schemas"]["PolicyPatch"]["properties"]["delay_s"]["anyOf"][0]["minimum"] == 0.85


def test_a_policy_of_before_with_a_shorter_delay_is_still_shown_and_changed(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    desk.storage.change_policy(stream_id, lambda old: msgspec.structs.replace(old, delay_s=0.5))
    url = f"/v1/streams/{stream_id}/policy"
    assert desk.admin.get(url).json()["delay_s"] == 0.5
    assert desk.admin.patch(url, json={"style": "blur"}).json()["delay_s"] == 0.5
