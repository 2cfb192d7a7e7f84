"""What the latencies are made of, on sightings of our own."""

from types import SimpleNamespace
from typing import cast

import pytest

from bench.enroll_latency import LatencyError, Round, Rounds, percentiles, summary
from mosaicast.core.types import Box
from synthetic.cast import Person
from synthetic.oracle import FaceFinding, Judgement, Kind
from synthetic.session import LiveStream, LiveWatch, Session, Sighting

DELAY_S = 1.0


class FakeWatch:
    """Frames at 100.0, 100.1, ... s: clear in some span of arrivals."""

    def __init__(self, clear_from_s: float, clear_to_s: float, *, readable: bool = True) -> None:
        times_s = [100 + step / 10 for step in range(100)]
        self.seen = [Sighting(t, "clean", 1, *[clear_from_s <= t < clear_to_s and readable] * 2) for t in times_s]

    def count(self, kind: str, since_s: float = 0.0) -> int:
        return len(self.sightings(since_s)) if kind == "clean" else 0

    def sightings(self, since_s: float = 0.0) -> list[Sighting]:
        return [seen for seen in self.seen if seen.arrival_s >= since_s]


def rounds(watch: FakeWatch) -> Rounds:
    session, stream = cast(Session, SimpleNamespace()), LiveStream("s", "k", "r", "h")
    return Rounds(session, stream, cast(LiveWatch, watch), cast(Person, None), "o", DELAY_S)


def test_enrolling_takes_until_the_last_frame_that_does_not_show_the_person() -> None:
    assert rounds(FakeWatch(102.5, 110)).seen_since(101.0) == pytest.approx(102.4 - 101.0 - DELAY_S)


def test_who_is_seen_and_masked_again_is_not_seen_yet() -> None:
    watch = FakeWatch(102.5, 110)
    watch.seen[30] = Sighting(103.0, "full_mosaic", None, clear=False, shown=False)
    assert rounds(watch).seen_since(101.0) == pytest.approx(103.0 - 101.0 - DELAY_S)


def test_who_is_never_seen_counts_as_long_as_was_watched() -> None:
    assert rounds(FakeWatch(0, 0)).seen_since(101.0) == pytest.approx(1.9)


def test_revoking_takes_until_the_last_frame_that_shows_the_person() -> None:
    assert rounds(FakeWatch(0, 103.3)).masked_since(103.0) == pytest.approx(0.2)
    assert rounds(FakeWatch(0, 102.8)).masked_since(103.0) == pytest.approx(-0.3), "before the answer"


def test_whoever_was_not_seen_before_was_not_masked_either() -> None:
    with pytest.raises(LatencyError):
        rounds(FakeWatch(0, 0)).masked_since(103.0)


def test_percentiles_and_every_value_are_written() -> None:
    result = summary([Round(value / 100, -value / 100) for value in range(1, 21)], DELAY_S, 0.5)
    assert (result["runs"], result["delay_s"]) == (20, DELAY_S)
    assert result["enrol_s"]["p50"] == pytest.approx(0.105)
    assert result["enrol_s"]["p95"] == pytest.approx(0.1905, abs=0.001)
    assert result["revoke_s"]["max"] == -0.01
    assert len(result["revoke_s"]["all"]) == 20
    assert percentiles([0.3]) == {"p50": 0.3, "p95": 0.3, "max": 0.3, "all": [0.3]}


@pytest.mark.parametrize(
    ("masked", "clear", "shown"),
    [
        ((), False, False),
        ((0.0,), True, True),
        ((1.0,), False, False),
        ((0.5,), False, True),
        ((0.0, 1.0), False, True),
    ],
)
def test_a_sighting_says_whether_the_enrolled_are_seen(masked: tuple[float, ...], clear: bool, shown: bool) -> None:
    faces = tuple(FaceFinding(7, "coach", Box(0, 0, 60, 80), 1.0, share) for share in masked)
    seen = Sighting.of(Judgement(Kind.CLEAN, 7, enrolled=faces), 5.0)
    assert (seen.arrival_s, seen.kind, seen.number, seen.clear, seen.shown) == (5.0, "clean", 7, clear, shown)
