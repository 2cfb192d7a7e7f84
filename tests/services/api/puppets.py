"""People who are drawn: squares of a colour each, whose width says how they turn; models that know them; films."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.media.clip import ClipError, ClipSample
from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks
from services.api.people.face_models import LocalModels
from tests.fakes.detector import FakeDetector, frontal
from tests.fakes.embedder import FakeEmbedder

Picture = NDArray[np.uint8]
COLOURS = {"ann": (200, 60, 60), "bob": (60, 200, 60), "cid": (60, 60, 200), "dee": (190, 190, 40)}
"""BGR. Twins do not exist here: what is drawn tells people apart for certain."""
_NAMES = list(COLOURS)
SIZE_WH = (640, 360)
STEP_S = Fraction(1, 10)
_TURN = {1.0: 0.0, 0.8: -0.5, 0.9: 0.5}
"""Share of a face's height that its width has, and its yaw."""
_NOISE = np.random.default_rng(5).normal(0, 45, (400, 400, 1))


@dataclass(frozen=True, slots=True)
class Puppet:
    """A face in a picture: whose, its centre, height, how it is turned, its light."""

    name: str
    x: float = 320.0
    y: float = 180.0
    height: float = 100.0
    share: float = 1.0
    """See `_TURN`."""
    light: float = 1.0
    blur: float = 0.0


def draw(puppets: Sequence[Puppet], size_wh: tuple[int, int] = SIZE_WH) -> Picture:
    """Return a picture of them on grey; later ones are in front."""
    picture = np.full((size_wh[1], size_wh[0], 3), 110, np.uint8)
    for one in puppets:
        width, height = round(one.height * one.share), round(one.height)
        left, top = round(one.x - width / 2), round(one.y - height / 2)
        face = np.array(COLOURS[one.name]) + _NOISE[:height, :width]
        face = (face * one.light).clip(0, 255).astype(np.uint8)
        if one.blur:
            face = np.asarray(cv2.GaussianBlur(face, (0, 0), one.blur), np.uint8)
        x1, y1 = max(0, left), max(0, top)
        x2, y2 = min(size_wh[0], left + width), min(size_wh[1], top + height)
        if x1 < x2 and y1 < y2:
            picture[y1:y2, x1:x2] = face[y1 - top : y2 - top, x1 - left : x2 - left]
    return picture


def see(picture: Picture) -> list[RawFace]:
    """Find the squares that are coloured."""
    smooth = cv2.blur(picture, (9, 9)).astype(int)
    coloured = (smooth.max(axis=2) - smooth.min(axis=2) > np.maximum(8, smooth.max(axis=2) * 0.25)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(coloured)
    found = [Box(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, area in stats[1:] if area > 150]
    return [RawFace(box, 0.9, _landmarks(box)) for box in found]


def _landmarks(box: Box) -> Landmarks:
    points = list(frontal(box))
    share = min(_TURN, key=lambda one: abs(one - box.width / box.height))
    points[4] += _TURN[share] * (points[2] - points[0])
    return tuple(points)  # type: ignore[return-value]


def know(face: Face) -> NDArray[np.float32]:
    """Return who it is, and a little of how it is turned."""
    points = np.array(face.landmarks).reshape(5, 2)
    (x1, y1), (x2, y2) = points.min(axis=0).astype(int), points.max(axis=0).astype(int) + 1
    colour = face.picture[max(0, y1) : y2, max(0, x1) : x2].reshape(-1, 3).mean(axis=0)
    alike = [np.linalg.norm(colour / (colour.sum() + 1) - np.array(one) / sum(one)) for one in COLOURS.values()]
    vector = np.zeros(len(_NAMES) + 2, np.float32)
    vector[int(np.argmin(alike))] = 1.0
    yaw = float((points[2, 0] - points[:2, 0].mean()) / (points[1, 0] - points[0, 0]))
    vector[-2:] = 0.12 * max(0.0, yaw), 0.12 * max(0.0, -yaw)
    return vector


def whose(vector: NDArray[np.float32]) -> str:
    """Return whom a vector is of."""
    return _NAMES[int(np.argmax(vector[: len(_NAMES)]))]


def puppet_models() -> LocalModels:
    """Models that see puppets, under the names of networks that were measured."""
    size = len(_NAMES) + 2
    networks = [FakeEmbedder(know, size, name) for name in ("dlib_resnet", "facenet_casia")]
    return LocalModels(FakeDetector(see), networks)


Script = Callable[[float], Sequence[Puppet]]
"""Who is there at a time, in seconds."""


@dataclass
class Films:
    """Reads films by their names."""

    scripts: dict[bytes, list[ClipSample]] = field(default_factory=dict)

    def add(self, name: str, script: Script, seconds: float, **more: Sequence[int]) -> bytes:
        """Add a film; `cuts` and `mixed` are numbers of samples. Returns what stands for its file."""
        count = round(seconds / STEP_S)
        samples = [ClipSample(place * STEP_S, draw(script(float(place * STEP_S)))) for place in range(count)]
        for place in more.get("cuts", ()):
            samples[place] = replace(samples[place], cut=True)
        for place in more.get("mixed", ()):
            samples[place] = replace(samples[place], mixed=True)
        self.scripts[name.encode()] = samples
        return name.encode()

    def samples(self, data: bytes) -> Iterator[ClipSample]:
        if data not in self.scripts:
            raise ClipError("unreadable", "it is damaged")
        yield from self.scripts[data]


def turning(name: str, **more: float) -> Script:
    """Somebody who looks to the front, to one side and to the other, a second each."""
    return lambda time_s: [Puppet(name, share=(1.0, 0.8, 0.9)[int(time_s) % 3], **more)]
