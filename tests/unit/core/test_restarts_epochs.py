"""Back-off and quarantine; newest epochs."""

import pytest

from mosaicast.core.epochs import BELIEVED_EPOCH, LARGEST_EPOCH, MOST_STREAMS, EpochGate, KnownEpochs
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


# --- numbers of epochs that begin -----------------------------------------------------------------------------

S = StreamId("s")


def known(*reported: int) -> KnownEpochs:
    epochs = KnownEpochs()
    for epoch in reported:
        epochs.note(S, Epoch(epoch))
    return epochs


@pytest.mark.parametrize(
    ("reported", "now_ms", "own", "number"),
    [
        ((), 5_000, 0, 5_000),
        ((), 5_000, 5_000, 5_001),
        ((), 1_000, 5_000, 5_001),
        ((9_000,), 5_000, 0, 9_001),
        ((9_000, 3), 5_000, 8_000, 9_001),
        ((4_000,), 5_000, 4_500, 5_000),
        ((0,), 5_000, 0, 5_000),
        ((BELIEVED_EPOCH,), 5_000, 0, BELIEVED_EPOCH + 1),
        ((BELIEVED_EPOCH + 1, LARGEST_EPOCH), 5_000, 0, 5_000),
    ],
)
def test_an_epoch_is_above_all_that_are_known_whatever_the_clock_says(
    reported: tuple[int, ...], now_ms: int, own: int, number: int
) -> None:
    assert known(*reported).next(S, now_ms, own) == number


def test_after_the_highest_that_is_believed_there_is_room_for_ever() -> None:
    epochs, own = known(BELIEVED_EPOCH), 0
    for _ in range(1000):
        own = epochs.next(S, 5_000, own)
        epochs.note(S, Epoch(own))
    assert own == BELIEVED_EPOCH + 1000
    assert LARGEST_EPOCH - own > 10**14


def test_made_up_streams_push_out_the_ones_reported_longest_ago() -> None:
    epochs = known(9_000)
    for number in range(MOST_STREAMS - 1):
        epochs.note(StreamId(f"made-up-{number}"), Epoch(1))
    epochs.note(S, Epoch(8_000))  # still reported
    epochs.note(StreamId("one-more"), Epoch(1))
    assert epochs.newest(S) == 9_000
    assert epochs.newest(StreamId("made-up-0")) == 0
    assert epochs.newest(StreamId("made-up-1")) == 1
