"""The table of a stream's states, both ways: every legal event happens in a real runner, every other raises."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from mosaicast.contracts.messages import PublicationState
from mosaicast.core.restarts import RestartPolicy
from mosaicast.core.types import Epoch, StreamId
from services.ingest.runner import OVERTAKE_EVERY_S
from services.ingest.states import TRANSITIONS, Event, IllegalEventError, after
from services.ingest.wire import End
from tests.services.ingest.fakes import file_spec, push_spec
from tests.services.ingest.test_runner import WAIT_S, Stage, packet

LEGAL = {(state, event): to for state, row in TRANSITIONS.items() for event, to in row.items()}
ILLEGAL = sorted(set(itertools.product(TRANSITIONS, get_args(Event))) - set(LEGAL))


def reach(state: PublicationState, folder: Path, *, file: bool) -> Stage:
    """Return a runner that has come to a state; of a file, or of a publication."""
    if state == "waiting":
        return Stage(push_spec(publication=None), folder)
    stage = Stage(file_spec("x.mp4"), folder) if file else Stage(push_spec())
    for event in WAYS[state]:
        fire(stage, event)
    assert stage.runner.state == state
    return stage


WAYS: dict[PublicationState, list[Event]] = {
    "starting": [],
    "live": ["packets"],
    "refused": ["content_refused"],
    "ended": ["file_over"],
    "quarantined": ["crashed_too_often"],
    "stopped": ["stop"],
}
"""From a new publication on."""


def pass_packet(stage: Stage) -> None:
    sent = len(stage.bus.sent)
    stage.child.says(packet(stage.child.job.epoch, stream_id=stage.child.job.stream_id))
    with stage.bus.news:
        assert stage.bus.news.wait_for(lambda: len(stage.bus.sent) > sent, WAIT_S)
    stage.runner.tick()


def overtake(stage: Stage) -> None:
    stage.context.epochs.note(StreamId(stage.child.job.stream_id), Epoch(stage.child.job.epoch + 1))
    stage.after(OVERTAKE_EVERY_S)


def crash_too_often(stage: Stage) -> None:
    """Crash so often that the next crash is one too many, come back to the state of before, and crash once more."""
    state = stage.runner.state
    crash_often(stage, (RestartPolicy().quarantine_crashes or 0) - 1)
    if state == "live":
        pass_packet(stage)
    assert stage.runner.state == state
    stage.crash()


def crash_often(stage: Stage, times: int) -> None:
    for _ in range(times):
        stage.crash()
        stage.after(5.0)


HAPPENS: dict[Event, Callable[[Stage], None]] = {
    "unpublished": lambda stage: stage.runner.update(push_spec(publication=None, revision=9)),
    "published": lambda stage: stage.runner.update(push_spec(publication="p9", revision=9)),
    "not_readable": lambda stage: stage.runner.update(file_spec("../x.mp4", revision=9)),
    "packets": pass_packet,
    "source_away": lambda stage: stage.hears(End("edge_down", "The media server does not answer.", "network", True)),
    "content_refused": lambda stage: stage.hears(End("rotated", "The video is turned.", "content", False)),
    "file_over": lambda stage: stage.hears(End("end")),
    "crashed": lambda stage: stage.crash(),
    "crashed_too_often": crash_too_often,
    "overtaken": overtake,
    "stop": lambda stage: stage.runner.stop(),
}


def fire(stage: Stage, event: Event) -> None:
    HAPPENS[event](stage)


@pytest.mark.parametrize(("state", "event"), sorted(LEGAL))
def test_what_the_table_says_happens(state: PublicationState, event: Event, tmp_path: Path) -> None:
    stage = reach(state, tmp_path, file=event == "file_over" or state == "ended")
    fire(stage, event)
    assert stage.runner.state == LEGAL[state, event] == after(state, event)


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_what_the_table_does_not_say_raises(state: PublicationState, event: Event) -> None:
    with pytest.raises(IllegalEventError, match=f"{event} in state {state}"):
        after(state, event)


def test_the_table_has_every_state_that_ingest_reports_and_every_event() -> None:
    assert set(TRANSITIONS) | {"error"} == set(get_args(PublicationState))  # `error` is another part's
    assert {event for _, event in LEGAL} == set(get_args(Event))
    assert set(LEGAL.values()) == set(TRANSITIONS)


def test_only_a_child_that_reads_makes_a_stream_live() -> None:
    assert [pair for pair, to in LEGAL.items() if to == "live"] == [("starting", "packets")]


def test_a_stopped_runner_stays_stopped() -> None:
    assert {to for (state, _), to in LEGAL.items() if state == "stopped"} == {"stopped"}
