"""What embedders share: align by landmarks, a run of the network, vectors of length 1.

What FaceNet and the ArcFace family want to be shown stands in the list of models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from mosaicast.adapters.embedders.port import Embedded, Face
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError
from mosaicast.adapters.models.placement import Placement
from mosaicast.adapters.models.profile import NetworkProfile
from mosaicast.adapters.models.registry import Alignment, Normalisation
from mosaicast.adapters.models.runtime import Runner, Runtime
from mosaicast.imaging.crops import align_by_landmarks
from mosaicast.imaging.types import Picture

_BOX_GROWTH = 1.1
_IN_BOX = np.array([(-0.189, -0.125), (0.189, -0.125), (0.0, 0.086), (-0.158, 0.234), (0.158, 0.234)])
"""Landmarks in CenterFace's square box (centre 0, side 1): median of 253 faces, left and right made alike."""

_SHARES: dict[Alignment, NDArray[np.float64]] = {
    # The whole head, as the detector's square box grown by 1.1 shows it. Placing the landmarks there, instead of
    # cutting the box, gives that view upright and needs no box.
    "box_1.1": _IN_BOX / _BOX_GROWTH + 0.5,
    # ArcFace's 112 px template (insightface, face_align.py, MIT); pixel centres count from 0.
    "arcface_5": (
        np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])
        + 0.5
    )
    / 112,
}
"""Where the five landmarks lie in a chip, shares of its side."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How a network wants to be shown a face."""

    side: int
    """Pixels; chips are square."""
    template: NDArray[np.float64]
    """[5, 2]: where the landmarks lie in a chip, in pixels."""
    normalisation: Normalisation
    layout: Literal["NHWC", "NCHW"]

    def align(self, face: Face) -> Picture | None:
        """Return the chip, uint8 [side, side, 3] BGR; None where the landmarks span no face."""
        return align_by_landmarks(face.picture, face.landmarks, self.template, self.side)

    def blob(self, chip: Picture) -> NDArray[np.float32]:
        """Return what the network is given for a chip: float32, one picture."""
        wanted = self.normalisation
        picture = chip[:, :, ::-1] if wanted.colours == "rgb" else chip
        blob = (picture[None].astype(np.float32) - wanted.mean) / wanted.scale
        return blob if self.layout == "NHWC" else blob.transpose(0, 3, 1, 2)

    @property
    def shape(self) -> list[int]:
        """The network's input, one picture: on a CPU a batch gains nothing, and a moving shape costs."""
        return [1, self.side, self.side, 3] if self.layout == "NHWC" else [1, 3, self.side, self.side]


def input_format(network: NetworkProfile, layout: Literal["NHWC", "NCHW"]) -> InputFormat:
    """Return how a network wants to be shown a face.

    Raises:
        ModelBrokenError: the list does not say, or says what this module cannot do.
    """
    shares, size = _SHARES.get(network.alignment), network.input_size
    if shares is None or size is None or size[0] != size[1]:
        raise ModelBrokenError(f"the list of models does not say how {network.name} wants to be shown a face")
    return InputFormat(size[0], shares * size[0] - 0.5, network.normalisation, layout)


def compile_graph(graph: ov.Model, format_: InputFormat, dimension: int | None, runtime: Runtime) -> tuple[Runner, int]:
    """Fix a graph's input, make it ready to run, and return it with the length of its vectors.

    Args:
        dimension: numbers in a vector; None: whatever the graph gives.

    Raises:
        ModelBrokenError: the graph is not one picture in, one vector out, in these sizes.
    """
    wanted = ov.PartialShape(format_.shape)
    # Asked first: reshape would also change what is fixed, where no layer minds.
    if len(graph.inputs) != 1 or not graph.inputs[0].partial_shape.compatible(wanted):
        raise ModelBrokenError(f"the file is another network: it does not take {format_.shape}")
    try:
        graph.reshape(wanted)
        found = [list(output.shape) for output in graph.outputs]
    except RuntimeError as exc:
        raise ModelBrokenError(f"the file is another network: it does not take {format_.shape}") from exc
    if len(found) != 1 or len(found[0]) != 2 or found[0][0] != 1 or dimension not in {None, found[0][1]}:
        raise ModelBrokenError(f"the file is another network: it gives {found}, not one vector")
    return runtime(graph), found[0][1]


class ChipEmbedder:
    """Base of the embedders: a chip of each face, several a run where that is quicker. Belongs to one thread.

    Args:
        network: what the list says of it.
        runner: the network.
        align: cuts the chip, or says None where the landmarks span no face.
        blob: turns a chip into what the network is given.
        dimension: of its vectors.
    """

    def __init__(
        self,
        network: NetworkProfile,
        runner: Runner,
        align: Callable[[Face], Picture | None],
        blob: Callable[[Picture], NDArray[Any]],
        dimension: int,
    ) -> None:
        self._runner, self._align, self._blob = runner, align, blob
        self.name, self.version, self.dimension = network.label, network.version, dimension
        self.quality = network.quality

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return self._runner.placement

    @property
    def precision(self) -> str:
        """What the runtime computes in."""
        return self.placement.precision

    @property
    def in_batches(self) -> bool:
        """Whether several faces at once cost less than one after another."""
        return self._runner.in_batches

    def align(self, face: Face) -> Picture | None:
        """Return the chip that the network looks at, or None."""
        return self._align(face)

    def embed(self, faces: Sequence[Face]) -> Embedded:
        """Return one vector of length 1 for each face, [n, dimension]; zeros where the landmarks span no face.

        Raises:
            InferenceError: the runtime failed, or gave NaN.
        """
        found = Embedded(np.zeros((len(faces), self.dimension), np.float32), np.zeros(len(faces), np.float32))
        chips = [(row, chip) for row, chip in enumerate(map(self.align, faces)) if chip is not None]
        together = max(1, len(chips)) if self.in_batches else 1
        for start in range(0, len(chips), together):
            part = chips[start : start + together]
            rows = [row for row, _ in part]
            found.vectors[rows], found.lengths[rows] = self._run([chip for _, chip in part])
        return found

    def embed_chip(self, chip: Picture) -> NDArray[np.float32]:
        """Return the vector of one aligned chip, uint8 [side, side, 3] BGR.

        Raises:
            InferenceError: the runtime failed, or gave NaN or nothing but zeros.
        """
        vector: NDArray[np.float32] = self._run([chip]).vectors[0]
        return vector

    def _run(self, chips: Sequence[Picture]) -> Embedded:
        raw = self._runner.run(np.concatenate([self._blob(chip) for chip in chips]))[0].reshape(len(chips), -1)
        lengths = np.array([np.linalg.norm(vector) for vector in raw], np.float32)
        if not (np.isfinite(lengths) & (lengths > 0.0)).all():
            raise InferenceError("the vector is not finite")
        return Embedded(raw / lengths[:, None], lengths)
