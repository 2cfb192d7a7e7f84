"""The books of one stream: every video access unit taken from the log becomes exactly one outcome."""

from collections import Counter
from collections.abc import Iterable

from mosaicast.core.types import Disposition
from services.compositor.wire import Outcome

Unit = tuple[int, int]
"""Epoch and index of a packet."""
LOST = "lost_in_log"
NO_INDEX = -1
"""Of a unit that nobody has seen."""


class Ledger:
    """Who is in flight, and what became of the rest.

    A unit that is told twice (a child died after showing it, and another decoded it again) counts once.
    """

    def __init__(self) -> None:
        self._in_flight: dict[Unit, None] = {}
        self.taken = 0
        self.outcomes: Counter[tuple[Disposition, str]] = Counter()

    @property
    def in_flight(self) -> int:
        """Units that have no outcome yet."""
        return len(self._in_flight)

    def take(self, epoch: int, index: int) -> None:
        """A unit was read from the log."""
        if (epoch, index) not in self._in_flight:
            self._in_flight[epoch, index] = None
            self.taken += 1

    def miss(self, epoch: int, count: int) -> list[Outcome]:
        """So many units never came out of the log: book them as dropped, and return the outcomes."""
        self.taken += count
        self.outcomes[Disposition.DROPPED, LOST] += count
        return [Outcome(epoch, NO_INDEX, Disposition.DROPPED, LOST)] * count

    def settle(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Book outcomes and return those that are new."""
        new = []
        for outcome in outcomes:
            if (outcome.epoch, outcome.index) in self._in_flight:
                del self._in_flight[outcome.epoch, outcome.index]
                self.outcomes[outcome.disposition, outcome.reason] += 1
                new.append(outcome)
        return new

    def drop(self, reason: str, keep: frozenset[Unit] = frozenset()) -> list[Outcome]:
        """Book everything in flight, but `keep`, as dropped and return the outcomes."""
        lost = [unit for unit in self._in_flight if unit not in keep]
        return self.settle([Outcome(epoch, index, Disposition.DROPPED, reason) for epoch, index in lost])

    def is_settled(self, epoch: int, index: int) -> bool:
        """Whether a unit that was taken has its outcome."""
        return (epoch, index) not in self._in_flight

    def counters(self) -> dict[str, int]:
        """Return totals for a status report: taken, in_flight, clear, masked, full_mosaic, dropped, and the last two by
        reason (dropped.REASON, full_mosaic.REASON)."""
        totals = {"taken": self.taken, "in_flight": self.in_flight}
        totals |= {disposition.value: 0 for disposition in Disposition}
        for (disposition, reason), count in self.outcomes.items():
            totals[disposition.value] += count
            if disposition in (Disposition.DROPPED, Disposition.FULL_MOSAIC):
                totals[f"{disposition.value}.{reason}"] = totals.get(f"{disposition.value}.{reason}", 0) + count
        return totals
