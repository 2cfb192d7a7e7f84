"""The script of a synthetic broadcast: who is where when. Pure data and arithmetic; time is an argument."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from mosaicast.core.types import Box

_BREATH_SHARE = 0.03  # people are never still: the face grows and shrinks by 3 %
_BREATH_HZ = 0.4
_BOB_SHARE = 0.03  # of the face's width: a walking head goes up and down
_BOB_HZ = 1.8


@dataclass(frozen=True, slots=True)
class Waypoint:
    """Where a face is at one moment.

    Attributes:
        time_s: seconds from the start of the broadcast.
        centre_xy: centre of the face, as shares of the frame's width and height; outside 0..1 is off the frame.
        width: width of the face as a share of the frame's width.
    """

    time_s: float
    centre_xy: tuple[float, float]
    width: float


@dataclass(frozen=True, slots=True)
class Actor:
    """A person on a path. Exists from its first waypoint up to, not including, its last; straight lines between."""

    person: str
    path: tuple[Waypoint, ...]

    def __post_init__(self) -> None:
        """Refuse a path that goes nowhere in time.

        Raises:
            ValueError: fewer than two waypoints, times that do not rise, or a face without width.
        """
        times = [point.time_s for point in self.path]
        if len(times) < 2 or any(late <= early for early, late in pairwise(times)):
            raise ValueError(f"the path of {self.person} needs two or more waypoints in rising time")
        if any(point.width <= 0 for point in self.path):
            raise ValueError(f"the face of {self.person} needs a width")

    def at(self, time_s: float) -> Waypoint | None:
        """Return the place at this time, breathing and bobbing included, or None outside the path."""
        for before, after in pairwise(self.path):
            if before.time_s <= time_s < after.time_s:
                share = (time_s - before.time_s) / (after.time_s - before.time_s)
                return self._alive(_between(before, after, share), time_s)
        return None

    def _alive(self, point: Waypoint, time_s: float) -> Waypoint:
        phase = sum(self.person.encode()) % 7  # any fixed number: people do not move in step
        width = point.width * (1 + _BREATH_SHARE * math.sin(2 * math.pi * _BREATH_HZ * time_s + phase))
        bob = _BOB_SHARE * point.width * math.sin(2 * math.pi * _BOB_HZ * time_s + phase)
        return Waypoint(time_s, (point.centre_xy[0], point.centre_xy[1] + bob), width)


@dataclass(frozen=True, slots=True)
class Scene:
    """What one camera sees until the next hard cut. Later actors stand in front of earlier ones."""

    start_s: float
    backdrop: str
    actors: tuple[Actor, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A whole broadcast.

    Attributes:
        size_wh: pixels, both even.
        first_number: number of the first frame. Clips that follow one another on one stream get ranges of their own.
    """

    size_wh: tuple[int, int]
    seconds: float
    scenes: tuple[Scene, ...]
    fps: int = 30
    first_number: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be shown.

        Raises:
            ValueError: an odd size, no scene at 0 s, or scenes out of order.
        """
        starts = [scene.start_s for scene in self.scenes]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError("scenes start at 0 s and follow one another")
        if self.size_wh[0] % 2 or self.size_wh[1] % 2:
            raise ValueError(f"{self.size_wh} has an odd side: no chroma grid")

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)

    def scene_at(self, time_s: float) -> Scene:
        """Return the scene on air."""
        return next(scene for scene in reversed(self.scenes) if scene.start_s <= time_s)

    def cuts(self) -> tuple[int, ...]:
        """Return the numbers of the frames that begin a scene, the first one aside."""
        return tuple(self.first_number + math.ceil(scene.start_s * self.fps) for scene in self.scenes[1:])


@dataclass(frozen=True, slots=True)
class FaceTruth:
    """One face in one frame.

    Attributes:
        box: in pixels, clipped to the picture above the strip of the frame code.
        visible: share of the whole face's area inside that picture.
        occluded: share of `box` that lies behind other people.
        weight: share of this face in a blend of two pictures; 1 outside transitions.
    """

    person: str
    box: Box
    visible: float
    occluded: float = 0.0
    weight: float = 1.0


def clip_face(person: str, face: Box, area_wh: tuple[int, int]) -> FaceTruth | None:
    """Clip a face to the picture; None if nothing of it is inside."""
    box = Box(max(0.0, face.x1), max(0.0, face.y1), min(float(area_wh[0]), face.x2), min(float(area_wh[1]), face.y2))
    if box.width <= 0 or box.height <= 0:
        return None
    return FaceTruth(person, box, box.area / face.area)


def widest(scene: Scene) -> Mapping[str, float]:
    """Return the largest face width of each person of a scene, as a share of the frame's width."""
    return {actor.person: max(point.width for point in actor.path) * (1 + _BREATH_SHARE) for actor in scene.actors}


def _between(before: Waypoint, after: Waypoint, share: float) -> Waypoint:
    def mix(a: float, b: float) -> float:
        return a + (b - a) * share

    x, y = (mix(a, b) for a, b in zip(before.centre_xy, after.centre_xy, strict=True))
    return Waypoint(mix(before.time_s, after.time_s), (x, y), mix(before.width, after.width))
