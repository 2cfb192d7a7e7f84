"""Topics that the broker lost."""

import asyncio

import pytest

from mosaicast.adapters.kafka import BusError
from services.api.background import lost_topics
from tests.services.api.fakes import Desk


class Broker:
    """Tells what each look at its topics finds, and then ends the care for them."""

    def __init__(self, *finds: bool | Exception) -> None:
        self.finds = list(finds)

    def restore(self) -> bool:
        if not self.finds:
            raise asyncio.CancelledError
        found = self.finds.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def cared(desk: Desk, monkeypatch: pytest.MonkeyPatch, *finds: bool | Exception) -> int:
    """Return how often a stream was announced."""
    monkeypatch.setattr(lost_topics, "CHECK_S", 0.0)
    stream_id = desk.create()["stream_id"]
    first = desk.producer.newest(stream_id)
    before = len(desk.producer.sent)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(lost_topics.keep_topics(desk.deps, Broker(*finds)))
    assert desk.producer.newest(stream_id) == first
    return len(desk.producer.sent) - before


def test_while_all_topics_are_there_nothing_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cared(desk, monkeypatch, False, False, False) == 0


def test_after_a_loss_every_stream_is_announced_at_once_and_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cared(desk, monkeypatch, False, True, False, False, False, False) == lost_topics.TIMES


def test_a_broker_that_refuses_does_not_end_the_care(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = BusError("making topics again: POLICY_VIOLATION", fault="operator", retry=False)
    assert cared(desk, monkeypatch, refusal, RuntimeError("bug"), True) == 1
