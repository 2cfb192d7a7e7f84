"""CenterFace in torch, for GPUs: the same file as on the CPU, many pictures a run."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.detectors.centerface import MODEL, faces_at
from mosaicast.adapters.detectors.pictures import alike, fit, inside, target_size
from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.models import NetworkProfile, profile_of
from mosaicast.adapters.models.errors import InferenceError
from mosaicast.adapters.models.openvino_runtime import read_model
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.torch_runtime import RECORDED, TorchModel
from mosaicast.imaging.types import Picture
from mosaicast.pipeline.ports import Over

_USUAL_HW = ((720, 1280), (1280, 720))
"""Pictures whose runs a GPU records at the start; streams of other shapes work all the same, and cost Python's time."""


class CenterFaceTorch:
    """`CenterFace` in float32 on a GPU: its boxes are those of the CPU within a pixel.

    Args:
        width_16x9: how large it looks at pictures; see `width.WIDTH`.
        network: other weights of the same architecture; by default the model `centerface`.
        over: does what a CPU does for each picture (scaling it before the run), in threads perhaps.

    Raises:
        ModelUnavailableError, ModelBrokenError: the weights are missing or other ones.
    """

    def __init__(
        self,
        width_16x9: int = WIDTH,
        device: Literal["cpu", "cuda"] = "cuda",
        *,
        network: NetworkProfile | None = None,
        over: Over = map,
    ) -> None:
        network = network or profile_of(MODEL)
        self.name = network.label
        self._width, self._over = width_16x9, over
        self._threshold = 1.0
        self._model = TorchModel(read_model(ov.Core(), network.path), device, _prepared, self._candidates)
        for height, width in _USUAL_HW:
            fitted = fit(np.zeros((height, width, 3), np.uint8), width_16x9)
            if fitted is not None:
                self._model.record(fitted.canvas, RECORDED)
        # What is missing or broken must show at the start, not at the first frame.
        self.detect([np.zeros((720, 1280, 3), np.uint8)], 1.0)

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return self._model.placement

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture."""
        return target_size(width, height, self._width)

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first; see the port.

        Raises:
            InferenceError: torch failed, or gave NaN.
        """
        fitted = list(self._over(partial(fit, width_16x9=self._width), batch))
        found: list[list[RawFace]] = [[] for _ in batch]
        for places, canvases in alike(fitted):
            for place, faces in zip(places, self._run(canvases, threshold), strict=True):
                found[place] = inside(faces, fitted[place], batch[place].shape)
        return found

    def _run(self, canvases: list[Picture], threshold: float) -> list[list[RawFace]]:
        self._threshold = threshold
        found, finite = self._model.run(canvases)
        if not finite.all():
            raise InferenceError("the heat map is not finite")
        pictures, rows, columns = found[:3].astype(np.int64)
        faces = []
        for place in range(len(canvases)):
            own = pictures == place
            heat, size, offset, marks = np.split(found[3:, own], [1, 3, 5])
            faces.append(faces_at(rows[own], columns[own], (heat, size, offset, marks)))
        return faces

    def _candidates(self, maps: list[Any]) -> list[Any]:
        """Keep of the maps what is at the faces: all of them would take longer to fetch than the network runs.

        Returns:
            [3 + 15, n]: of each face its picture's place, row and column, then what the maps hold there (whole numbers
            up to 2^24 are exact in float32); and for each picture whether its heat is finite.
        """
        import torch

        heat, size, offset, marks = maps
        pictures, _, rows, columns = torch.nonzero(heat >= self._threshold, as_tuple=True)
        held = torch.cat([heat, size, offset, marks], 1)[pictures, :, rows, columns].T
        return [
            torch.cat([torch.stack([pictures, rows, columns]).float(), held]),
            torch.isfinite(heat).flatten(1).all(dim=1),
        ]


def _prepared(canvases: Any) -> Any:
    """Turn uint8 [n, h, w, 3] BGR into what the network takes: float32 [n, 3, h, w] RGB, pixels as they are."""
    return canvases.flip(3).permute(0, 3, 1, 2).float().contiguous()
