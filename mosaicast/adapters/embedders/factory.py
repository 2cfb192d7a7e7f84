"""Making the embedder that the settings name."""

from pathlib import Path

from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import MODEL as FACENET_CASIA
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.embedders.facenet_torch import FacenetTorch
from mosaicast.adapters.embedders.port import Embedder
from mosaicast.adapters.models import load, require
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.adapters.models.openvino_runtime import Precision
from mosaicast.adapters.models.torch_device import Device, pick_device


def make_embedder(
    name: str, *, cache_dir: Path, models_dir: Path, precision: Precision = "f32", device: Device = "cpu"
) -> Embedder:
    """Return an embedder for the calling thread, its files held against their checksums first.

    Args:
        name: as in the list of models, or as an embedder's own `name`.
        cache_dir: where rebuilt graphs are kept.
        models_dir: where downloads and operators' files lie.
        precision: see `CompiledModel`.
        device: where FaceNet runs, the others run on the CPU; `auto` is CUDA where torch and a GPU are.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    model = load().get(name.replace("_", "-"), "embedder")
    if model.name == FACENET_CASIA:
        return _facenet(precision, device)
    if model.alignment == "arcface_5":
        return ArcFace(model, models_dir, precision)
    if model.format == "dlib":
        weights = require(model, models_dir)[0]
        return DlibResnet(cache_dir, precision, weights=weights, name=model.name.replace("-", "_"))
    raise ModelUnavailableError(f"{model.name} can be downloaded, but nothing here runs it yet")


def _facenet(precision: Precision, device: Device) -> Embedder:
    if device == "auto":
        try:
            device = pick_device("auto", FACENET_CASIA)
        except ModelUnavailableError:  # no torch
            device = "cpu"
    # On a CPU OpenVINO is twice as quick as torch.
    return FacenetCasia(precision) if device == "cpu" else FacenetTorch(device)
