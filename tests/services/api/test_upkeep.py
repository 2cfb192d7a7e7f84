"""What the api does unasked, and what it understands of the edge's pages."""

import asyncio
from typing import Any

import pytest

from mosaicast.adapters.database.storage import StorageError, Stream
from services.api.background import upkeep
from services.api.background.upkeep import YOUNG_MS, check
from services.api.edge_control import EdgeControl, parse_publishers
from tests.services.api.fakes import Desk

PAGE = """<?xml version="1.0"?><rtmp><server>
<application><name>live</name><live>
  <stream><name>mine</name><client><id>1</id><publishing/><active/></client><client><id>2</id></client></stream>
  <stream><name>watched</name><client><id>3</id></client></stream>
</live></application>
<application><name>masked</name><live>
  <stream><name>other</name><client><id>4</id><publishing/></client></stream>
</live></application>
</server></rtmp>"""


def test_everything_is_said_again_when_it_is_time(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    first = desk.producer.newest(stream_id)
    asyncio.run(check(desk.deps, announce=False))
    assert len(desk.producer.sent) == 1
    asyncio.run(check(desk.deps, announce=True))
    assert [message for _, message in desk.producer.sent] == [first, first]


def test_a_publisher_the_edge_does_not_know_is_gone(desk: Desk) -> None:
    created = desk.create()
    stream_id = created["stream_id"]
    desk.publish(created["stream_key"])
    for publishing, age_ms in ((None, 99_000), ({stream_id}, 99_000), (set(), YOUNG_MS)):
        desk.edge.publishing = None if publishing is None else frozenset(publishing)
        desk.now_ms += age_ms
        asyncio.run(check(desk.deps, announce=False))
        told = desk.storage.stream(stream_id)
        assert told is not None
        assert told.publication is not None, publishing
        desk.now_ms -= age_ms
    desk.now_ms += YOUNG_MS + 1
    asyncio.run(check(desk.deps, announce=False))
    last = desk.producer.newest(stream_id)
    assert last is not None
    assert last.publication is None


def test_a_stream_that_another_api_deletes_while_it_is_said_again_is_ended_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = desk.create()["stream_id"]
    send = desk.producer.send

    def another_deletes(*sent: Any, **more: Any) -> bool:
        if desk.storage.delete_stream(stream_id):
            desk.storage.settle(desk.storage.waiting()[0], None)  # and tells of it, before we say that it is there
        return send(*sent, **more)

    monkeypatch.setattr(desk.producer, "send", another_deletes)
    asyncio.run(check(desk.deps, announce=True))
    assert desk.producer.newest(stream_id) is not None
    desk.deps.outbox.work_off()
    assert desk.producer.newest(stream_id) is None


@pytest.mark.parametrize("failure", [StorageError("away"), RuntimeError("a bug")])
def test_upkeep_goes_on_after_a_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    monkeypatch.setattr(upkeep, "CHECK_S", 0.001)
    answers: list[Exception] = [failure, failure]

    async def scene() -> None:
        loop, again = asyncio.get_running_loop(), asyncio.Event()

        def streams() -> list[Stream]:
            if answers:
                raise answers.pop()
            loop.call_soon_threadsafe(again.set)
            return []

        monkeypatch.setattr(desk.storage, "streams", streams)
        task = asyncio.create_task(upkeep.keep_up(desk.deps))
        await asyncio.wait_for(again.wait(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    assert answers == []


def test_publishers_of_raw_streams_are_read_from_the_edges_page() -> None:
    assert parse_publishers(PAGE) == frozenset({"mine"})
    assert parse_publishers("<rtmp></rtmp>") == frozenset()


@pytest.mark.parametrize("page", ["", "not XML", "<rtmp>", "<html><body>It works</body></html>"])
def test_another_page_is_not_taken_for_an_empty_edge(page: str) -> None:
    assert parse_publishers(page) is None


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1"])
def test_an_edge_that_is_away_says_nothing_and_cuts_off_nobody(url: str | None) -> None:
    async def scene() -> frozenset[str] | None:
        edge = EdgeControl(url, "t")
        await edge.drop_publisher("s")
        publishers = await edge.publishers()
        await edge.close()
        return publishers

    assert asyncio.run(scene()) is None
