"""What the parts of a simulated broadcast share: its names, what may go wrong, and what a part is."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mosaicast.contracts.topics import DETECTIONS, FRAMES, MEDIA, VERDICTS
from mosaicast.runtime.metrics import Metrics

if TYPE_CHECKING:
    from tests.services.chaos.simulation import Simulation

STREAM, OWNER = "st-1", "owner"
TOPICS = (MEDIA, FRAMES, DETECTIONS, VERDICTS)
PARTS = ("ingest", "detector", "recognizer", "compositor")
THEMES = (
    *(f"{kind} {topic.name}" for topic in TOPICS for kind in ("lossy", "treacherous", "stalled", "refused")),
    *(f"{kind} {part}" for part in PARTS for kind in ("stopped", "killed")),
    "busy pipe", "busy pipe at cuts", "twin times", "time goes back", "compositor cannot decode", "slow detector",
    "refreshed pictures", "compositor decodes wrongly",
)  # fmt: skip
"""What may go wrong in a broadcast: one to three of these do, the rest is sound, or nothing would ever be shown."""
TICK_S = 0.02
SECONDS = 5.0
COVERED = 0.9
METRICS = Metrics()


class Part:
    """A process: it may stand still for a while, and may be killed."""

    def __init__(self, sim: "Simulation", name: str) -> None:
        self.sim, self.rng, self.clock = sim, sim.rng, sim.clock
        self._stalls = sim.spans(f"stopped {name}")
        self._deaths = sorted(begin for begin, _ in sim.spans(f"killed {name}"))

    def stalled(self) -> bool:
        return any(begin <= self.clock.now < end for begin, end in self._stalls)

    def dies(self) -> bool:
        if self._deaths and self.clock.now >= self._deaths[0]:
            self._deaths.pop(0)
            return True
        return False

    def step(self) -> None:
        raise NotImplementedError


class OneSpec:
    """Reads the stream's spec once."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim, self._told = sim, False

    def poll(self, timeout_s: float) -> list[Any]:
        if self._told:
            return []
        self._told = True
        return [SimpleNamespace(partition=0, key=STREAM, message=self._sim.compositor.spec)]
