"""Making the detector that the settings name. Each model's library is imported only when it is chosen."""

from pathlib import Path
from typing import Literal

from mosaicast.adapters.detectors.pictures import WIDTH
from mosaicast.adapters.detectors.port import Detector
from mosaicast.adapters.models import load, require
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.adapters.models.torch_device import Device

ModelName = Literal["centerface", "mtcnn", "ultralytics"]


def make_detector(
    model: ModelName, *, weights: Path | None = None, width: int = WIDTH, device: Device = "auto"
) -> Detector:
    """Return a detector for the calling thread.

    Args:
        width: how large it looks at pictures; see `pictures.WIDTH`.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    if model == "mtcnn":
        from mosaicast.adapters.detectors.mtcnn import Mtcnn

        return Mtcnn(width, device)
    if model == "ultralytics":
        from mosaicast.adapters.detectors.ultralytics_yolo import UltralyticsYolo

        return UltralyticsYolo(weights, width, device)
    if device == "cuda":
        raise ModelUnavailableError("centerface runs on the CPU; for CUDA choose mtcnn or ultralytics")
    from mosaicast.adapters.detectors.centerface import CenterFace

    require(load().get("centerface"), Path())
    return CenterFace(width)
