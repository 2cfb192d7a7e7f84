"""FaceNet 20180408 (Inception-ResNet v1 trained on CASIA-WebFace, 512 numbers) as a frozen graph.

The second opinion: another architecture, trained on another collection of faces than dlib's network.
"""

import openvino as ov

from mosaicast.adapters.embedders.aligned import ChipEmbedder, compile_graph, input_format
from mosaicast.adapters.embedders.port import FACENET_CASIA
from mosaicast.adapters.models import NetworkProfile, profile_of
from mosaicast.adapters.models.openvino_runtime import read_model
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.runtime import Runtime, on_cpu

MODEL = FACENET_CASIA
DIMENSION = 512


class FacenetCasia(ChipEmbedder):
    """The embedder that is asked when dlib's says yes. About 35 ms a face on one core.

    It is shown the whole head upright, as in the detector's square box grown by 1.1, and fixed numbers, not ones
    whitened by each picture's own mean and spread: with both, people are told apart better.

    Args:
        precision: see `CompiledModel`. f32 on purpose, as for dlib's: machines with and without bf16 would disagree.
        network: other weights of the same architecture; by default the model `facenet-casia`.
        runtime: what runs it; by default OpenVINO on the CPU, in that precision.

    Raises:
        ModelUnavailableError, ModelBrokenError: the weights are missing or other ones.
    """

    def __init__(
        self, precision: Precision = "f32", *, network: NetworkProfile | None = None, runtime: Runtime | None = None
    ) -> None:
        network = network or profile_of(MODEL)
        form = input_format(network, "NHWC")
        graph = read_model(ov.Core(), network.path)
        runner, dimension = compile_graph(graph, form, DIMENSION, runtime or on_cpu(precision))
        super().__init__(network, runner, form.align, form.blob, dimension)
