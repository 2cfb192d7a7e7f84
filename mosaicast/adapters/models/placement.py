"""Where and how a network runs on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "f32", "bf16"]
"""What is asked for; `auto` leaves it to the runtime."""
Role = Literal["detector", "embedder"]

_BATCHES: Mapping[tuple[Role, str], int] = {
    ("detector", "cpu"): 1,
    ("embedder", "cpu"): 4,
    ("detector", "cuda"): 16,
    ("embedder", "cuda"): 32,
}
"""Pictures or faces that one run takes, where the settings say nothing. Of a GPU: what `recommended_batch` says of an
H100 (bench/results/gpu.json). A CPU gains nothing from more than one; four faces are searched for with one request."""
_JPEG_THREADS: Mapping[str, int] = {"cpu": 1, "cuda": 4}
"""A CPU that runs networks has no core to spare; one beside a GPU would keep it waiting for pictures."""


_LONGEST_RUN_MS = 30.0
"""A run may not hold up the pictures in it for longer: a verdict must be there 0.4 s before its frame leaves."""
_WORTH = 1.1
"""A larger batch is not recommended to save less than a tenth of what a picture costs."""


def recommended_batch(ms_by_batch: Mapping[int, float]) -> int:
    """Return the smallest batch whose pictures cost little more than in the best one; no run may take too long.

    Args:
        ms_by_batch: how long a run takes, by its size.
    """
    fit = {size: ms for size, ms in ms_by_batch.items() if ms <= _LONGEST_RUN_MS} or {min(ms_by_batch): 0.0}
    best = min(ms / size for size, ms in fit.items())
    return min(size for size, ms in fit.items() if ms / size <= _WORTH * best)


def default_batch(role: Role, device: str) -> int:
    """Return how many pictures or faces one run of a network takes where the settings say nothing."""
    return _BATCHES[role, device]


def default_jpeg_threads(device: str) -> int:
    """Return how many threads read and write JPEGs beside the detector where the settings say nothing."""
    return _JPEG_THREADS[device]


@dataclass(frozen=True, slots=True)
class Placement:
    """What runs a network."""

    runtime: str
    """The library: `openvino`, `torch`."""
    device: str
    """`cpu` or `cuda`."""
    precision: str
    """What it computes in: `f32`, `bf16`, `f16`."""
