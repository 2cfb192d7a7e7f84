"""What FaceNet and the ArcFace family share: align by landmarks, one run of the network, a vector of length 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.model_errors import InferenceError
from mosaicast.adapters.openvino_runtime import CompiledModel
from mosaicast.imaging.crops import Picture, align_by_landmarks


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How a network wants to be shown a face."""

    side: int
    """Pixels; chips are square."""
    template: NDArray[np.float64]
    """[5, 2]: where the landmarks lie in a chip, in pixels."""
    mean: float
    scale: float
    """The network is given (RGB - mean) / scale."""
    layout: Literal["NHWC", "NCHW"]

    def align(self, face: Face) -> Picture | None:
        """Return the chip, uint8 [side, side, 3] BGR; None where the landmarks span no face."""
        return align_by_landmarks(face.picture, face.landmarks, self.template, self.side)

    def blob(self, chip: Picture) -> NDArray[np.float32]:
        """Return what the network is given for a chip: float32, one picture."""
        blob = (chip[None, :, :, ::-1].astype(np.float32) - self.mean) / self.scale
        return blob if self.layout == "NHWC" else blob.transpose(0, 3, 1, 2)


class AlignedNetwork:
    """One compiled network and the way to show it a face. Belongs to one thread."""

    def __init__(self, compiled: CompiledModel, format_: InputFormat, dimension: int) -> None:
        self._compiled, self._format, self._dimension = compiled, format_, dimension

    @property
    def precision(self) -> str:
        """What the runtime computes in."""
        return self._compiled.precision

    def embed(self, faces: Sequence[Face]) -> NDArray[np.float32]:
        """Return one vector of length 1 for each face, [n, dimension]; zeros where the landmarks span no face.

        Raises:
            InferenceError: the runtime failed, or gave NaN.
        """
        vectors = np.zeros((len(faces), self._dimension), np.float32)
        for row, face in zip(vectors, faces, strict=True):
            chip = self._format.align(face)
            if chip is not None:
                row[:] = self.embed_chip(chip)
        return vectors

    def embed_chip(self, chip: Picture) -> NDArray[np.float32]:
        """Return the vector of one aligned chip, uint8 [side, side, 3] BGR.

        Raises:
            InferenceError: the runtime failed, or gave NaN or nothing but zeros.
        """
        vector: NDArray[np.float32] = self._compiled.run(self._format.blob(chip))[0].reshape(-1)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise InferenceError("the vector is not finite")
        vector /= length
        return vector
