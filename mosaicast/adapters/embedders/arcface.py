"""Networks of the ArcFace family (112 x 112, aligned by five landmarks) as ONNX files, run by OpenVINO.

The operator's own file, or OpenCV's SFace; what each wants to be shown stands in the list of models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.embedders.aligned import compile_embedder, input_format
from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.model_errors import ModelBrokenError
from mosaicast.adapters.models import Model, require
from mosaicast.adapters.models.files import digest
from mosaicast.adapters.openvino_runtime import Precision, read_model
from mosaicast.imaging.crops import Picture

FORMAT_VERSION = 1
"""Raise it when what the networks are shown changes: it is in `version`."""


class ArcFace:
    """One network of the family. Its dimension is read from the file; `version` begins with the file's SHA-256.

    Args:
        model: the entry of the list.
        models_dir: where its file lies.
        precision: see `CompiledModel`. f32 on purpose, as for dlib's: machines with and without bf16 would disagree.

    Raises:
        ModelUnavailableError: the file is not there.
        ModelBrokenError: it has the wrong checksum, or is no network of this family.
    """

    in_batches = False

    def __init__(self, model: Model, models_dir: Path, precision: Precision = "f32") -> None:
        path = require(model, models_dir)[0]
        self.name = model.name.replace("-", "_")
        self.version = f"{digest(path)[:12]}.{FORMAT_VERSION}"
        core = ov.Core()
        graph = read_model(core, path)
        form = input_format(model, _layout(graph))
        self._network = compile_embedder(core, graph, form, model.dimension, precision)
        self.dimension = self._network.dimension

    @property
    def precision(self) -> str:
        """What the runtime computes in."""
        return self._network.precision

    def align(self, face: Face) -> Picture | None:
        """Return the chip that the network looks at, or None."""
        return self._network.format.align(face)

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return one vector of length 1 for each face, [n, dimension]; zeros where the landmarks span no face.

        Raises:
            InferenceError: the runtime failed, or gave NaN.
        """
        return self._network.embed(faces)

    def embed_chip(self, chip: Picture) -> NDArray[np.float32]:
        """Return the vector of one aligned chip, uint8 [112, 112, 3] BGR.

        Raises:
            InferenceError: the runtime failed, or gave NaN or nothing but zeros.
        """
        return self._network.embed_chip(chip)


def _layout(graph: ov.Model) -> Literal["NHWC", "NCHW"]:
    """Return where the graph has its three colours: ONNX made from TensorFlow has them last."""
    shape = graph.inputs[0].partial_shape if len(graph.inputs) == 1 else ov.PartialShape.dynamic()
    if shape.rank.is_dynamic or len(shape) != 4 or graph.inputs[0].element_type != ov.Type.f32:
        raise ModelBrokenError("the file is another network: it does not take one float32 picture")
    last = shape[3].is_static and shape[3].get_length() == 3
    return "NHWC" if last else "NCHW"
