"""What runs a network's graph: OpenVINO on a CPU, torch on a GPU. A network does not know which (docs/adr/0018)."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.models.openvino_runtime import CompiledModel
from mosaicast.adapters.models.placement import Placement, Precision


class Runner(Protocol):
    """One graph, ready to run. Belongs to one thread."""

    @property
    def placement(self) -> Placement:
        """Where it runs."""

    @property
    def in_batches(self) -> bool:
        """Whether several inputs at once are understood, and cost less than one after another."""

    def run(self, value: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs for one batch, in the graph's order; they are copies.

        Raises:
            InferenceError: the runtime failed.
        """


Runtime = Callable[[ov.Model], Runner]
"""Makes a graph ready. Raises ModelBrokenError where it refuses the graph, ModelUnavailableError if it can't."""


def on_cpu(precision: Precision = "f32") -> Runtime:
    """Return OpenVINO on the CPU; see `CompiledModel`."""
    return lambda graph: CompiledModel(ov.Core(), graph, precision)


def on_torch(device: Literal["cpu", "cuda"]) -> Runtime:
    """Return torch on a device, in batches if the graph takes them: an operator's file may insist on one input."""

    def prepared(graph: ov.Model) -> Runner:
        from mosaicast.adapters.models.torch_runtime import RECORDED, TorchModel, batches_agree, blank_of

        model = TorchModel(graph, device)
        model.in_batches = batches_agree(model, graph)
        model.record(blank_of(graph), RECORDED if model.in_batches else (1,))
        return model

    return prepared
