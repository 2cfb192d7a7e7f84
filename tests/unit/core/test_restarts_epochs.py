"""Back-off and quarantine; newest epochs."""

import pytest

from mosaicast.core.epochs import EpochGate
from mosaicast.core.restarts import Quarantine, RestartAt, RestartPolicy, RestartState
from mosaicast.core.types import Epoch, StreamId


def crash(state: RestartState, now: float) -> RestartAt | Quarantine:
    state.started(now)
    return state.crashed(now)


def test_pauses_double_up_to_the_longest() -> None:
    state = RestartState(RestartPolicy(quarantine_crashes=None))
    pauses = []
    for turn in range(8):
        step = crash(state, now=float(turn))
        assert isinstance(step, RestartAt)
        pauses.append(step.at_s - turn)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_health_forgets_the_pause() -> None:
    state = RestartState()
    crash(state, 0.0)
    crash(state, 1.0)
    state.started(2.0)
    assert state.crashed(12.0) == RestartAt(12.2)


def test_five_crashes_in_a_minute_are_the_end() -> None:
    state = RestartState()
    assert all(isinstance(crash(state, at), RestartAt) for at in (0.0, 10.0, 20.0, 30.0))
    assert crash(state, 59.0) == Quarantine(5)
    state.lifted()
    assert isinstance(crash(state, 60.0), RestartAt)


def test_slow_crashes_are_not() -> None:
    state = RestartState()
    assert all(isinstance(crash(state, at * 16.0), RestartAt) for at in range(50))


def test_the_gate_admits_the_newest_epoch_only() -> None:
    gate, stream = EpochGate(), StreamId("s")
    assert gate.newest(stream) is None
    assert [gate.admit(stream, Epoch(n)) for n in (5, 5, 7, 5, 6, 7)] == [True, True, True, False, False, True]
    assert gate.newest(stream) == 7
    assert gate.admit(StreamId("other"), Epoch(1))
    gate.forget(stream)
    assert gate.admit(stream, Epoch(1))
