"""Making the detector that the settings name. Each model's library is imported only when it is chosen."""

from pathlib import Path
from typing import Literal

from mosaicast.adapters.detectors.port import Detector
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.torch_device import Device, choose_device
from mosaicast.pipeline.ports import Over

ModelName = Literal["centerface", "mtcnn", "ultralytics"]
ENROLLING: ModelName = "centerface"
"""The detector that photos are enrolled with, whichever looks at streams."""


def make_detector(  # noqa: PLR0913 - what the settings say of it
    model: ModelName,
    *,
    weights: Path | None = None,
    width: int = WIDTH,
    device: Device = "cpu",
    precision: Precision = "auto",
    over: Over = map,
) -> Detector:
    """Return a detector for the calling thread.

    Args:
        width: how large it looks at pictures; see `width.WIDTH`.
        device: where it runs; `auto` is CUDA where torch and a GPU are.
        precision: of CenterFace on a CPU; the others compute in float32, and a GPU does.
        over: does what a CPU does for each picture of a batch on a GPU, in threads perhaps.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    if model == "mtcnn":
        from mosaicast.adapters.detectors.mtcnn import Mtcnn

        return Mtcnn(width, device)
    if model == "ultralytics":
        from mosaicast.adapters.detectors.ultralytics_yolo import UltralyticsYolo

        return UltralyticsYolo(weights, width, device)
    if choose_device(device, model) == "cuda":
        from mosaicast.adapters.detectors.centerface_torch import CenterFaceTorch

        return CenterFaceTorch(width, "cuda", over=over)
    from mosaicast.adapters.detectors.centerface import CenterFace

    return CenterFace(width, precision)


def enroll_score() -> float:
    """Return the lowest score of a face to enroll with, of the detector that enrolls.

    Un-masking wants certainty, so it is far above the one that masks. The faces of 140 reference photos (75 of Korean
    public figures, the Johns of dlib, the clips' people) score 0.79 and more.
    """
    return load().get(ENROLLING).thresholds["enrol"]


def mask_score() -> float:
    """Return the lowest score of a face that is masked, of the detector that enrolls: it sees whoever is in a video."""
    return load().get(ENROLLING).thresholds["mask"]


def require_detector(model: ModelName, weights: Path | None = None) -> NetworkProfile:
    """Return the profile of the detector that the settings name, its files held against their checksums.

    Raises:
        ModelUnavailableError, ModelBrokenError: it cannot be had here; the text says what to do.
    """
    if model == "ultralytics":
        from mosaicast.adapters.detectors.ultralytics_yolo import of_file

        return of_file(weights)
    return profile_of(model)
