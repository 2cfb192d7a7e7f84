"""Making the embedder that the settings name. Each network's library is imported only when it is chosen."""

from pathlib import Path

from mosaicast.adapters.embedders.port import FACENET_CASIA, Embedder
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.torch_device import Device, pick_device


def make_embedder(name: str, *, models_dir: Path, precision: Precision = "f32", device: Device = "cpu") -> Embedder:
    """Return an embedder for the calling thread, its files held against their checksums first.

    Args:
        name: as in the list of models, or as an embedder's own `name`.
        models_dir: where downloads and operators' files lie.
        precision: see `CompiledModel`.
        device: where FaceNet runs, the others run on the CPU; `auto` is CUDA where torch and a GPU are.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    model = load().get(name, "embedder")
    if model.name != FACENET_CASIA and model.alignment != "arcface_5" and model.format != "dlib":
        raise ModelUnavailableError(f"{model.name} can be downloaded, but nothing here runs it yet")
    network = profile_of(model, models_dir)
    if network.name == FACENET_CASIA:
        return _facenet(network, precision, device)
    if network.alignment == "arcface_5":
        from mosaicast.adapters.embedders.arcface import ArcFace

        return ArcFace(network, precision)
    from mosaicast.adapters.embedders.dlib_resnet import DlibResnet

    return DlibResnet(precision, network=network)


def _facenet(network: NetworkProfile, precision: Precision, device: Device) -> Embedder:
    if device == "auto":
        try:
            device = pick_device("auto", FACENET_CASIA)
        except ModelUnavailableError:  # no torch
            device = "cpu"
    # On a CPU OpenVINO is twice as quick as torch.
    if device == "cpu":
        from mosaicast.adapters.embedders.facenet import FacenetCasia

        return FacenetCasia(precision, network=network)
    from mosaicast.adapters.embedders.facenet_torch import FacenetTorch

    return FacenetTorch(device, network=network)
