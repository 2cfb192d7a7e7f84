"""The ways between the parts, with everything that a log, a network and a busy machine can do to messages."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any

from mosaicast.contracts.topics import Topic


class Clock:
    """Virtual time for everybody."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic_s(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + int(self.now * 1000)


@dataclass(frozen=True, slots=True)
class Faults:
    """What a hop does to a message, as probabilities; and how long it holds one up, seconds."""

    drop: float = 0.0
    drop_telling: float = 0.0
    """The same for a keyframe and for what tells a scene cut: what hurts most."""
    repeat: float = 0.0
    late: float = 0.0
    latest_s: float = 0.3


SOUND = Faults()


def lossy(rng: Random) -> Faults:
    """Draw a hop that loses, repeats and mixes up messages at random."""
    return Faults(rng.choice([0.01, 0.05, 0.15]), 0.0, rng.choice([0.0, 0.1]), rng.choice([0.0, 0.05, 0.2]),
                  rng.choice([0.1, 0.3, 1.0]))  # fmt: skip


def treacherous(rng: Random) -> Faults:
    """Draw a hop that loses what hurts most, and little else."""
    return Faults(rng.choice([0.0, 0.01]), 0.5)


class Hop:
    """One topic from its producer to its consumer. What is held up is overtaken by what comes after it.

    Args:
        stalls: spans of virtual time in which nothing arrives; all of it does at their end.
    """

    def __init__(self, rng: Random, faults: Faults, clock: Clock, stalls: list[tuple[float, float]]) -> None:
        self._rng, self._faults, self._clock, self._stalls = rng, faults, clock, stalls
        self._queue: list[tuple[float, int, Any]] = []
        self._sent = 0
        self._dropped = False
        """The last message was: losses come in bursts."""
        self._latest = 0.0

    def put(self, message: Any) -> None:
        rng, faults = self._rng, self._faults
        if self._drops(message):
            return
        for _ in range(2 if rng.random() < faults.repeat else 1):
            due = max(self._latest, self._clock.now + rng.uniform(0.001, 0.01))
            if rng.random() < faults.late:
                due += rng.uniform(0.0, faults.latest_s)
            else:
                self._latest = due
            self._sent += 1
            heapq.heappush(self._queue, (self._after_stall(due), self._sent, message))

    def take(self) -> list[Any]:
        taken = []
        while self._queue and self._queue[0][0] <= self._clock.now:
            taken.append(heapq.heappop(self._queue)[2])
        return taken

    def _drops(self, message: Any) -> bool:
        telling = getattr(message, "scene_cut", False) or getattr(message, "keyframe", False)
        share = max(self._faults.drop, self._faults.drop_telling if telling else 0.0, 0.5 * self._dropped)
        self._dropped = self._rng.random() < share
        return self._dropped

    def _after_stall(self, due: float) -> float:
        return next((end for begin, end in self._stalls if begin <= due < end), due)


class Reader:
    """The reading side of some hops, as the services take it."""

    def __init__(self, *hops: Hop) -> None:
        self._hops = hops

    def poll(self, timeout_s: float) -> list[Any]:
        return [
            SimpleNamespace(partition=0, key=message.stream_id, message=message)
            for hop in self._hops
            for message in hop.take()
        ]


class Producer:
    """The writing side: messages of a topic go into its hop, others nowhere; it may refuse.

    Args:
        refuses: probability, for each topic that has a hop.
    """

    def __init__(self, rng: Random, hops: dict[str, Hop], refuses: Callable[[str], float]) -> None:
        self._rng, self._hops, self._refuses = rng, hops, refuses

    def send(self, topic: Topic[Any], message: Any, *, key: str | None = None) -> bool:
        hop = self._hops.get(topic.name)
        if hop is None:
            return True
        if self._rng.random() < self._refuses(topic.name):
            return False
        hop.put(message)
        return True
