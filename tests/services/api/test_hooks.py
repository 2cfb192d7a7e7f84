"""What the edge asks: who may publish, who may play."""

import asyncio
import shutil

import pytest

from tests.services.api.fakes import EDGE_TOKEN, Desk, hook, problem


def publishing(desk: Desk, stream_id: str) -> bool:
    answer = desk.admin.get(f"/v1/streams/{stream_id}").json()["publishing"]
    assert isinstance(answer, bool)
    return answer


@pytest.mark.parametrize("token", ["", "edge", EDGE_TOKEN + "x", "ключ"])
@pytest.mark.parametrize("name", ["connect", "publish", "publish_done", "play"])
def test_only_the_edge_may_ask(desk: Desk, name: str, token: str) -> None:
    key = desk.create()["stream_key"]
    problem(desk.hook(name, f"app=masked&name=x&token={EDGE_TOKEN}", token=token), 403)
    problem(desk.hook(name, f"app=live&name={key}&clientid=1", token=token), 403)
    assert len(desk.producer.sent) == 1


def test_the_right_key_is_renamed_to_the_stream(desk: Desk) -> None:
    created = desk.create()
    answer = desk.publish(created["stream_key"], "7")
    assert (answer.status_code, answer.headers["location"]) == (302, created["stream_id"])
    told = desk.producer.newest(created["stream_id"])
    assert told is not None
    assert told.publication is not None
    assert (told.publication.publication_id, told.publication.started_ms) == (f"{desk.now_ms}-7", desk.now_ms)
    assert publishing(desk, created["stream_id"])


@pytest.mark.parametrize("form", ["", "app=live&clientid=1", "app=live&name=&clientid=1", "app=live&name=wrong"])
def test_a_wrong_key_is_refused(desk: Desk, form: str) -> None:
    stream_id = desk.create()["stream_id"]
    problem(desk.hook("publish", form), 403)
    problem(desk.publish(stream_id), 403)
    assert not publishing(desk, stream_id)


def test_a_second_publisher_does_the_first_no_harm(desk: Desk) -> None:
    created = desk.create()
    stream_id, key = created["stream_id"], created["stream_key"]
    desk.publish(key, "1")
    first = desk.producer.newest(stream_id)
    problem(desk.publish(key, "2"), 403)
    assert desk.publish_done(key, "2").status_code == 204
    assert desk.producer.newest(stream_id) == first
    assert publishing(desk, stream_id)
    desk.publish_done(key, "1")
    last = desk.producer.newest(stream_id)
    assert last is not None
    assert last.publication is None
    assert not publishing(desk, stream_id)


def test_an_edge_that_was_killed_blocks_nobody(desk: Desk) -> None:
    created = desk.create()
    stream_id, key = created["stream_id"], created["stream_key"]
    desk.publish(key, "1")
    desk.now_ms += 60_000
    desk.edge.publishing = frozenset({stream_id})
    problem(desk.publish(key, "2"), 403)
    desk.edge.publishing = frozenset()
    assert desk.publish(key, "1").status_code == 302


def test_a_publisher_who_still_waits_for_its_answer_is_not_replaced(desk: Desk) -> None:
    key = desk.create()["stream_key"]
    desk.publish(key, "1")
    desk.edge.publishing = frozenset()
    desk.now_ms += 900
    problem(desk.publish(key, "2"), 403)


def test_of_two_who_come_at_once_one_is_admitted(desk: Desk) -> None:
    created = desk.create()
    seen = desk.storage.stream(created["stream_id"])
    assert seen is not None
    assert desk.publish(created["stream_key"], "1").status_code == 302

    def stale(_: str) -> object:
        return seen

    desk.storage.stream_by_key = stale  # type: ignore[method-assign, assignment]
    problem(desk.publish(created["stream_key"], "2"), 403)
    told = desk.storage.stream(created["stream_id"])
    assert told is not None
    assert told.publication_client == "1"


def test_a_publisher_begins_when_ingest_listens(desk: Desk) -> None:
    desk.longest_s = 60.0
    desk.build()
    created = desk.create()

    async def scene() -> tuple[int, int]:
        announced = asyncio.Event()
        desk.producer.told = announced.set
        async with desk.anyone.open() as http:
            publisher = asyncio.create_task(http.post(**hook("publish", f"app=live&name={created['stream_key']}")))
            await announced.wait()
            assert not publisher.done()
            play = f"app=live&name={created['stream_id']}&token={EDGE_TOKEN}"
            reader = await http.post(**hook("play", play))
            return reader.status_code, (await publisher).status_code

    assert asyncio.run(scene()) == (204, 302)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_key_that_changes_while_its_publisher_waits_is_refused(desk: Desk, method: str) -> None:
    desk.longest_s = 60.0
    desk.build()
    created = desk.create()
    url = f"/v1/streams/{created['stream_id']}" + ("/key" if method == "POST" else "")

    async def scene() -> int:
        announced = asyncio.Event()
        desk.producer.told = announced.set
        async with desk.admin.open() as http:
            publisher = asyncio.create_task(http.post(**hook("publish", f"app=live&name={created['stream_key']}")))
            await announced.wait()
            await http.request(method, url)
            await http.post(**hook("play", f"app=live&name={created['stream_id']}&token={EDGE_TOKEN}"))
            return (await publisher).status_code

    assert asyncio.run(scene()) == 403


def test_raw_pictures_are_played_with_the_token_only(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    for app in ("live", "other", ""):
        problem(desk.hook("play", f"app={app}&clientid=1&name={stream_id}"), 403)
        problem(desk.hook("play", f"app={app}&clientid=1&name={stream_id}&token=wrong"), 403)
    assert desk.hook("play", f"app=live&clientid=1&name={stream_id}&token={EDGE_TOKEN}").status_code == 204
    assert desk.hook("play", f"app=masked&clientid=1&name={stream_id}").status_code == 204, "masked ones by anybody"


@pytest.mark.parametrize("extra", ["app=masked", "%61pp=masked", "name=x&app=masked", "app=masked&app=masked"])
def test_an_address_with_the_edges_own_fields_does_not_open_raw_pictures(desk: Desk, extra: str) -> None:
    """nginx-rtmp puts the arguments of rtmp://HOST/live/ID?app=masked behind its own fields."""
    stream_id = desk.create()["stream_id"]
    problem(desk.hook("play", f"app=live&clientid=1&call=play&name={stream_id}&{extra}"), 403)


def test_an_address_with_the_edges_own_fields_publishes_nothing(desk: Desk) -> None:
    created = desk.create()
    key, stream_id = created["stream_key"], created["stream_id"]
    problem(desk.hook("publish", f"app=masked&clientid=1&name=x&app=live&name={key}"), 403)
    desk.publish(key, "1")
    problem(desk.hook("publish_done", f"app=live&clientid=2&name={key}&clientid=1"), 403)
    assert publishing(desk, stream_id)


def test_masked_pictures_are_published_by_the_compositor_only(desk: Desk) -> None:
    created = desk.create()
    stream_id = created["stream_id"]
    for refused in (
        f"app=masked&clientid=1&name={stream_id}",
        f"app=masked&clientid=1&name={stream_id}&token=wrong",
        f"app=masked&clientid=1&name={created['stream_key']}",
        f"app=masked&clientid=1&name=unknown&token={EDGE_TOKEN}",
    ):
        problem(desk.hook("publish", refused), 403)
    assert desk.hook("publish", f"app=masked&clientid=1&name={stream_id}&token={EDGE_TOKEN}").status_code == 204
    assert not publishing(desk, stream_id)


def test_without_its_database_the_api_admits_nobody(desk: Desk) -> None:
    created = desk.create()
    desk.storage.close()
    shutil.rmtree(desk.folder / "db")
    problem(desk.publish(created["stream_key"]), 503)
    problem(desk.hook("publish", f"app=masked&name={created['stream_id']}&token={EDGE_TOKEN}"), 503)
