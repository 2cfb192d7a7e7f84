"""Whether a mask, dark glasses or a bar covers a face: its template would be like others who wear the same.

A network that recognises faces loses much when the mouth, or the eyes, of a free face are painted over, and little when
they were covered before. How much of both it loses is measured with the network itself.
"""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.imaging.crops import align_by_landmarks
from mosaicast.imaging.types import Landmarks, Picture
from services.api.people.face_models import FaceModels, Vectors

Covered = Literal["mouth", "eyes"]

MEASURED = "facenet_casia"
"""The network that tells it best of the packaged ones."""
LEAST_MOUTH = 0.12
"""What painting the mouth changes, as a share of what painting the eyes changes. Of 144 free faces (public figures,
LFW, a clip) the least is 0.16; of the 17 looks at a man with a mask the most is 0.08; masks drawn on 12 faces in three
colours are below it in 28 of 36 cases."""
LEAST_EYES = 1 / 1.9
"""The other way round: of the free faces the least is 1/1.46. Bars drawn over the eyes are below it, black and white
ones in 24 of 24 cases, coarse mosaics in 5 of 12, and drawn dark glasses in 3 of 12."""
LEAST_EYE_SPREAD = 10.0
"""Standard deviation of the lightness around the eye that has more of it: 1 % of the free faces have below 18, dark
glasses without a reflection none. No labelled photo with real dark glasses was at hand."""
SIDE = 224
_ARCFACE = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])
"""The usual places of five landmarks in 112 px (insightface's `arcface_dst`); the parts below are places there too."""
_GROWTH, _CENTRE = 1.5, np.array([112.0, 108.0])
_EYES, _MOUTH, _SKIN = (14, 38, 98, 66), (14, 76, 98, 112), (28, 68, 84, 84)
_EACH_EYE = ((28, 46, 48, 58), (64, 46, 84, 58))


def covered(picture: Picture, landmarks: Landmarks, models: FaceModels) -> Covered | None:
    """Return what of a face is covered; None: nothing that shows, or the networks at hand were not measured.

    Raises:
        ModelError: a model failed.
    """
    places = (_ARCFACE - 56) * _GROWTH + _CENTRE
    face = align_by_landmarks(picture, landmarks, places, SIDE)
    if face is None:
        return None
    if max(_spread(face, eye) for eye in _EACH_EYE) < LEAST_EYE_SPREAD:
        return "eyes"
    names = [network.name for network in models.networks]
    if MEASURED not in names:
        return None
    points = tuple(float(number) for number in places.ravel())
    free, no_eyes, no_mouth = (
        _of(models.embed(view, points), names)  # type: ignore[arg-type]
        for view in (face, _painted(face, _EYES), _painted(face, _MOUTH))
    )
    eyes, mouth = (max(1e-6, 1.0 - float(free @ other)) for other in (no_eyes, no_mouth))
    if mouth < LEAST_MOUTH * eyes:
        return "mouth"
    return "eyes" if eyes < LEAST_EYES * mouth else None


def _of(vectors: Vectors, names: Sequence[str]) -> NDArray[np.float32]:
    return vectors[names.index(MEASURED)]


def _painted(face: Picture, part: tuple[int, int, int, int]) -> Picture:
    """Return the face with one part of it in the colour of its cheeks and nose."""
    painted = face.copy()
    _cut(painted, part)[:] = np.median(_cut(face, _SKIN).reshape(-1, 3), axis=0)
    return painted


def _spread(face: Picture, part: tuple[int, int, int, int]) -> float:
    return float(cv2.cvtColor(_cut(face, part), cv2.COLOR_BGR2LAB)[:, :, 0].std())


def _cut(face: Picture, part: tuple[int, int, int, int]) -> Picture:
    corners = (np.array(part, np.float64).reshape(2, 2) - 56) * _GROWTH + _CENTRE
    (x1, y1), (x2, y2) = corners.round().astype(int)
    return face[y1:y2, x1:x2]
