"""`mosaicast models bench`: which library, device and precision each network of the settings gets here; its speed.

On a GPU also how many pictures or faces a run should take, and whether what comes out is what a CPU computes.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from mosaicast.adapters.models.agreement import LARGEST_PX, LEAST_COSINE, farthest_side_px, least_cosine
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.models.placement import Placement, default_batch, recommended_batch
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.settings import Settings

CALLS = 20
"""Timed; one before them is not."""
BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Tried on a GPU. On a CPU one run takes one picture or face, whatever is asked for."""
FAINT = 0.02
"""The score from which boxes are compared: noise has no faces, but places that are a little like one."""
FRAME_HW = (720, 1280)
LANDMARKS = (560.0, 300.0, 720.0, 300.0, 640.0, 380.0, 580.0, 460.0, 700.0, 460.0)
"""Of a face that is looking at us; what is in the picture costs nothing more or less."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one network."""

    placement: Placement
    ms_by_batch: Mapping[int, float]
    """Median of a run, by the pictures or faces that it takes."""
    batch: int
    """What a run should take."""
    agreement: str = ""
    """How far its boxes or vectors are from a CPU's; empty on a CPU."""
    trouble: str = ""


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
    """What to do, where it can't be had or computes what a CPU does not."""
    batch: int | None = None
    """Recommended, for the setting of that name."""
    ms_each: float | None = None
    """In a batch of that size."""
    agreement: str = ""

    def row(self) -> dict[str, object]:
        """Return it as one flat record."""
        placed = asdict(self.placement) if self.placement else {"runtime": "", "device": "", "precision": ""}
        return {"network": self.network, "role": self.role, **placed, "ms_per_call": self.ms_per_call,
                "batch": self.batch, "ms_each": self.ms_each, "agreement": self.agreement,
                "trouble": self.trouble}  # fmt: skip


def measured(settings: Settings) -> Iterator[Speed]:
    """Yield what each network of the settings does here: the detector, and those that recognize."""
    yield _tried(settings.detector.model, "detector", lambda: _detector(settings))
    for name in settings.recognition.networks:
        yield _tried(name, "embedder", lambda name=name: _embedder(settings, name))  # type: ignore[misc]


def _tried(name: str, role: str, measure: Callable[[], Figures]) -> Speed:
    try:
        found = measure()
    except ModelError as exc:
        return Speed(name, role, None, None, str(exc))
    times = found.ms_by_batch
    each = round(times.get(found.batch, found.batch * times[1]) / found.batch, 3)
    return Speed(
        name, role, found.placement, round(times[1], 2), found.trouble, found.batch, each, found.agreement
    )  # fmt: skip


def _detector(settings: Settings) -> Figures:
    from mosaicast.adapters.detectors import make_detector

    chosen = settings.detector
    make = partial(make_detector, chosen.model, weights=chosen.weights, width=chosen.width)
    detector = make(device=chosen.device)
    picture, placement = _picture(), detector.placement
    if placement.device == "cpu":
        ms = _median_ms(lambda: detector.detect([picture], 0.2))
        return Figures(placement, {1: ms}, default_batch("detector", "cpu"))
    times = {size: _median_ms(lambda size=size: detector.detect([picture] * size, 0.2)) for size in BATCHES}  # type: ignore[misc]
    reference = make(device="cpu", precision="f32")
    apart_px = farthest_side_px(*(one.detect([picture], FAINT)[0] for one in (detector, reference)))
    trouble = "" if apart_px <= LARGEST_PX else "its boxes are not a CPU's: set MOSAICAST_DETECTOR__DEVICE=cpu"
    return Figures(placement, times, recommended_batch(times), f"{apart_px:.3f} px", trouble)


def _embedder(settings: Settings, name: str) -> Figures:
    from mosaicast.adapters.embedders import Face, make_embedder

    embedder = make_embedder(name, models_dir=settings.models_dir, device=settings.recognition.device)
    face, placement = Face(_picture(), LANDMARKS), embedder.placement
    if not embedder.in_batches:
        return Figures(placement, {1: _median_ms(lambda: embedder.embed([face]))}, default_batch("embedder", "cpu"))
    times = {size: _median_ms(lambda size=size: embedder.embed([face] * size)) for size in BATCHES}  # type: ignore[misc]
    reference = make_embedder(name, models_dir=settings.models_dir, device="cpu")
    cosine = least_cosine(embedder.embed([face]).vectors, reference.embed([face]).vectors)
    trouble = "" if cosine >= LEAST_COSINE else "its vectors are not a CPU's: set MOSAICAST_RECOGNITION__DEVICE=cpu"
    return Figures(placement, times, recommended_batch(times), f"cosine {cosine:.6f}", trouble)


def _picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (*FRAME_HW, 3), dtype=np.uint8)


def _median_ms(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(CALLS):
        started = monotonic_s()
        work()
        taken.append(monotonic_s() - started)
    return statistics.median(taken) * 1000
