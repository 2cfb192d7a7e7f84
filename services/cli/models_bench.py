"""`mosaicast models bench`: which library, device and precision each network of the settings gets here; its speed."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.models.placement import Placement
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.settings import Settings

CALLS = 20
"""Timed; one before them is not."""
FRAME_HW = (720, 1280)
LANDMARKS = (560.0, 300.0, 720.0, 300.0, 640.0, 380.0, 580.0, 460.0, 700.0, 460.0)
"""Of a face that is looking at us; what is in the picture costs nothing more or less."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One network on this machine."""

    network: str
    role: str
    placement: Placement | None
    """None: it can't be had here."""
    ms_per_call: float | None
    """Median, one picture or face a call, on one thread."""
    trouble: str = ""
    """What to do, where it can't be had."""

    def row(self) -> dict[str, object]:
        """Return it as one flat record."""
        placed = asdict(self.placement) if self.placement else {"runtime": "", "device": "", "precision": ""}
        return {"network": self.network, "role": self.role, **placed, "ms_per_call": self.ms_per_call,
                "trouble": self.trouble}  # fmt: skip


def measured(settings: Settings) -> Iterator[Speed]:
    """Yield what each network of the settings does here: the detector, and those that recognize."""
    calls = CALLS
    yield _tried(settings.detector.model, "detector", lambda: _detector(settings, calls))
    for name in settings.recognition.networks:
        yield _tried(name, "embedder", lambda name=name: _embedder(settings, name, calls))  # type: ignore[misc]


def _tried(name: str, role: str, measure: Callable[[], tuple[Placement, float]]) -> Speed:
    try:
        placement, ms = measure()
    except ModelError as exc:
        return Speed(name, role, None, None, str(exc))
    return Speed(name, role, placement, round(ms, 2))


def _detector(settings: Settings, calls: int) -> tuple[Placement, float]:
    from mosaicast.adapters.detectors import make_detector

    chosen = settings.detector
    detector = make_detector(chosen.model, weights=chosen.weights, width=chosen.width, device=chosen.device)
    picture = _picture()
    return detector.placement, _median_ms(lambda: detector.detect([picture], 0.2), calls)


def _embedder(settings: Settings, name: str, calls: int) -> tuple[Placement, float]:
    from mosaicast.adapters.embedders import Face, make_embedder

    embedder = make_embedder(name, models_dir=settings.models_dir, device=settings.recognition.device)
    face = Face(_picture(), LANDMARKS)
    return embedder.placement, _median_ms(lambda: embedder.embed([face]), calls)


def _picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (*FRAME_HW, 3), dtype=np.uint8)


def _median_ms(work: Callable[[], object], calls: int) -> float:
    work()
    taken = []
    for _ in range(calls):
        started = monotonic_s()
        work()
        taken.append(monotonic_s() - started)
    return statistics.median(taken) * 1000
