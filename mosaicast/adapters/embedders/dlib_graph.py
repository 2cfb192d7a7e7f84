"""dlib's face recognition ResNet as a graph of OpenVINO.

Rebuilt from the network's public definition (`anet_type` in dlib's dnn_face_recognition_ex.cpp, Boost licence). Two of
dlib's habits are written out here: convolutions and poolings of stride 2 pad nothing, and `add_prev` fills the smaller
of its two inputs with zeros, in channels and at the right and lower edge.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from mosaicast.adapters.embedders.dlib_weights import Convolution, ResnetWeights
from mosaicast.adapters.models.errors import ModelBrokenError

SIDE = 150
"""Chips are 150 x 150: dlib's `input_rgb_image_sized<150>`."""
DIMENSION = 128
_MEAN_BGR = (104.298, 117.001, 122.782)
"""dlib's `input_rgb_image` subtracts these and divides by 256."""

_BLOCKS = (
    (32, False), (32, False), (32, False),
    (64, True), (64, False), (64, False), (64, False),
    (128, True), (128, False), (128, False),
    (256, True), (256, False), (256, False), (256, True),
)  # fmt: skip
"""Each residual block from the input on: its filters, and whether it halves the picture."""


def build(weights: ResnetWeights) -> ov.Model:
    """Return the graph: one chip, uint8 [1, 150, 150, 3] BGR in, its vector, float32 [1, 128] out, not normalised.

    Raises:
        ModelBrokenError: the weights do not have this network's shapes.
    """
    _check(weights)
    chip = ops.parameter([1, SIDE, SIDE, 3], ov.Type.u8, name="chip")
    graph = _Graph(weights, chip)
    for filters, halves in _BLOCKS:
        graph.residual(filters, halves=halves)
    return ov.Model([graph.vector()], [chip], "dlib_resnet")


def _check(weights: ResnetWeights) -> None:
    expected = [(32, 7, 2, 0)]
    for filters, halves in _BLOCKS:
        expected += [(filters, 3, 2, 0) if halves else (filters, 3, 1, 1), (filters, 3, 1, 1)]
    found = [(len(c.bias), c.filters.shape[2], c.stride, c.padding) for c in weights.convolutions]
    if found != expected or weights.projection.shape != (256, DIMENSION):
        raise ModelBrokenError("the weights belong to another network")


class _Graph:
    """Grows from the input to the output; `_top` is the newest tensor, `_depth` and `_side` its shape."""

    def __init__(self, weights: ResnetWeights, chip: ov.Node) -> None:
        self._projection = weights.projection
        self._left = iter(weights.convolutions)
        self._top = self._first(self._scaled(chip), next(self._left))
        self._depth, self._side = 32, 35

    def residual(self, filters: int, *, halves: bool) -> None:
        """One block: two convolutions beside a short cut, added, rectified."""
        inner = ops.relu(_convolved(self._top, next(self._left)))
        inner = _convolved(inner, next(self._left))
        past, inner_side, past_side = self._top, self._side, self._side
        if halves:
            past = ops.avg_pool(past, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True)
            inner_side, past_side = (self._side - 3) // 2 + 1, self._side // 2
        side = max(inner_side, past_side)
        inner = _padded(inner, 0, side - inner_side)
        past = _padded(past, filters - self._depth, side - past_side)
        self._top = ops.relu(ops.add(inner, past))
        self._depth, self._side = filters, side

    def vector(self) -> ov.Node:
        """Mean over the picture, then the last matrix."""
        mean = ops.reduce_mean(self._top, np.array([2, 3], np.int64), keep_dims=False)
        return ops.matmul(mean, ops.constant(self._projection), transpose_a=False, transpose_b=False)

    @staticmethod
    def _scaled(chip: ov.Node) -> ov.Node:
        """Numbers from pixels, colours first."""
        pixels = ops.convert(chip, "f32")
        centred = ops.subtract(pixels, ops.constant(np.array(_MEAN_BGR, np.float32)))
        scaled = ops.multiply(centred, ops.constant(np.array(1 / 256, np.float32)))
        return ops.transpose(scaled, np.array([0, 3, 1, 2], np.int64))

    @staticmethod
    def _first(picture: ov.Node, layer: Convolution) -> ov.Node:
        """7x7 convolution and 3x3 maximum, each of stride 2."""
        bgr = Convolution(np.ascontiguousarray(layer.filters[:, ::-1]), layer.bias, layer.stride, layer.padding)
        return ops.max_pool(ops.relu(_convolved(picture, bgr)), [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)


def _convolved(source: ov.Node, layer: Convolution) -> ov.Node:
    padding = [layer.padding] * 2
    filters = ops.constant(np.ascontiguousarray(layer.filters))
    convolved = ops.convolution(source, filters, [layer.stride] * 2, padding, padding, [1, 1])
    return ops.add(convolved, ops.constant(layer.bias.reshape(1, -1, 1, 1)))


def _padded(source: ov.Node, channels: int, edge: int) -> ov.Node:
    if channels == edge == 0:
        return source
    begin, end = (np.array(one, np.int64) for one in ([0, 0, 0, 0], [0, channels, edge, edge]))
    return ops.pad(source, begin, end, "constant", ops.constant(np.float32(0.0)))
