"""Following faces from look to look: association, never identity.

Written with the safe error in mind: a broken track costs an enrolled person a second of masking, two people joined
into one track could show a stranger. So a match must be near, alike in size and without a rival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mosaicast.core.types import Box, MediaTime, TrackId


@dataclass(frozen=True, slots=True)
class TrackingPolicy:
    """When a face seen now is the face seen before. Lengths in shares of the face's longer side."""

    reach: float = 0.8
    """Farthest from where it was expected, at one look (0.1 s) after the last: what a walk across the picture with
    a change of pace leaves after prediction."""
    reach_growth_per_s: float = 1.5
    size_ratio: float = 1.6
    """Largest change of size between two looks."""
    forget_s: float = 0.35
    """A face unseen for so long begins a new track: its identity must be earned again."""
    rival_share: float = 0.5
    """A second candidate with this share of the best one's score makes the match ambiguous."""
    overlap: float = 0.15
    """Two tracks whose boxes share so much (intersection over the smaller) may be confused."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """One face of the newest look."""

    track_id: TrackId
    box: Box
    index: int
    """Which of the boxes that were given."""
    is_new: bool
    ambiguous: bool
    """Another face could have been this one: identity must not follow."""
    overlaps: bool
    """Another track's box overlaps it now."""


@dataclass(slots=True)
class _Track:
    track_id: TrackId
    box: Box
    time: MediaTime
    velocity_xy: tuple[float, float] = (0.0, 0.0)
    looks: int = field(default=1)

    def expected(self, time: MediaTime) -> Box:
        """Where it should be at `time`, going on as it went."""
        elapsed_s = float(time - self.time)
        dx, dy = self.velocity_xy[0] * elapsed_s, self.velocity_xy[1] * elapsed_s
        return Box(self.box.x1 + dx, self.box.y1 + dy, self.box.x2 + dx, self.box.y2 + dy)

    def moved(self, box: Box, time: MediaTime) -> None:
        """Take in where it is now."""
        elapsed_s = float(time - self.time)
        if elapsed_s > 0:
            (x, y), (x0, y0) = box.centre, self.box.centre
            new = (x - x0) / elapsed_s, (y - y0) / elapsed_s
            # The first step says the velocity, later ones correct it by half: detectors jitter by some pixels.
            share = 1.0 if self.looks == 1 else 0.5
            self.velocity_xy = tuple(old + (now - old) * share for old, now in zip(self.velocity_xy, new, strict=True))  # type: ignore[assignment]
        self.box, self.time = box, time
        self.looks += 1


class Tracker:
    """The tracks of one stream in one epoch. Ids count up in this instance, from `first_id`.

    Args:
        first_id: differs between instances that may speak on the same epoch, so that a restart reuses no id.
    """

    def __init__(self, policy: TrackingPolicy | None = None, first_id: int = 0) -> None:
        self.policy = policy or TrackingPolicy()
        self._next_id = first_id
        self._tracks: list[_Track] = []

    def update(self, time: MediaTime, boxes: Sequence[Box], *, scene_cut: bool = False) -> list[Tracked]:
        """Take in one look at `time` and return every face with its track, in the order of `boxes`.

        A look that is not after the last one begins new tracks for all its faces: order is lost, so is identity.
        """
        if scene_cut or any(track.time >= time for track in self._tracks):
            self._tracks = []
        self._tracks = [track for track in self._tracks if time - track.time <= self.policy.forget_s]
        scores = {
            (t, b): score
            for t, track in enumerate(self._tracks)
            for b, box in enumerate(boxes)
            if (score := self._score(track, box, time)) > 0
        }
        matched = _greedy(scores)
        found = [self._place(matched.get(b), box, b, time, scores) for b, box in enumerate(boxes)]
        return self._with_overlaps(found)

    def _place(self, t: int | None, box: Box, b: int, time: MediaTime, scores: dict[tuple[int, int], float]) -> Tracked:
        if t is None:
            track = _Track(TrackId(self._next_id), box, time)
            self._next_id += 1
            self._tracks.append(track)
            return Tracked(track.track_id, box, b, True, False, False)
        track = self._tracks[t]
        track.moved(box, time)
        return Tracked(track.track_id, box, b, False, self._has_rival(t, b, scores), False)

    def _has_rival(self, t: int, b: int, scores: dict[tuple[int, int], float]) -> bool:
        best = scores[t, b] * self.policy.rival_share
        return any(score >= best for (t2, b2), score in scores.items() if (t2 == t) != (b2 == b))

    def _with_overlaps(self, found: list[Tracked]) -> list[Tracked]:
        result = []
        for one in found:
            overlaps = any(
                other is not one and overlap_of_smaller(one.box, other.box) > self.policy.overlap for other in found
            )
            result.append(Tracked(one.track_id, one.box, one.index, one.is_new, one.ambiguous, overlaps))
        return result

    def _score(self, track: _Track, box: Box, time: MediaTime) -> float:
        """Return how well a box continues a track: 0 not at all, 1 exactly."""
        expected, elapsed_s = track.expected(time), float(time - track.time)
        side, other = max(track.box.width, track.box.height), max(box.width, box.height)
        if min(side, other) <= 0 or max(side, other) / min(side, other) > self.policy.size_ratio:
            return 0.0
        reach = (self.policy.reach + self.policy.reach_growth_per_s * max(0.0, elapsed_s - 0.1)) * side
        near_expected, near_last = _distance(expected, box), _distance(track.box, box)
        return max(0.0, 1.0 - min(near_expected, near_last) / reach)


def overlap_of_smaller(one: Box, other: Box) -> float:
    """Return the intersection as a share of the smaller box, 0 to 1; 0 for empty ones."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    smaller = min(one.area, other.area)
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0


def _distance(one: Box, other: Box) -> float:
    (x, y), (x0, y0) = one.centre, other.centre
    return float(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5)


def _greedy(scores: dict[tuple[int, int], float]) -> dict[int, int]:
    """Return {box: track}, best pairs first, each once."""
    taken_tracks: set[int] = set()
    matched: dict[int, int] = {}
    for (t, b), _ in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
        if t not in taken_tracks and b not in matched:
            taken_tracks.add(t)
            matched[b] = t
    return matched
