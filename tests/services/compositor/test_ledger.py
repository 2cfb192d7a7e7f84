"""The books: every unit taken becomes exactly one outcome."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.contracts.messages import MediaPacket, TimeBase
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.types import Disposition
from services.compositor.ledger import Ledger
from services.compositor.replay import LARGEST_BYTES, MOST_VERDICTS, VERDICTS_S, Replay
from services.compositor.wire import Outcome, Report, encode_report, from_child
from tests.services.compositor.fakes import verdict_of

units = st.tuples(st.integers(1, 3), st.integers(0, 20))
events = st.lists(
    st.one_of(
        st.tuples(st.just("take"), units),
        st.tuples(st.just("settle"), units),
        st.tuples(st.just("crash"), st.sets(units, max_size=5)),
    ),
    max_size=80,
)


@given(events)
def test_the_books_balance_whatever_happens(script: list[tuple[str, Any]]) -> None:
    ledger, told = Ledger(), []
    taken: list[tuple[int, int]] = []
    for kind, value in script:
        if kind == "take" and value not in taken:  # the runner lets no unit through twice
            ledger.take(*value)
            taken.append(value)
        elif kind == "settle":
            told += ledger.settle([Outcome(value[0], value[1], Disposition.MASKED)])
        elif kind == "crash":
            told += ledger.drop("crash", keep=frozenset(value))
    told += ledger.drop("end")
    assert sorted((o.epoch, o.index) for o in told) == sorted(taken), "each exactly once"
    counters = ledger.counters()
    assert counters["taken"] == len(taken)
    assert counters["in_flight"] == 0
    assert sum(counters[d.value] for d in Disposition) == len(taken)
    assert sum(n for name, n in counters.items() if name.startswith("dropped.")) == counters["dropped"]


def packet(index: int, *, epoch: int = 1, key: bool = False, size: int = 10) -> MediaPacket:
    return MediaPacket(
        stream_id="s", epoch=epoch, index=index, unit=index, track="video", pts=index, dts=index,
        time_base=TimeBase(1, 1000), keyframe=key, data=b"x" * size, read_ms=1,
    )  # fmt: skip


def test_the_replay_begins_at_the_last_keyframe() -> None:
    replay = Replay()
    for index in range(10):
        replay.add_packet(packet(index, key=index in {0, 4}))
    assert [p.index for p in replay.packets] == [4, 5, 6, 7, 8, 9]
    replay.add_packet(packet(0, epoch=2, key=True))
    assert [(p.epoch, p.index) for p in replay.packets] == [(2, 0)]
    replay.add_packet(packet(10, epoch=1))
    assert len(replay.packets) == 1


def test_the_replay_is_bounded() -> None:
    replay = Replay()
    for index in range(40):
        replay.add_packet(packet(index, size=1024 * 1024))
    assert sum(len(p.data) for p in replay.packets) <= LARGEST_BYTES
    for seq in range(5000):
        replay.add_verdict(verdict_of(seq))
    assert replay.verdicts[0].pts >= replay.verdicts[-1].pts - VERDICTS_S * 1000


def test_the_replay_keeps_the_verdicts_of_the_longest_delay() -> None:
    """64 were kept: 2 s at 30 looks a second, at a delay of 10 s."""
    replay = Replay()
    for seq in range(30 * 20):
        replay.add_verdict(msgspec.structs.replace(verdict_of(seq), pts=seq * 1000 // 30))
    kept_s = (replay.verdicts[-1].pts - replay.verdicts[0].pts) / 1000
    assert kept_s >= 10 + MaskPolicy().hold_s


def test_verdicts_with_lying_times_are_bounded_too() -> None:
    replay = Replay()
    for seq in range(5000):
        replay.add_verdict(msgspec.structs.replace(verdict_of(seq), pts=7))
    assert len(replay.verdicts) == MOST_VERDICTS


def test_units_that_the_log_lost_are_booked_as_dropped() -> None:
    ledger = Ledger()
    told = ledger.miss(1, 3)
    assert [(o.epoch, o.disposition, o.reason) for o in told] == [(1, Disposition.DROPPED, "lost_in_log")] * 3
    assert ledger.counters()["taken"] == ledger.counters()["dropped.lost_in_log"] == 3


def test_reports_cross_the_pipe() -> None:
    report = Report((Outcome(1, 2, Disposition.DROPPED, "late", None, 0.1, 1.0),), "a note")
    assert from_child(encode_report(report)) == report
