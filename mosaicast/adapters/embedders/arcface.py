"""Networks of the ArcFace family (112 x 112, aligned by five landmarks): ONNX, or TensorFlow Lite.

The two MobileFaceNets, the operator's own file, or OpenCV's SFace; what each wants to be shown stands in the list of
models.
"""

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from mosaicast.adapters.embedders.aligned import ChipEmbedder, compile_graph, input_format
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import ModelBrokenError
from mosaicast.adapters.models.openvino_runtime import read_model
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.registry import Operator
from mosaicast.adapters.models.runtime import Runtime, on_cpu


class ArcFace(ChipEmbedder):
    """One network of the family. Its dimension is read from the file; `version` begins with the file's SHA-256.

    Args:
        network: what the list says of it.
        precision: see `CompiledModel`; by default what the list says.
        runtime: what runs it; by default OpenVINO on the CPU, in that precision.

    Raises:
        ModelBrokenError: the file is no network of this family.
        ModelUnavailableError: it has an operation that torch does not know here.
    """

    def __init__(
        self, network: NetworkProfile, precision: Precision | None = None, *, runtime: Runtime | None = None
    ) -> None:
        graph = read_model(ov.Core(), network.path)
        form = input_format(network, _layout(graph))
        _one_by_one(graph)
        runtime = runtime or on_cpu(precision or network.precision)
        runner, dimension = compile_graph(graph, form, network.dimension, runtime)
        super().__init__(network, runner, form.align, form.blob, dimension)


def from_file(path: Path, hint: str = "check the path", runtime: Runtime | None = None) -> ArcFace:
    """Return the network in a file that lies anywhere, shown what the list's entry `arcface` says.

    Args:
        hint: what to do where the file is not there.
        runtime: what runs it; by default OpenVINO on the CPU.

    Raises:
        ModelUnavailableError: the file is not there, or the runtime does not know one of its operations.
        ModelBrokenError: it has the wrong checksum, or is no network of this family.
    """
    own = msgspec.structs.replace(load().get("arcface"), source=Operator(path.name, hint))
    return ArcFace(profile_of(own, path.parent), runtime=runtime)


def _layout(graph: ov.Model) -> Literal["NHWC", "NCHW"]:
    """Return where the graph has its three colours: ONNX made from TensorFlow has them last."""
    shape = graph.inputs[0].partial_shape if len(graph.inputs) == 1 else ov.PartialShape.dynamic()
    if shape.rank.is_dynamic or len(shape) != 4 or graph.inputs[0].element_type != ov.Type.f32:
        raise ModelBrokenError("the file is another network: it does not take one float32 picture")
    last = shape[3].is_static and shape[3].get_length() == 3
    return "NHWC" if last else "NCHW"


def _one_by_one(graph: ov.Model) -> None:
    """Let a graph that was written for several faces at once (MobileFaceNet-192 for two) take any number of them.

    Such a number stands in its input, and where it puts its vectors into their shape: [2, 192].
    """
    shape = graph.inputs[0].partial_shape
    if shape[0].is_dynamic or shape[0].get_length() == 1:
        return
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "Reshape":
            continue
        wanted = node.input(1).get_source_output().get_node()
        sides = wanted.get_data().reshape(-1) if wanted.get_type_name() == "Constant" else np.empty(0, np.int64)
        if len(sides) and sides[0] == shape[0].get_length() and -1 not in sides:
            anyhow = ops.constant(np.array([-1, *sides[1:]], np.int64))
            node.input(1).replace_source_output(anyhow.output(0))
    shape[0] = ov.Dimension()
    graph.reshape(shape)
