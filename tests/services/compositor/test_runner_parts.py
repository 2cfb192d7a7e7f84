"""A packet that came through the log in pieces: whole for the child and for the books, or lost."""

import pytest

from mosaicast.contracts.messages import MediaPacket
from mosaicast.contracts.parts import PART_BYTES, split
from tests.services.compositor.fakes import packet
from tests.services.compositor.media import spec
from tests.services.compositor.runner_stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.runner.on_spec(spec())
    return stage


def test_it_reaches_the_child_whole(stage: Stage) -> None:
    whole = packet(1, size=3 * PART_BYTES + 5)
    stage.media(packet(0, key=True), *split(whole), packet(2))
    assert stage.child.takes(5)[2:] == [packet(0, key=True), whole, packet(2)]
    assert stage.counts() == {"taken": 3, "in_flight": 3}


def test_a_stream_may_begin_with_one(stage: Stage) -> None:
    whole = packet(0, size=2 * PART_BYTES, key=True)
    stage.media(*split(whole), packet(1))
    assert stage.child.takes(4)[2:] == [whole, packet(1)]
    assert stage.counts() == {"taken": 2, "in_flight": 2}


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_without_one_of_its_pieces_it_is_lost_and_booked(stage: Stage, lost: int) -> None:
    parts: list[MediaPacket] = split(packet(1, size=4 * PART_BYTES))
    del parts[lost]
    stage.media(packet(0, key=True), *parts, packet(2))
    assert stage.child.takes(4)[2:] == [packet(0, key=True), packet(2)]
    assert stage.counts() == {"taken": 3, "in_flight": 2, "dropped": 1, "dropped.lost_in_log": 1}


def test_pieces_that_the_log_repeats_count_once(stage: Stage) -> None:
    whole = packet(1, size=2 * PART_BYTES)
    first, second = split(whole)
    stage.media(packet(0, key=True), first, first, second, first, second, packet(2))
    assert stage.child.takes(5)[2:] == [packet(0, key=True), whole, packet(2)]
    assert stage.counts() == {"taken": 3, "in_flight": 3}


def test_a_child_that_begins_anew_is_given_it_whole(stage: Stage) -> None:
    whole = packet(0, size=2 * PART_BYTES, key=True)
    stage.media(*split(whole))
    stage.crash()
    assert stage.restarted().takes(3)[2:] == [whole]
