"""Whether a mask, dark glasses or a bar covers a face: its template would be like others who wear the same.

A network that recognises faces loses much when the mouth, or the eyes, of a free face are painted over, and little when
they were covered before. How much of both it loses is measured with the network itself; each one's limits stand in the
list of models. FaceNet's were read off 144 free faces (public figures, LFW, a clip), 17 looks at a man with a mask,
masks drawn on 12 faces in three colours (28 of 36 are seen), and bars (24 of 24). MobileFaceNet's 192 numbers see all
36 drawn masks and all 27 looks at that man, with a gap to 144 free faces (0.12 to 0.18). Bars they see less well: the
eyes are asked of the other one, which sees 8 of 12 black bars.
"""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.models.registry import Covering
from mosaicast.imaging.crops import align_by_landmarks
from mosaicast.imaging.types import Landmarks, Picture
from services.api.people.face_models import FaceModels

Covered = Literal["mouth", "eyes"]

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
    entries = [network.entry for network in models.networks]
    limits = [None if entry is None else entry.covering for entry in entries]
    return _by_networks(face, places, models, limits) if any(limits) else None


def _by_networks(
    face: Picture, places: NDArray[np.float64], models: FaceModels, limits: Sequence[Covering | None]
) -> Covered | None:
    points = tuple(float(number) for number in places.ravel())
    views = (face, _painted(face, _EYES), _painted(face, _MOUTH))
    told = [models.embed(view, points) for view in views]  # type: ignore[arg-type]
    for limit, free, no_eyes, no_mouth in zip(limits, *told, strict=True):
        eyes, mouth = (max(1e-6, 1.0 - float(free @ other)) for other in (no_eyes, no_mouth))
        if limit is not None and mouth < limit.mouth * eyes:
            return "mouth"
        if limit is not None and eyes < limit.eyes * mouth:
            return "eyes"
    return None


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
