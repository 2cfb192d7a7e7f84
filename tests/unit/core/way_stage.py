"""A delay line at the end of a way that we make: packets arrive when we say, verdicts an answer later. Virtual time."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from mosaicast.core.delayline import Command, DelayLine, Release
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.types import Disposition, MediaTime, Verdict

FPS = 30
LOOKS_EVERY = 3
ANSWER_S = 0.15
AHEAD_S = 0.45
"""Decoded so long before it is due, as services/compositor/epoch.py does."""
LATE_S = 0.5
"""A frame that leaves so much too late is dropped, as services/compositor/engine.py does."""
TICK_S = 0.01
POLICY = PacingPolicy(need_s=0.75, patience_s=1.8)
PICTURE = bytes([90]) * 144


class Arrival(NamedTuple):
    """A packet of a frame, and when it comes."""

    time: MediaTime
    at_s: float


class Left(NamedTuple):
    """A frame that left."""

    time: MediaTime
    at_s: float
    reason: str
    """Of its full mosaic; empty where it was painted by regions."""


def arrivals(seconds: float, late_s: Callable[[float], float], *, fps: int = FPS) -> list[Arrival]:
    """Return frames as they come over a way that keeps their order; `late_s` of each by its media time, seconds."""
    made: list[Arrival] = []
    for number in range(int(seconds * fps)):
        media_s = number / fps
        at_s = 100.0 + media_s + late_s(media_s)
        made.append(Arrival(Fraction(number, fps), max(at_s, made[-1].at_s) if made else at_s))
    return made


@dataclass
class Played:
    """What came out."""

    left: list[Left] = field(default_factory=list)
    dropped: list[MediaTime] = field(default_factory=list)
    behind_s: list[tuple[float, float]] = field(default_factory=list)
    """When, and how far behind the source."""
    early: list[MediaTime] = field(default_factory=list)
    """Frames that left before they were due."""

    def mosaic_s(self, since_s: float = 0.0, until_s: float = 1e9, *, fps: int = FPS) -> float:
        """Return how many seconds of media left as full mosaic."""
        return sum(bool(each.reason) for each in self.left if since_s <= each.time < until_s) / fps

    def standstills_s(self, since_s: float, until_s: float) -> list[float]:
        """Return how much longer each frame was shown than it should be."""
        seen = [each for each in self.left if since_s <= each.time < until_s]
        return [(b.at_s - a.at_s) - float(b.time - a.time) for a, b in pairwise(seen)]


class Stage:
    """Plays arrivals through a delay line, ten milliseconds at a time."""

    def __init__(self, policy: PacingPolicy = POLICY, answer_s: float = ANSWER_S) -> None:
        self.pacer = Pacer(policy)
        self.line = DelayLine(self.pacer)
        self.played = Played()
        self._answer_s = answer_s
        self._encoded: deque[MediaTime] = deque()
        self._verdicts: deque[tuple[float, Verdict]] = deque()
        self._looks = 0

    def play(self, coming: Sequence[Arrival], drain_s: float = 10.0) -> Played:
        """Play all and return what came out, with `drain_s` of silence behind it."""
        waiting, now = deque(coming), coming[0].at_s
        until_s = coming[-1].at_s + drain_s
        while now < until_s:
            while waiting and waiting[0].at_s <= now:
                self._take(waiting.popleft())
            while self._verdicts and self._verdicts[0][0] <= now:
                self._note(self.line.add_verdict(self._verdicts.popleft()[1], now), now)
            self._decode(now)
            self._note(self.line.tick(now), now)
            self.played.behind_s.append((now, self.pacer.behind_s))
            now += TICK_S
        return self.played

    def _take(self, packet: Arrival) -> None:
        self.pacer.observe(packet.time, packet.at_s)
        self._encoded.append(packet.time)
        if round(packet.time * FPS) % LOOKS_EVERY == 0:
            verdict = Verdict(packet.time, (), False, PICTURE, self._looks, self._looks - 1)
            self._verdicts.append((packet.at_s + self._answer_s, verdict))
            self._looks += 1

    def _decode(self, now: float) -> None:
        while self._encoded and now >= self.pacer.due(self._encoded[0]) - AHEAD_S:
            self._note(self.line.add_frame(self._encoded.popleft(), now, PICTURE), now)

    def _note(self, commands: list[Command], now: float) -> None:
        for command in commands:
            if not isinstance(command, Release) or now - self.pacer.deadline(command.time) > LATE_S:
                self.played.dropped.append(command.time)
                continue
            full = command.plan.disposition is Disposition.FULL_MOSAIC
            self.played.left.append(Left(command.time, now, str(command.plan.full_reason) if full else ""))
            if now < self.pacer.due(command.time) - 1e-6:
                self.played.early.append(command.time)
