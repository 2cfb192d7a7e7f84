"""A graph of OpenVINO run by torch: on a GPU the same network and the same weights as on a CPU (docs/adr/0018).

OpenVINO reads every format that we have (ONNX, frozen graphs, dlib's own) into one kind of graph; this module runs
that graph. What it computes is float32 without TF32, so that boxes and vectors are those of a CPU.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.torch_operations import OPERATIONS, Operation

_AGREES = 1e-3
"""Of the largest number: more than float32 loses when a library takes another way for another batch size."""

RECORDED = (1, 2, 4, 8, 16, 32)
"""Sizes of batches whose run is recorded on a GPU; others are filled up to the next of them."""

Prepare = Callable[[torch.Tensor], torch.Tensor]
Finish = Callable[[list[torch.Tensor]], list[torch.Tensor]]
Batch = NDArray[Any] | Sequence[NDArray[Any]]
"""[n, ...], or n of [...]: no copy is made to put them together."""

_recording = threading.Lock()
"""The GPU is asked to wait for all its work before a run is recorded, which no other recording may see."""


class _Recording(NamedTuple):
    """A run of one size on the GPU: hundreds of operations that are started as one."""

    given: torch.Tensor
    graph: torch.cuda.CUDAGraph
    outputs: list[torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation of the graph. Tensors lie in numbered places."""

    run: Callable[..., Any]
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    """A place for each output."""
    last_use: tuple[int, ...]
    """Places that nobody reads after it: a batch of large pictures would not fit into memory otherwise."""


class TorchModel:
    """One graph on one device. Belongs to one thread; several may share a GPU, each with a stream of its own.

    Args:
        prepare: done to the input on the device first; its result is what the graph takes.
        finish: done to the outputs there; its results are what `run` returns.

    Raises:
        ModelUnavailableError: the graph has an operation that is not known here.
        ModelBrokenError: the graph has not one input.
    """

    def __init__(
        self,
        graph: ov.Model,
        device: Literal["cpu", "cuda"],
        prepare: Prepare | None = None,
        finish: Finish | None = None,
    ) -> None:
        self._device = device
        self._prepare, self._finish = prepare, finish
        self._recordings: dict[tuple[int, ...], _Recording] = {}
        self._pool: Any = None
        self._steps, self._constants, self._input, self._outputs = _read(graph, device)
        self._stream = torch.cuda.Stream() if device == "cuda" else None
        self.in_batches = True
        _without_tf32()

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement("torch", self._device, self.precision)

    @property
    def precision(self) -> str:
        """What it computes in."""
        return "f32"

    def run(self, value: Batch) -> list[NDArray[np.float32]]:
        """Return the outputs for one batch, in the graph's order. They are copies.

        Raises:
            InferenceError: torch failed.
        """
        parts = [value] if self.in_batches else [value[place : place + 1] for place in range(len(value))]
        try:
            found = [self._run(part) for part in parts]
        except (IndexError, RuntimeError, TypeError, ValueError) as exc:  # no memory on the device is a RuntimeError
            raise InferenceError("torch failed on a batch") from exc
        return found[0] if len(found) == 1 else [np.concatenate(outputs) for outputs in zip(*found, strict=True)]

    def record(self, blank: NDArray[Any], sizes: Sequence[int]) -> None:
        """Make runs of these sizes cheap to start: Python would ask a GPU for hundreds of operations, one by one.

        A graph that can't be recorded runs as it did. Nothing is recorded later: it stops everybody for a moment.

        Args:
            blank: one input without its batch's axis, zeros perhaps.
        """
        if self._device == "cpu":
            return
        with _recording, torch.inference_mode():
            for size in sizes:
                given = torch.from_numpy(np.stack([blank] * size)).to(self._device)
                try:
                    self._recordings[tuple(given.shape)] = self._recorded(given)
                except RuntimeError:
                    self._stream = torch.cuda.Stream()  # what was begun on the other one is void
                    return

    def _recorded(self, given: torch.Tensor) -> _Recording:
        torch.cuda.synchronize()
        with self._on_its_stream():
            for _ in range(2):  # libraries make themselves ready at their first use, which can't be recorded
                self._compute(given)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            outputs = self._compute(given)
        self._pool = graph.pool()  # shared: what a run gave is copied away before the next one begins
        return _Recording(given, graph, outputs)

    def _run(self, value: Batch) -> list[NDArray[np.float32]]:
        with torch.inference_mode(), self._on_its_stream():
            outputs = self._replayed(value)
            if outputs is None:
                outputs = self._compute(_together(value).to(self._device))
            finished = self._finish(outputs) if self._finish else outputs
            return [output.float().cpu().numpy() for output in finished]

    def _replayed(self, value: Batch) -> list[torch.Tensor] | None:
        """Return the outputs of a recorded run; None: there is none for this size."""
        count, shape = len(value), value[0].shape
        size = next((size for size in RECORDED if size >= count), 0)
        recording = self._recordings.get((size, *shape))
        if recording is None:
            return None
        for place, one in enumerate(value if not isinstance(value, np.ndarray) else ()):
            recording.given[place].copy_(torch.from_numpy(one))
        if isinstance(value, np.ndarray):
            recording.given[:count].copy_(_together(value))
        recording.graph.replay()
        return [output[:count] for output in recording.outputs]

    def _compute(self, given: torch.Tensor) -> list[torch.Tensor]:
        return self._forward(self._prepare(given) if self._prepare else given)

    def _on_its_stream(self) -> contextlib.AbstractContextManager[Any]:
        return torch.cuda.stream(self._stream) if self._stream is not None else contextlib.nullcontext()

    def _forward(self, given: torch.Tensor) -> list[torch.Tensor]:
        places = dict(self._constants)
        places[self._input] = given
        for step in self._steps:
            found = step.run(*[places[place] for place in step.takes])
            places.update(zip(step.gives, found if isinstance(found, tuple) else (found,), strict=False))
            for place in step.last_use:
                places.pop(place, None)
        return [places[place] for place in self._outputs]


def blank_of(graph: ov.Model) -> NDArray[Any]:
    """Return one input of a graph without its batch's axis, all zeros; its size is fixed."""
    given = graph.inputs[0]
    sides = [side.get_length() for side in list(given.partial_shape)[1:]]
    return np.zeros(sides, np.uint8 if given.element_type == ov.Type.u8 else np.float32)


def batches_agree(model: TorchModel, graph: ov.Model) -> bool:
    """Whether a graph gives for two inputs at once what it gives for each alone.

    Args:
        graph: its input's size is fixed; how many there are is not looked at.

    Raises:
        ModelBrokenError: torch does not run it at all.
    """
    blank, random = blank_of(graph), np.random.default_rng(0)
    if blank.dtype == np.uint8:
        pair: NDArray[Any] = random.integers(0, 256, (2, *blank.shape), np.uint8)
    else:
        pair = random.uniform(-1.0, 1.0, (2, *blank.shape)).astype(np.float32)
    try:
        apart = [np.concatenate(outputs) for outputs in zip(model.run(pair[:1]), model.run(pair[1:]), strict=True)]
    except InferenceError as exc:
        raise ModelBrokenError("torch does not run the graph") from exc
    try:
        together = model.run(pair)
    except InferenceError:
        return False
    return all(_alike(one, other) for one, other in zip(together, apart, strict=True))


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _AGREES * np.abs(other).max())


def _together(value: Batch) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(value if isinstance(value, np.ndarray) else np.stack(value)))


def _without_tf32() -> None:
    """Compute in float32 as a CPU does. For the whole process: several threads would undo each other's changes."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


# --- reading a graph ------------------------------------------------------------------------------------------------

Output = tuple[str, int]
"""A node's name, which is its own in a graph, and the number of one of its outputs."""


def _read(graph: ov.Model, device: str) -> tuple[list[_Step], dict[int, torch.Tensor], int, list[int]]:
    """Return the steps in order, the constants, and the places of the input and the outputs."""
    if len(graph.inputs) != 1:
        raise ModelBrokenError("the file is another network: it does not take one input")
    nodes = list(graph.get_ordered_ops())
    _refuse_unknown(nodes)
    places: dict[Output, int] = {}
    constants: dict[int, torch.Tensor] = {}
    steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = []
    for node in nodes:
        given = [places.setdefault((node.get_name(), number), len(places)) for number in range(len(node.outputs()))]
        kind = node.get_type_name()
        if kind == "Constant":
            constants[given[0]] = _tensor(node, device)
        elif kind not in {"Parameter", "Result"}:
            steps.append((_bound(OPERATIONS[kind], node), tuple(_taken(node, places)), tuple(given)))
    outputs = [place for result in graph.get_results() for place in _taken(result, places)]
    taken = places[graph.inputs[0].get_node().get_name(), 0]
    return _with_last_uses(steps, {*constants, *outputs}), constants, taken, outputs


def _refuse_unknown(nodes: Iterable[Any]) -> None:
    kinds = {node.get_type_name() for node in nodes}
    if unknown := sorted(kinds - OPERATIONS.keys() - {"Constant", "Parameter", "Result"}):
        raise ModelUnavailableError(
            f"torch can't run this network here: its operations {', '.join(unknown)} are not known; run it on the CPU"
        )


def _bound(operation: Operation, node: Any) -> Callable[..., Any]:
    attributes = dict(node.get_attributes())
    if node.get_type_name() == "Reshape" and _keeps_one(node):
        # A graph that was written for one input says "1, rest"; "as many as there are, rest" is the same for one.
        return lambda x, shape: operation(
            attributes | {"special_zero": True}, x, shape * torch.arange(len(shape)).ne(0)
        )
    return lambda *tensors: operation(attributes, *tensors)


def _keeps_one(node: Any) -> bool:
    """Whether the first side of what is reshaped is 1, and is to be 1."""
    shapes = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
    if any(shape.rank.is_dynamic or not len(shape) or shape[0] != ov.Dimension(1) for shape in shapes):
        return False
    wanted = node.input(1).get_source_output().get_node()
    return bool(wanted.get_type_name() == "Constant" and wanted.get_data().reshape(-1)[0] == 1)


def _taken(node: Any, places: dict[Output, int]) -> Iterator[int]:
    for port in node.inputs():
        source = port.get_source_output()
        yield places[source.get_node().get_name(), source.get_index()]


def _with_last_uses(
    steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]], kept: set[int]
) -> list[_Step]:
    """Say with each step which places nobody reads after it."""
    seen, found = set(kept), []
    for run, takes, gives in reversed(steps):
        last = {*takes, *gives} - seen
        seen |= last
        found.append(_Step(run, takes, gives, tuple(sorted(last))))
    return found[::-1]


def _tensor(node: Any, device: str) -> torch.Tensor:
    """Return a constant: a network's numbers on its device; sizes, axes and single numbers where Python reads them."""
    tensor = torch.from_numpy(np.array(node.get_data()))
    return tensor.to(device) if tensor.is_floating_point() and tensor.dim() > 0 else tensor
