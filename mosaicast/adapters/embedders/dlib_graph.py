"""dlib's face recognition ResNet as an ONNX graph.

Rebuilt from the network's public definition (`anet_type` in dlib's dnn_face_recognition_ex.cpp, Boost licence). Two of
dlib's habits are written out here: convolutions and poolings of stride 2 pad nothing, and `add_prev` fills the smaller
of its two inputs with zeros, in channels and at the right and lower edge.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mosaicast.adapters.embedders.dlib_weights import Convolution, ResnetWeights
from mosaicast.adapters.models.errors import ModelBrokenError

SIDE = 150
"""Chips are 150 x 150: dlib's `input_rgb_image_sized<150>`."""
DIMENSION = 128
_MEAN_BGR = (104.298, 117.001, 122.782)
"""dlib's `input_rgb_image` subtracts these and divides by 256."""
_OPSET = 13

_BLOCKS = (
    (32, False), (32, False), (32, False),
    (64, True), (64, False), (64, False), (64, False),
    (128, True), (128, False), (128, False),
    (256, True), (256, False), (256, False), (256, True),
)  # fmt: skip
"""Each residual block from the input on: its filters, and whether it halves the picture."""


def build(weights: ResnetWeights) -> bytes:
    """Return the ONNX file: `chips` uint8 [n, 150, 150, 3] BGR in, `vectors` float32 [n, 128] out, not normalised.

    Raises:
        ModelBrokenError: the weights do not have this network's shapes.
    """
    _check(weights)
    graph = _Graph(weights)
    graph.input()
    for filters, halves in _BLOCKS:
        graph.residual(filters, halves=halves)
    graph.output()
    model = graph.finish()
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _check(weights: ResnetWeights) -> None:
    expected = [(32, 7, 2, 0)]
    for filters, halves in _BLOCKS:
        expected += [(filters, 3, 2, 0) if halves else (filters, 3, 1, 1), (filters, 3, 1, 1)]
    found = [(len(c.bias), c.filters.shape[2], c.stride, c.padding) for c in weights.convolutions]
    if found != expected or weights.projection.shape != (256, DIMENSION):
        raise ModelBrokenError("the weights belong to another network")


class _Graph:
    """Grows from the input to the output; `_top` is the newest tensor, `_depth` and `_side` its shape."""

    def __init__(self, weights: ResnetWeights) -> None:
        self._weights = weights
        self._left = iter(weights.convolutions)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._top, self._depth, self._side = "chips", 3, SIDE

    def input(self) -> None:
        """Numbers from pixels, then 7x7 convolution and 3x3 maximum, each of stride 2."""
        pixels = self._add("Cast", [self._top], to=TensorProto.FLOAT)
        centred = self._add("Sub", [pixels, self._constant(np.array(_MEAN_BGR, np.float32))])
        scaled = self._add("Mul", [centred, self._constant(np.array(1 / 256, np.float32))])
        self._top = self._add("Transpose", [scaled], perm=[0, 3, 1, 2])
        first = next(self._left)
        bgr = Convolution(np.ascontiguousarray(first.filters[:, ::-1]), first.bias, first.stride, first.padding)
        self._top = self._add("Relu", [self._convolve(self._top, bgr)])
        self._top = self._add("MaxPool", [self._top], kernel_shape=[3, 3], strides=[2, 2])
        self._depth, self._side = 32, 35

    def residual(self, filters: int, *, halves: bool) -> None:
        """One block: two convolutions beside a short cut, added, rectified."""
        inner = self._add("Relu", [self._convolve(self._top, next(self._left))])
        inner = self._convolve(inner, next(self._left))
        past, inner_side, past_side = self._top, self._side, self._side
        if halves:
            past = self._add("AveragePool", [past], kernel_shape=[2, 2], strides=[2, 2])
            inner_side, past_side = (self._side - 3) // 2 + 1, self._side // 2
        side = max(inner_side, past_side)
        inner = self._padded(inner, 0, side - inner_side)
        past = self._padded(past, filters - self._depth, side - past_side)
        self._top = self._add("Relu", [self._add("Add", [inner, past])])
        self._depth, self._side = filters, side

    def output(self) -> None:
        """Mean over the picture, then the last matrix."""
        mean = self._add("Flatten", [self._add("GlobalAveragePool", [self._top])], axis=1)
        self._nodes.append(helper.make_node("MatMul", [mean, self._constant(self._weights.projection)], ["vectors"]))

    def finish(self) -> onnx.ModelProto:
        """Return the model."""
        chips = helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", SIDE, SIDE, 3])
        vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIMENSION])
        graph = helper.make_graph(self._nodes, "dlib_resnet", [chips], [vectors], self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)

    def _convolve(self, source: str, layer: Convolution) -> str:
        side = layer.filters.shape[2]
        return self._add(
            "Conv",
            [source, self._constant(layer.filters), self._constant(layer.bias)],
            kernel_shape=[side, side],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )

    def _padded(self, source: str, channels: int, edge: int) -> str:
        if channels == edge == 0:
            return source
        return self._add("Pad", [source, self._constant(np.array([0, 0, 0, 0, 0, channels, edge, edge], np.int64))])

    def _add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
