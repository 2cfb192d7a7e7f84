"""dlib's face recognition ResNet (128 numbers, public domain weights), without dlib: the same vectors."""

import numpy as np

from mosaicast.adapters.embedders import dlib_graph, dlib_weights
from mosaicast.adapters.embedders.aligned import ChipEmbedder
from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.models import NetworkProfile, profile_of
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.runtime import Runtime, on_cpu
from mosaicast.imaging.crops import align_by_landmarks
from mosaicast.imaging.types import Picture

MODEL = "dlib-resnet"
TEMPLATE = np.array([(47.5, 46.6), (100.5, 46.6), (74.0, 76.6), (50.4, 103.0), (97.6, 103.0)])
"""Where the five landmarks lie in a chip of dlib, 150 px, padding 0.25 (dlib's mean face shape).

Measured on 221 faces with CenterFace's landmarks: cosine to the vector of dlib's own 68-point chip is 0.9955 in the
median; dlib's own 5-point chip has 0.9975. Whoever changes it, or what `dlib_graph` computes, raises `revision` in the
list of models.
"""


class DlibResnet(ChipEmbedder):
    """The embedder that the gallery's vectors are made with.

    Args:
        precision: see `CompiledModel`. f32 on purpose: bf16 halves the 5 ms, but moves a vector by 0.0001 of cosine on
            faces and 0.0007 on noise (f32: 1e-7), and machines with and without it would disagree.
        network: other weights of the same architecture; by default the model `dlib-resnet`.
        runtime: what runs it; by default OpenVINO on the CPU, in that precision.

    Raises:
        ModelUnavailableError, ModelBrokenError: the weights are missing or other ones.
    """

    def __init__(
        self, precision: Precision = "f32", *, network: NetworkProfile | None = None, runtime: Runtime | None = None
    ) -> None:
        network = network or profile_of(MODEL)
        graph = dlib_graph.build(dlib_weights.parse(network.path.read_bytes()))
        runner = (runtime or on_cpu(precision))(graph)
        super().__init__(network, runner, align, lambda chip: chip[None], dlib_graph.DIMENSION)


def align(face: Face) -> Picture | None:
    """Return the chip that the network looks at, or None."""
    return align_by_landmarks(face.picture, face.landmarks, TEMPLATE, dlib_graph.SIDE)
