"""One broadcast through the real parts, in virtual time, without a process, a thread or a socket.

Real: ingest's EpochWriter and ChildPipe, the detector's WaitingFrames, the recognizer's and the compositor's service
with everything that decides in them (StreamRecognition, StreamRunner, Ledger, Replay, Engine, EpochRun, DelayLine,
Evidence, Timeline). Stand-ins: the log, both decoders, the detector's and the recognizer's networks, the sink.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from mosaicast.contracts import parts as parts_module
from mosaicast.contracts.messages import Policy, StreamSpec
from mosaicast.contracts.topics import MEDIA
from mosaicast.core.regions import Region
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition
from services.compositor import child as child_module
from services.compositor import engine as engine_module
from services.compositor import epoch as epoch_module
from services.compositor import runner as runner_module
from services.compositor.engine import Engine
from services.ingest import child_pipe as child_pipe_module
from services.ingest import epoch as writer_module
from services.recognizer import service as recognizer_module
from tests.services.chaos.analysis_hosts import DetectorHost, RecognizerHost
from tests.services.chaos.broadcast import (
    COVERED,
    OWNER,
    SECONDS,
    STREAM,
    THEMES,
    TICK_S,
    TOPICS,
)
from tests.services.chaos.compositor_host import CompositorHost, NoThread
from tests.services.chaos.hops import SOUND, Clock, Hop, Producer, lossy, treacherous
from tests.services.chaos.ingest_host import Ingest
from tests.services.chaos.world import (
    ENROLLED,
    Shown,
    World,
)


@dataclass(frozen=True, slots=True)
class Leak:
    """A stranger who left the compositor uncovered."""

    number: int
    name: str
    disposition: str
    at_s: float


@dataclass(slots=True)
class Result:
    """What came of one broadcast."""

    leaks: list[Leak] = field(default_factory=list)
    painted: list[tuple[int, Fraction]] = field(default_factory=list)
    dispositions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    enrolled_seen: int = 0
    ingested: int = 0
    taken: int = 0
    outcomes: int = 0
    in_flight: int = 0
    unseen: int = 0
    """Units before the first message that came, and those after the last keyframe that did, if their epoch's end was
    lost: nobody downstream can know of them."""
    crashes: int = 0


class Simulation:
    """One seed.

    Args:
        themes: what goes wrong; drawn if none are given.
    """

    def __init__(self, seed: int, themes: frozenset[str] = frozenset()) -> None:
        rng = self.rng = Random(seed)
        assert themes <= set(THEMES)
        self.themes = themes or frozenset(rng.sample(THEMES, rng.choice([1, 2, 2, 3])))
        self.clock = Clock()
        refreshes = "refreshed pictures" in self.themes
        if refreshes:
            self.themes |= {"treacherous media"}  # a hole that a true keyframe does not mend
        self.world = World(rng, SECONDS, refreshes=refreshes)
        self.result = Result()
        self._start = self.clock.now
        self.hops = {topic.name: self._hop(topic.name) for topic in TOPICS}
        self._refusing = {topic.name: 0.03 if self.on(f"refused {topic.name}") else 0.0 for topic in TOPICS}
        self._refusing[MEDIA.name] /= 10
        self.producer = Producer(rng, self.hops, self._refusing.__getitem__)
        self.ingest = Ingest(self)
        self.detector = DetectorHost(self)
        self.recognizer = RecognizerHost(self)
        self.compositor = CompositorHost(self)

    def run(self) -> Result:
        end = self._start + SECONDS + 3.5
        while self.clock.now < end:
            self.clock.now += TICK_S
            for part in (self.ingest, self.detector, self.recognizer, self.compositor):
                if not part.stalled():
                    part.step()
        self.compositor.close()
        self._books()
        return self.result

    def spec(self) -> StreamSpec:
        delay_s = self.rng.choice([0.7, 1.0, 1.0, 2.0])
        return StreamSpec(stream_id=STREAM, owner_id=OWNER, revision=1, policy=Policy(delay_s=delay_s),
                          visible_until={ENROLLED: 4_000_000_000_000})  # fmt: skip

    def on(self, theme: str) -> bool:
        """Whether it goes wrong in this broadcast."""
        return theme in self.themes

    def _hop(self, name: str) -> Hop:
        faults = lossy(self.rng) if self.on(f"lossy {name}") else SOUND
        if self.on(f"treacherous {name}"):
            faults = treacherous(self.rng)
        return Hop(self.rng, faults, self.clock, self.spans(f"stalled {name}"))

    def spans(self, theme: str) -> list[tuple[float, float]]:
        """Draw three spans of time within the broadcast, if the theme is on."""
        begins = [self._start + self.rng.uniform(0.3, SECONDS) for _ in range(3)] if self.on(theme) else []
        return [(begin, begin + self.rng.uniform(0.05, 1.0)) for begin in begins]

    def _books(self) -> None:
        ledger, result = self.compositor.runner.ledger, self.result
        result.ingested = self.ingest.frames_ingested
        result.taken, result.in_flight = ledger.taken, ledger.in_flight
        result.outcomes = ledger.outcomes.total()
        units, known = self.ingest.units, self.compositor.known
        first = self.compositor.first
        if first is not None:
            result.unseen += sum(count for epoch, count in units.items() if epoch < first[0]) + first[1]
            result.unseen += sum(count - known.get(epoch, 0) for epoch, count in units.items() if epoch >= first[0])


def simulate(seed: int, patch: pytest.MonkeyPatch, themes: frozenset[str] = frozenset()) -> Result:
    """Run one seed. `patch` is left with stand-ins in the modules of the services."""
    if seed % 3 == 0:
        patch.setattr(parts_module, "PART_BYTES", 8)  # each packet goes through the log in pieces
    sim = Simulation(seed, themes)
    _stand_in(sim, patch)
    return sim.run()


def _stand_in(sim: Simulation, patch: pytest.MonkeyPatch) -> None:
    clock, result = sim.clock, sim.result
    show = _SHOW

    def note(engine: Engine, run: Any, ready: Any, now: float) -> None:
        result.painted.append((run.epoch, ready.time))
        show(engine, run, ready, now)

    patch.setattr(epoch_module, "PacketDecoder", lambda _: sim.compositor.decoder())
    patch.setattr(epoch_module, "thumbnail_of", lambda frame: frame.thumbnail)
    patch.setattr(engine_module, "to_yuv420", lambda frame: frame)
    patch.setattr(
        engine_module, "paint", lambda frame, plan, style: _judge(result, frame, plan, clock.now - sim._start)
    )
    patch.setattr(Engine, "_show", note)
    patch.setattr(runner_module, "threading", SimpleNamespace(Thread=NoThread))
    for module in (recognizer_module, child_module, writer_module, child_pipe_module):
        for name in ("monotonic_s", "wall_ms"):
            patch.setattr(module, name, getattr(clock, name), raising=False)


_SHOW = Engine._show


def _judge(result: Result, frame: Shown, plan: FramePlan, at_s: float) -> None:
    """Look at a frame as a viewer would."""
    result.dispositions[plan.disposition.value] += 1
    result.reasons[plan.full_reason or ""] += 1
    if plan.disposition is Disposition.FULL_MOSAIC:
        return
    for name, box in frame.faces:
        covered = _covered(box, plan.regions)
        if name == ENROLLED:
            result.enrolled_seen += covered < COVERED
        elif covered < COVERED:
            result.leaks.append(Leak(frame.number, name, plan.disposition.value, at_s))


def _covered(box: Box, regions: Sequence[Region]) -> float:
    bounds = [region.bounds for region in regions]
    points = list(_points(box))
    return sum(any(r.x1 <= x <= r.x2 and r.y1 <= y <= r.y2 for r in bounds) for x, y in points) / len(points)


def _points(box: Box) -> Iterator[tuple[float, float]]:
    for across in range(5):
        for down in range(5):
            yield box.x1 + (across + 0.5) / 5 * box.width, box.y1 + (down + 0.5) / 5 * box.height
