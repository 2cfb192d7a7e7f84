"""Whatever happens to a stream's children, its books balance and no frame is shown twice."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicast.contracts.messages import MediaPacket
from mosaicast.core.types import Disposition
from services.compositor.ledger import LOST
from services.compositor.runner import STUCK_S, StreamRunner
from services.compositor.wire import Outcome
from tests.services.compositor.fakes import FakeSpawn, packet, verdict_of
from tests.services.compositor.media import STREAM
from tests.services.compositor.runner_stage import Stage, published

epochs = st.sampled_from([1, 1, 2])
packets = st.tuples(st.just("packet"), epochs, st.sampled_from(["key", "delta", "repeat"]))
others = st.tuples(st.just("packet"), epochs, st.sampled_from(["audio", "end", "lost"]))
picks = st.lists(st.integers(0, 9), max_size=4)
"""Which of the units so far a child speaks of."""
steps = st.one_of(
    packets,
    packets,
    packets,
    packets,
    others,
    st.tuples(st.just("tell"), picks),
    st.tuples(st.just("crash"), picks),
    st.tuples(st.just("crash"), picks),
    st.tuples(st.just("pass"), st.sampled_from([0.02, 0.3, 0.3, 6.0, STUCK_S + 1])),
    st.tuples(st.just("pass"), st.just(0.3)),
    st.tuples(st.just("publish"), st.sampled_from(["p1", "p2"])),
    st.tuples(st.just("verdict"), epochs),
    st.tuples(st.just("rest")),
)


@dataclass
class Given:
    """What one child was given, and what had been told when it began."""

    told: frozenset[tuple[int, int]]
    items: list[Any] = field(default_factory=list)

    @property
    def units(self) -> list[tuple[int, int]]:
        return [(item.epoch, item.index) for item in self.items if isinstance(item, MediaPacket)]


class Recorded(StreamRunner):
    """Notes what each child is given."""

    def __init__(self, spawn: FakeSpawn, told: list[Outcome]) -> None:
        super().__init__(STREAM, spawn, lambda _, outcomes: told.extend(outcomes), lambda _: None)
        self.given: list[Given] = []
        self._told = told

    def _start(self, now: float) -> None:
        self.given.append(Given(frozenset((o.epoch, o.index) for o in self._told)))
        super()._start(now)

    def _send(self, item: Any) -> None:
        if self.child_pid:
            self.given[-1].items.append(item)
        super()._send(item)


class Play(Stage):
    """Plays a script and keeps the books of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.runner: Recorded = Recorded(self.spawn, self.told)
        self.units: set[tuple[int, int]] = set()
        self.lost = 0
        """Units that the log lost and that a later message has told of."""
        self._next: Counter[int] = Counter()
        self._next_unit: Counter[int] = Counter()
        self._untold: Counter[int] = Counter()
        self._sent: dict[int, int] = {}
        self._revision = 0

    def step(self, kind: str, *args: Any) -> None:
        getattr(self, "do_" + kind.replace(" ", "_"))(*args)
        counters = self.runner.ledger.counters()
        assert counters["taken"] == len(self.units) + self.lost
        assert counters["taken"] == counters["in_flight"] + sum(counters[d.value] for d in Disposition)
        if self.runner.child_pid:
            waiting = self.units - {(o.epoch, o.index) for o in self.told}
            assert waiting <= set(self.runner.given[-1].units), "the child has not got all that waits"

    def do_packet(self, epoch: int, kind: str) -> None:
        index, unit = self._next[epoch], self._next_unit[epoch]
        if kind == "repeat":
            if epoch in self._sent:
                self.media(packet(self._sent[epoch], epoch=epoch, unit=unit - 1))
            return
        self._next[epoch] += 1
        self._next_unit[epoch] += kind in {"key", "delta", "lost"}
        if kind == "lost":
            self._untold[epoch] += 1
            return
        # What was lost before the first packet that came, or of older epochs, is another instance's.
        lost, known = self._untold.pop(epoch, 0), epoch in self._sent
        self.lost += lost if known or any(older < epoch for older in self._sent) else 0
        self._sent[epoch] = index
        if kind in {"key", "delta"}:
            self.units.add((epoch, index))
        track: Literal["audio", "video"] = "audio" if kind == "audio" else "video"
        self.media(packet(index, epoch=epoch, unit=unit, key=kind == "key", track=track, end=kind == "end"))

    def do_tell(self, picks: list[int]) -> None:
        if self.runner.child_pid and self.child.exit is None:
            self.child.says(*self._outcomes(picks))

    def do_crash(self, picks: list[int]) -> None:
        """Crash with last words; the service notices at once."""
        if self.runner.child_pid and self.child.exit is None:
            self.child.says(*self._outcomes(picks), wait=False)
            self.child.ends(-11)
            self.after(0.0)

    def _outcomes(self, picks: list[int]) -> list[Outcome]:
        known = [*sorted(self.units), (1, 99)]
        return [Outcome(*known[pick % len(known)], Disposition.MASKED) for pick in picks]

    def do_pass(self, seconds: float) -> None:
        self.after(seconds)

    def do_publish(self, publication: str) -> None:
        self._revision += 1
        self.runner.on_spec(published(publication, self._revision))

    def do_verdict(self, epoch: int) -> None:
        self.runner.on_verdict(verdict_of(0, epoch=epoch))

    def do_rest(self) -> None:
        if self.runner.idle(self.now, 5.0):
            self.runner.rest()


@settings(max_examples=500, deadline=None)
@given(st.lists(steps, min_size=5, max_size=40))
def test_the_books_balance_and_nothing_is_shown_twice_whatever_happens(script: list[tuple[Any, ...]]) -> None:
    play = Play()
    for step in script:
        play.step(*step)
    play.runner.stop()
    seen = [(o.epoch, o.index) for o in play.told if o.reason != LOST]
    assert sorted(seen) == sorted(play.units), "each exactly once"
    assert len(play.told) - len(seen) == play.lost
    assert play.runner.ledger.in_flight == 0
    assert all(child.closed for child in play.spawn.children)
    for given_ in play.runner.given:
        check_given(given_)


def check_given(child: Given) -> None:
    """It gets the spec and what is settled, then packets in order; what was told before is settled."""
    kinds = [type(item).__name__ for item in child.items]
    assert kinds[: kinds.index("Settled")] in ([], ["StreamSpec"])
    settled = child.items[kinds.index("Settled")]
    assert child.units == sorted(set(child.units))
    again = set(child.units) & child.told
    assert again <= {(settled.epoch, index) for index in settled.indexes}
