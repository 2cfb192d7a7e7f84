"""OpenVINO on a CPU, set up the one way that suits us: one thread, one stream, precision by the runtime's choice."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError
from mosaicast.adapters.models.placement import Placement, Precision


class CompiledModel:
    """One model, compiled for one shape. Belongs to one thread.

    Args:
        model: the graph, its input shape fixed.
        precision: `auto` leaves the choice to the runtime, which knows the CPU (bf16 forced on a CPU without it is
            three times slower than f32).

    Raises:
        ModelBrokenError: the runtime refuses the graph.
    """

    in_batches = False
    """On a CPU a batch gains nothing."""

    def __init__(self, core: ov.Core, model: ov.Model, precision: Precision = "auto") -> None:
        try:
            self._compiled = core.compile_model(model, "CPU", _config(precision))
            self._request = self._compiled.create_infer_request()
        except RuntimeError as exc:
            raise ModelBrokenError("the graph does not compile") from exc

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement("openvino", "cpu", self.precision)

    @property
    def precision(self) -> str:
        """The precision that the runtime runs in: `f32`, `bf16`, `f16`."""
        names = {"float": "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}
        name = str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        return names.get(name, name)

    def run(self, value: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs for one input, in the graph's order. They are copies: the next run does not touch them.

        Raises:
            InferenceError: the runtime failed.
        """
        try:
            self._request.infer({0: ov.Tensor(np.ascontiguousarray(value), shared_memory=True)})
            return [np.array(output.data, np.float32) for output in self._request.output_tensors]
        except RuntimeError as exc:
            raise InferenceError("the runtime failed on one input") from exc


def read_model(core: ov.Core, source: Path | bytes) -> ov.Model:
    """Read an ONNX file or its bytes.

    Raises:
        ModelBrokenError: it is not one.
    """
    try:
        return core.read_model(source) if isinstance(source, bytes) else core.read_model(str(source))
    except RuntimeError as exc:
        raise ModelBrokenError("the file does not read as a graph") from exc


def _config(precision: Precision) -> dict[str, object]:
    # One thread a worker and no pinning: measured, unpinned extra threads cost more than they bring, and pinned ones
    # of several processes meet on the same core.
    config: dict[str, object] = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if precision != "auto":
        config["INFERENCE_PRECISION_HINT"] = precision
    return config
