"""A service whose message log is not to be trusted: `python -m tests.e2e.chaotic SERVICE SEED SECONDS`.

What the service polls of the topics of live video is lost, repeated or held up at random, for each stream from
`CALM_S` after its first packet on for so many seconds. What is held up is overtaken by what comes after it. Nothing of
the product knows.
"""

import heapq
import importlib
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from mosaicast.adapters.kafka import BusConsumer
from mosaicast.contracts.topics import DETECTIONS, FRAMES, MEDIA, VERDICTS

CALM_S = 3.0
"""A stream's first packets come through: of those that were lost before the first one seen, nobody can know."""
LATEST_S = 0.3
SURELY_LOST = 100
"""Of so many video packets one is lost for certain: by chance alone a run may lose none."""


@dataclass(frozen=True, slots=True)
class Chances:
    """Of one message."""

    lost: float
    repeated: float
    late: float


CHANCES = {
    MEDIA.name: Chances(lost=0.003, repeated=0.02, late=0.002),
    FRAMES.name: Chances(lost=0.02, repeated=0.03, late=0.02),
    DETECTIONS.name: Chances(lost=0.01, repeated=0.03, late=0.01),
    VERDICTS.name: Chances(lost=0.01, repeated=0.03, late=0.03),
}
"""A hole in the packets mosaics what is left of its second. With these a third of the frames is painted by regions."""


class Chaos:
    """Decides about each message."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._rng = Random(seed)
        self._seconds = seconds
        self._begins_s: dict[str, float] = {}
        self._held: list[tuple[float, int, Any]] = []
        self._pictures: Counter[str] = Counter()
        self.did: Counter[str] = Counter()

    def pass_on(self, batch: list[Any], now: float) -> list[Any]:
        """Return what the service gets to see of what arrived, and of what was held up."""
        passed = [again for received in batch for again in self._copies(received, now)]
        while self._held and self._held[0][0] <= now:
            passed.append(heapq.heappop(self._held)[2])
        return passed

    def _copies(self, received: Any, now: float) -> list[Any]:
        chances = CHANCES.get(received.topic)
        if chances is None or not self._rages(received.key, now):
            return [received]
        fate = 0.0 if self._surely_lost(received) else self._rng.random()
        for what, chance in (("lost", chances.lost), ("repeated", chances.repeated), ("late", chances.late)):
            if fate < chance:
                self.did[f"{received.topic} {what}"] += 1
                return self._done(what, received, now)
            fate -= chance
        return [received]

    def _done(self, what: str, received: Any, now: float) -> list[Any]:
        if what == "late":
            due_s = now + self._rng.uniform(0.0, LATEST_S)
            heapq.heappush(self._held, (due_s, self.did.total(), received))
        return [received, received] if what == "repeated" else []

    def _surely_lost(self, received: Any) -> bool:
        if received.topic != MEDIA.name or getattr(received.message, "track", None) != "video":
            return False
        self._pictures[received.key] += 1
        return self._pictures[received.key] % SURELY_LOST == 0

    def _rages(self, stream_id: str, now: float) -> bool:
        begin_s = self._begins_s.setdefault(stream_id, now + CALM_S)
        return begin_s <= now < begin_s + self._seconds


def let_loose(chaos: Chaos) -> None:
    """Put it between the log and every consumer of this process."""
    poll = BusConsumer.poll
    told = [0]

    def chaotic(self: BusConsumer, timeout_s: float) -> list[Any]:
        passed = chaos.pass_on(poll(self, timeout_s), time.monotonic())
        if chaos.did.total() >= told[0] + 5:
            told[0] = chaos.did.total()
            logging.getLogger(__name__).warning("chaos %s", dict(chaos.did))
        return passed

    BusConsumer.poll = chaotic  # type: ignore[method-assign]


if __name__ == "__main__":
    service, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    let_loose(Chaos(seed, seconds))
    sys.exit(importlib.import_module(f"services.{service}.__main__").main())
