"""A stream whose child crashes again and again is given up until somebody publishes anew."""

import pytest

from mosaicast.core.restarts import RestartPolicy
from services.compositor.wire import Settled
from tests.services.compositor.fakes import packet
from tests.services.compositor.media import spec
from tests.services.compositor.runner_stage import Stage, group, published


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.runner.on_spec(spec())
    return stage


def quarantine(stage: Stage) -> None:
    for _ in range(RestartPolicy().quarantine_crashes or 0):
        stage.crash()
        stage.after(5.0)
    assert stage.runner.quarantined


def test_five_crashes_in_a_minute_are_enough(stage: Stage) -> None:
    stage.runner.on_spec(published("p1", 2))
    stage.media(*group(0, 3))
    quarantine(stage)
    assert stage.reasons() == {"quarantined": 3}
    stage.media(*group(3, 2))
    stage.after(3600.0)
    assert len(stage.spawn.children) == 5
    assert stage.counts() == {"taken": 5, "dropped": 5, "dropped.quarantined": 5}


def test_a_new_publication_lifts_the_quarantine_and_the_same_one_does_not(stage: Stage) -> None:
    stage.runner.on_spec(published("p1", 2))
    stage.media(*group(0, 3))
    quarantine(stage)
    stage.runner.on_spec(published("p1", 3))
    assert stage.runner.quarantined
    stage.runner.on_spec(published("p2", 4))
    assert not stage.runner.quarantined
    stage.media(packet(0, epoch=2, key=True))
    assert len(stage.spawn.children) == 6
    assert stage.child.takes(3)[1:] == [Settled(2, frozenset()), packet(0, epoch=2, key=True)]
    stage.crash()
    assert not stage.runner.quarantined, "the crashes before are forgotten"


def test_crashes_that_are_rare_do_not_quarantine(stage: Stage) -> None:
    stage.media(*group(0, 2))
    for _ in range(10):
        stage.crash()
        stage.after(20.0)
        stage.child.says()
        stage.after(0.02)
    assert not stage.runner.quarantined


# --- queues -------------------------------------------------------------------------------------------------
