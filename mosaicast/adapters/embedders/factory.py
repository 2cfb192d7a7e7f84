"""Making the embedder that the settings name. Each network's library is imported only when it is chosen."""

from pathlib import Path
from typing import TYPE_CHECKING

from mosaicast.adapters.embedders.port import FACENET_CASIA, Embedder
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.torch_device import Device, choose_device

if TYPE_CHECKING:
    from mosaicast.adapters.models.runtime import Runtime  # its library is loaded with a network


def make_embedder(
    name: str, *, models_dir: Path, precision: Precision | None = None, device: Device = "cpu"
) -> Embedder:
    """Return an embedder for the calling thread, its files held against their checksums first.

    Args:
        name: as in the list of models, or as an embedder's own `name`.
        models_dir: where downloads and operators' files lie.
        precision: see `CompiledModel`; None: what the list says.
        device: where it runs; `auto` is CUDA where torch and a GPU are, and torch knows all that the network does.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    model = load().get(name, "embedder")
    if model.name != FACENET_CASIA and model.alignment != "arcface_5" and model.format != "dlib":
        raise ModelUnavailableError(f"{model.name} can be downloaded, but nothing here runs it yet")
    from mosaicast.adapters.models.runtime import on_cpu, on_torch

    network = profile_of(model, models_dir)
    here = on_cpu(precision or network.precision)
    if choose_device(device, network.name) == "cpu":
        return _made(network, here)  # where it is twice as quick as torch
    try:
        return _made(network, on_torch("cuda"))
    except ModelUnavailableError:  # an operator's file may have what torch is not taught here
        if device == "cuda":
            raise
        return _made(network, here)


def _made(network: NetworkProfile, runtime: "Runtime") -> Embedder:
    if network.name == FACENET_CASIA:
        from mosaicast.adapters.embedders.facenet import FacenetCasia

        return FacenetCasia(network=network, runtime=runtime)
    if network.alignment == "arcface_5":
        from mosaicast.adapters.embedders.arcface import ArcFace

        return ArcFace(network, runtime=runtime)
    from mosaicast.adapters.embedders.dlib_resnet import DlibResnet

    return DlibResnet(network=network, runtime=runtime)
