"""The delay line: every frame leaves exactly once, in order, masked if unsure."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicast.core.delayline import Command, DelayLine, Drop, Release
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.types import Box, Disposition, PersonId, Reason, TrackId, TrackVerdict, Verdict

FULL, CLEAR, MASKED = Disposition.FULL_MOSAIC, Disposition.CLEAR, Disposition.MASKED


def ms(value: int) -> Fraction:
    return Fraction(value, 1000)


PICTURE, OTHER = bytes([90]) * 144, bytes([60]) * 144
STEP_MS = 100
"""Between looks: each has the number of its time on that grid."""


def look(at_ms: int, *tracks: TrackVerdict) -> Verdict:
    return Verdict(ms(at_ms), tracks, False, PICTURE, at_ms // STEP_MS, at_ms // STEP_MS - 1)


def nobody(at_ms: int) -> Verdict:
    return look(at_ms)


def somebody(at_ms: int) -> Verdict:
    return look(at_ms, TrackVerdict(TrackId(1), Box(0, 0, 40, 40), False, Reason.UNKNOWN))


class Live:
    """A live line whose packets arrive `lag_s` after their media time."""

    def __init__(self, delay_s: float = 1.0) -> None:
        self.pacer = Pacer(PacingPolicy(delay_s=delay_s))
        self.line = DelayLine(self.pacer)

    def frame(self, at_ms: int, now: float) -> list[Command]:
        self.pacer.observe(ms(at_ms), now)
        return self.line.add_frame(ms(at_ms), now, PICTURE)

    def looks(self, until_ms: int, now: float, since_ms: int = 0) -> None:
        """Frames and verdicts that see nobody: what a frame at `since_ms` needs around it and beyond."""
        for at in range(since_ms, until_ms + 1, STEP_MS):
            self.line.add_verdict(nobody(at), now)


def outcome(commands: list[Command]) -> list[tuple[int, object]]:
    return [(int(c.time * 1000), c.plan.disposition if isinstance(c, Release) else c.reason) for c in commands]


def test_a_live_frame_leaves_at_its_time_and_not_before() -> None:
    live = Live()
    for at in range(0, 400, 100):
        assert live.frame(at, now=10.0 + at / 1000) == []
    live.looks(400, now=10.6)
    assert live.line.next_due() == pytest.approx(11.0)
    assert live.line.tick(10.999) == []
    assert outcome(live.line.tick(11.0)) == [(0, CLEAR)]
    assert live.line.next_due() == pytest.approx(11.1)
    live.line.tick(11.3)
    assert live.line.next_due() is None


def test_a_frame_that_is_decoded_as_it_leaves_may_be_one_of_a_dissolve() -> None:
    """After a stall, or a child's restart, frames were shown before what follows was decoded: 25 % of another shot."""
    live = Live()
    live.looks(400, now=10.6)
    live.frame(0, now=10.0)
    (released,) = live.line.tick(11.0)
    assert isinstance(released, Release)
    assert released.plan.full_reason == "transition"


def test_without_a_verdict_it_leaves_in_time_but_mosaicked() -> None:
    live = Live()
    live.frame(0, now=10.0)
    assert outcome(live.line.tick(11.0)) == [(0, FULL)]


def test_a_verdict_after_the_deadline_changes_nothing_that_left() -> None:
    live = Live()
    live.frame(0, now=10.0)
    live.line.tick(11.0)
    assert live.line.add_verdict(nobody(0), now=11.1) == []


def test_a_frame_that_goes_back_was_looked_at_by_nobody_and_is_dropped() -> None:
    """A step of -0.417 s put 13 frames in between that no sample had seen, and they left clear."""
    live = Live()
    for at in (0, 40, 600):
        live.frame(at, now=10.0 + at / 1000)
    live.looks(1100, now=10.7)
    assert live.frame(200, now=10.7) == [Drop(ms(200), "backwards")]
    assert [at for at, _ in outcome(live.line.tick(20.0))] == [0, 40, 600]


def test_verdicts_that_come_after_a_frame_needs_them_count_for_the_next() -> None:
    """0.85 s late at a delay of 1 s: three frames with a new face left clear, which the next look would have shown."""
    live = Live()
    for at in range(0, 1000, 50):
        live.frame(at, now=10.0 + at / 1000)
    for seq in range(4):
        live.line.add_verdict(nobody(seq * 100), now=10.85)
    (first,) = live.line.tick(11.0)
    assert isinstance(first, Release)
    assert first.plan.full_reason == "verdicts_late"
    live.line.add_verdict(somebody(400), now=11.01)
    live.line.add_verdict(somebody(500), now=11.01)
    assert outcome(live.line.tick(11.06)) == [(50, MASKED)]


def test_what_comes_after_its_place_is_dropped() -> None:
    live = Live()
    live.frame(0, now=10.0)
    live.frame(80, now=10.08)
    live.line.tick(11.09)
    assert live.frame(40, now=11.1) == [Drop(ms(40), "late")]
    assert live.frame(80, now=11.1) == [Drop(ms(80), "late")]
    live.frame(120, now=11.1)
    assert live.frame(120, now=11.1) == [Drop(ms(120), "duplicate")]


def test_panic_mosaics_what_leaves_while_it_lasts() -> None:
    live = Live()
    for at in (0, 40, 100, 200, 300, 400):
        live.frame(at, now=10.0 + at / 1000)
    live.looks(500, now=10.6)
    live.line.set_panic(True)
    (released,) = live.line.tick(11.0)
    assert isinstance(released, Release)
    assert released.plan.full_reason == "panic"
    live.line.set_panic(False)
    assert outcome(live.line.tick(11.05)) == [(40, CLEAR)]


def test_who_may_not_be_seen_any_more_is_masked_on_frames_that_wait() -> None:
    live = Live(delay_s=5.0)
    ann = TrackVerdict(TrackId(1), Box(0, 0, 40, 40), True, Reason.ENROLLED, PersonId("ann"))
    for at in range(0, 1000, 100):
        live.frame(at, now=10.0 + at / 1000)
        live.line.add_verdict(look(at, ann), now=10.1 + at / 1000)
    live.line.set_visible([PersonId("ann")])
    assert outcome(live.line.tick(15.1)) == [(0, CLEAR), (100, CLEAR)]
    live.line.set_visible([])
    assert outcome(live.line.tick(15.2)) == [(200, MASKED)]


def test_a_newer_epoch_abandons_what_waits() -> None:
    live = Live()
    live.frame(0, now=10.0)
    assert live.line.abandon() == [Drop(ms(0), "abandoned")]
    assert live.line.tick(99.0) == []


def test_a_job_waits_for_everything_that_could_matter() -> None:
    line = DelayLine(pacer=None)
    for at in range(0, 900, 100):
        line.add_frame(ms(at), 0, PICTURE)
    assert line.add_verdict(nobody(0), now=0) == []
    for at in (100, 200):
        assert line.add_verdict(nobody(at), now=0) == []
    assert line.add_verdict(somebody(300), now=0) == []
    for at in range(400, 1400, 100):
        assert line.add_verdict(nobody(at), now=0) == [], "a doubt speaks of 1.4 s before it"
    assert outcome(line.add_verdict(nobody(1400), now=0)) == [(0, MASKED)], "the lead of a face that enters at 300 ms"


def test_a_job_waits_for_the_pictures_that_could_matter_too() -> None:
    line = DelayLine(pacer=None)
    for at in range(0, 2000, 100):
        line.add_verdict(nobody(at), now=0)
    for at in range(0, 701, 100):
        assert line.add_frame(ms(at), 0, PICTURE) == [], "a transition to come could reach back to the first"
    assert outcome(line.add_frame(ms(750), 0, PICTURE)) == [(0, CLEAR)]


def test_a_jobs_end_lets_out_the_rest() -> None:
    line = DelayLine(pacer=None)
    line.add_frame(ms(0), 0, PICTURE)
    line.add_frame(ms(40), 0, PICTURE)
    line.add_verdict(nobody(0), now=0)
    assert outcome(line.end(now=0)) == [(0, FULL), (40, FULL)]
    line = DelayLine(pacer=None)
    line.add_frame(ms(0), 0, PICTURE)
    line.add_verdict(nobody(0), now=0)
    assert outcome(line.end(now=0)) == [(0, CLEAR)], "nothing lies beyond it"


def test_live_frames_keep_their_times_after_the_end() -> None:
    live = Live()
    live.frame(0, now=10.0)
    assert live.line.end(now=10.1) == []
    assert outcome(live.line.tick(11.0)) == [(0, FULL)]


events = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(0, 60)),
        st.tuples(st.just("nobody"), st.integers(0, 60)),
        st.tuples(st.just("somebody"), st.integers(0, 60)),
        st.tuples(st.just("tick"), st.integers(0, 100)),
        st.tuples(st.just("panic"), st.integers(0, 1)),
    ),
    max_size=60,
)


@given(events, st.booleans())
def test_every_frame_leaves_exactly_once_in_order_masked_if_unsure(  # noqa: C901 - one script, one story
    script: list[tuple[str, int]], live: bool
) -> None:
    pacer = Pacer() if live else None
    line = DelayLine(pacer)
    now, panic = 100.0, False
    fed: list[Fraction] = []
    told: list[Verdict] = []
    out: list[Release] = []
    dropped: list[Drop] = []

    def take(commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Drop):
                dropped.append(command)
                continue
            out.append(command)
            if panic or not _known(command.time, told):
                assert command.plan.disposition is FULL
            if any(v.tracks and v.time == command.time for v in told):
                assert command.plan.disposition is not CLEAR

    for kind, number in script:
        if kind == "frame":
            if pacer:
                pacer.observe(ms(number * 20), now)
            fed.append(ms(number * 20))
            take(line.add_frame(ms(number * 20), now, PICTURE if number % 7 else OTHER))
        elif kind in {"nobody", "somebody"}:
            verdict = (nobody if kind == "nobody" else somebody)(number * 20)
            told.append(verdict)
            take(line.add_verdict(verdict, now))
        elif kind == "panic":
            panic = bool(number)
            line.set_panic(panic)
        else:
            now += number / 50
            take(line.tick(now))
    take(line.end(now))
    take(line.tick(now + 1000))

    assert sorted([r.time for r in out] + [d.time for d in dropped]) == sorted(fed)
    assert all(a.time < b.time for a, b in itertools.pairwise(out)), "in order, none twice"
    assert len(line) == 0


def _known(time: Fraction, told: list[Verdict]) -> bool:
    before = [v.time for v in told if v.time <= time]
    after = [v.time for v in told if v.time >= time]
    return bool(before and after) and min(after) - max(before) <= Fraction(1, 4)
