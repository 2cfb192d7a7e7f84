"""Where and how a network runs on this machine."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["auto", "f32", "bf16"]
"""What is asked for; `auto` leaves it to the runtime."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What runs a network."""

    runtime: str
    """The library: `openvino`, `torch`."""
    device: str
    """`cpu` or `cuda`."""
    precision: str
    """What it computes in: `f32`, `bf16`, `f16`."""
