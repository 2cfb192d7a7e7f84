"""FaceNet 20180408 in torch, for GPUs: facenet-pytorch's architecture with the weights of the frozen graph.

The vectors are those of `FacenetCasia`, to a cosine of 0.9999: both have one name and version, and share templates.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.embedders.aligned import input_format
from mosaicast.adapters.embedders.facenet import DIMENSION, MODEL
from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.models import NetworkProfile, profile_of
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError
from mosaicast.adapters.models.openvino_runtime import read_model
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.torch_device import Device, extra_missing, pick_device
from mosaicast.imaging.types import Picture

if TYPE_CHECKING:
    from torch import Tensor, nn

Weights = NDArray[np.float32]


class FacenetTorch:
    """`FacenetCasia` in torch: several faces at once, on CUDA if there is one.

    Raises:
        ModelUnavailableError: the extra `gpu` or the file with the weights is missing, or there is no such device.
        ModelBrokenError: the weights are other ones.
    """

    dimension = DIMENSION
    in_batches = True

    def __init__(self, device: Device = "auto", *, network: NetworkProfile | None = None) -> None:
        self._device = pick_device(device, MODEL)
        network = network or profile_of(MODEL)
        self.name, self.version = network.label, network.version
        self._format = input_format(network, "NCHW")
        self._network = _network(read_model(ov.Core(), network.path)).to(self._device)

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return Placement("torch", self._device, "f32")

    def align(self, face: Face) -> Picture | None:
        """Return the chip that the network looks at, or None."""
        return self._format.align(face)

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return one vector of length 1 for each face, [n, 512]; zeros where the landmarks span no face.

        Raises:
            InferenceError: torch failed, or gave NaN.
        """
        vectors = np.zeros((len(faces), DIMENSION), np.float32)
        chips = [(row, chip) for row, chip in enumerate(map(self.align, faces)) if chip is not None]
        if chips:
            vectors[[row for row, _ in chips]] = self._embed([chip for _, chip in chips])
        return vectors

    def embed_chip(self, chip: Picture) -> NDArray[np.float32]:
        """Return the vector of one aligned chip, uint8 [160, 160, 3] BGR.

        Raises:
            InferenceError: torch failed, or gave NaN or nothing but zeros.
        """
        vector: NDArray[np.float32] = self._embed([chip])[0]
        return vector

    def _embed(self, chips: Sequence[Picture]) -> Weights:
        import torch

        blob = torch.from_numpy(np.concatenate([self._format.blob(chip) for chip in chips]))
        try:
            # Without TF32, in which a GPU's vectors would not be those of a CPU.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                vectors = self._network(blob.to(self._device)).cpu().numpy().astype(np.float32)
        except RuntimeError as exc:
            raise InferenceError("torch failed on a batch of faces") from exc
        # It comes with a length of 1; one that does not is none.
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
            raise InferenceError("the vector is not finite")
        return np.asarray(vectors, np.float32)


def _network(graph: ov.Model) -> "nn.Module":
    """Return the architecture with a frozen graph's weights.

    Raises:
        ModelUnavailableError: the library is not installed.
        ModelBrokenError: the graph is of another architecture.
    """
    import torch

    try:
        from facenet_pytorch import InceptionResnetV1
    except ImportError as exc:
        raise extra_missing(MODEL) from exc
    network = InceptionResnetV1(pretrained=None, classify=False)
    try:
        with torch.no_grad():
            _fill(network, graph)
    except (RuntimeError, ValueError, StopIteration) as exc:
        raise ModelBrokenError("the frozen graph is of another architecture than facenet-pytorch's") from exc
    return network.eval()


def _fill(network: "nn.Module", graph: ov.Model) -> None:
    """Give a network the weights of a graph whose batch normalisation has been folded into its convolutions."""
    import torch

    kernels = _kernels(graph)
    modules = dict(network.named_modules())
    for name, module in modules.items():
        if not isinstance(module, torch.nn.Conv2d):
            continue
        kernel, bias = next(kernels)
        _copy(module.weight, kernel)
        if module.bias is not None:
            _copy(module.bias, bias)
        else:
            _pass_on(modules[name.removesuffix("conv") + "bn"], bias)
    if next(kernels, None) is not None:
        raise ValueError("more convolutions than places")
    bottleneck, mean, deviation, offset = _bottleneck(graph)
    _copy(modules["last_linear"].weight, bottleneck.T)
    _pass_on(modules["last_bn"], offset)
    _copy(modules["last_bn"].running_mean, mean)
    _copy(modules["last_bn"].weight, 1.0 / deviation)


def _copy(target: "Tensor", values: Weights) -> None:
    import torch

    if tuple(target.shape) != values.shape:
        raise ValueError("another shape")
    target.copy_(torch.from_numpy(np.array(values, np.float32)))


def _pass_on(normalisation: "nn.Module", offset: Weights) -> None:
    """Make a batch normalisation add `offset` and nothing else."""
    normalisation.weight.fill_(1.0)
    normalisation.running_mean.zero_()
    normalisation.running_var.fill_(1.0 - normalisation.eps)
    _copy(normalisation.bias, offset)


def _kernels(graph: ov.Model) -> Iterator[tuple[Weights, Weights]]:
    """Yield each convolution's kernel and bias, branches in the order in which they are joined: the library's, too."""
    done: set[str] = set()
    waiting = [(graph.get_result(), False)]
    while waiting:
        node, inputs_done = waiting.pop()
        name = node.get_friendly_name()
        if inputs_done:
            if node.get_type_name() == "Convolution":
                (user,) = (port.get_node() for port in node.output(0).get_target_inputs())
                yield _constant(node), _constant(user).reshape(-1)
        elif name not in done:
            done.add(name)
            waiting.append((node, True))
            waiting += [(port.get_source_output().get_node(), False) for port in reversed(node.inputs())]


def _bottleneck(graph: ov.Model) -> tuple[Weights, Weights, Weights, Weights]:
    """Return the last layer's weights, and mean, deviation and offset of its normalisation."""
    ordered = graph.get_ordered_ops()
    place, last = next((place, node) for place, node in enumerate(ordered) if node.get_type_name() == "MatMul")
    after = {node.get_type_name(): node for node in reversed(ordered[place:])}
    mean, deviation, offset = (_constant(after[kind]).reshape(-1) for kind in ("Subtract", "Divide", "Add"))
    return _constant(last), mean, deviation, offset


def _constant(node: ov.Node) -> Weights:
    """Return the one constant that a node takes."""
    sources = [port.get_source_output().get_node() for port in node.inputs()]
    (found,) = (source for source in sources if source.get_type_name() == "Constant")
    return np.asarray(found.get_data(), np.float32)
