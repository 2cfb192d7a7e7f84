"""Following faces from sample to sample: association, never identity.

Written with the safe error in mind: a broken track costs an enrolled person a second of masking, two people joined
into one track could show a stranger. So a match must be near, alike in size and without a rival.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box, MediaTime, TrackId

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrackingPolicy:
    """When a face seen now is the face seen before. Lengths in shares of the face's longer side."""

    reach: float = 0.8
    """Farthest from where it was expected, or was, at one sample (0.1 s) after the last: what a walk across the picture
    with a change of pace leaves after prediction."""
    reach_growth_per_s: float = 1.5
    size_ratio: float = 1.6
    """Largest change of size between two samples."""
    forget_s: float = 0.35
    """A face unseen for so long begins a new track: its identity must be earned again."""
    strong_score: float = 0.5
    """Detections at least so sure are matched to tracks first, weaker ones to the tracks that are left (ByteTrack,
    Zhang et al. 2022). So a false detection does not take a track from its face."""
    rival_share: float = 0.5
    """Another track or box with this share of a match's score makes it ambiguous, if it has a match of its own. One
    without a match makes every match ambiguous that it could have had."""
    overlap: float = 0.15
    """Two tracks whose boxes share so much (intersection over the smaller) may be confused."""
    jump: float = 0.5
    """Farther from where it was expected, it may be somebody else: a head can't start so fast (half a face in 0.1 s
    from rest is 16 m/s^2), and what it did before is predicted."""
    jump_size: float = 1.35
    """The same for the change of size between two samples."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """One face of the newest sample."""

    track_id: TrackId
    box: Box
    index: int
    """Which of the boxes that were given."""
    is_new: bool = False
    ambiguous: bool = False
    """Another face could have been this one: identity must not follow."""
    overlaps: bool = False
    """Another track's box overlaps it now."""
    jumped: bool = False
    """It is not where it was expected."""


@dataclass(slots=True)
class _Track:
    track_id: TrackId
    box: Box
    time: MediaTime
    velocity_xy: tuple[float, float] = (0.0, 0.0)
    detections: int = 1

    def moved(self, box: Box, time: MediaTime) -> None:
        """Take in where it is now."""
        elapsed_s = float(time - self.time)
        (x, y), (x0, y0) = box.centre, self.box.centre
        new_x, new_y = (x - x0) / elapsed_s, (y - y0) / elapsed_s
        # The first step says the velocity, later ones correct it by half: detectors jitter by some pixels.
        share = 1.0 if self.detections == 1 else 0.5
        old_x, old_y = self.velocity_xy
        self.velocity_xy = old_x + (new_x - old_x) * share, old_y + (new_y - old_y) * share
        self.box, self.time = box, time
        self.detections += 1


class _Fit(NamedTuple):
    """How tracks [t] and boxes [b] fit; every array is [t, b]."""

    score: Floats
    """0 cannot be the same face, 1 exactly where and as large as expected."""
    jumped: Flags


class Tracker:
    """The tracks of one stream in one epoch. Ids count up in this instance, from `first_id`.

    Args:
        first_id: differs between instances that may speak on the same epoch, so that a restart reuses no id.
    """

    def __init__(self, policy: TrackingPolicy | None = None, first_id: int = 0) -> None:
        self.policy = policy or TrackingPolicy()
        self._next_id = first_id
        self._tracks: list[_Track] = []

    def update(
        self, time: MediaTime, boxes: Sequence[Box], scores: Sequence[float] | None = None, *, scene_cut: bool = False
    ) -> list[Tracked]:
        """Take in one sample at `time` and return every face with its track, in the order of `boxes`.

        A sample that is not after the last one begins new tracks for all its faces: order is lost, so is identity.

        Args:
            boxes: finite, of positive size; any other begins a track of its own.
            scores: the detector's confidence in each, 0 to 1; None: all alike.
            scene_cut: nobody of before is here.
        """
        if scene_cut or any(track.time >= time for track in self._tracks):
            self._tracks = []
        self._tracks = [track for track in self._tracks if time - track.time <= self.policy.forget_s]
        fit = _fit(self.policy, self._tracks, boxes, time)
        strong = np.array([score >= self.policy.strong_score for score in scores or [1.0] * len(boxes)], bool)
        matched = _greedy(fit.score, strong)
        ambiguous = _ambiguous(fit.score, matched, self.policy.rival_share)
        overlaps = _overlapping(boxes, self.policy.overlap)
        known = {b: (self._tracks[t], bool(fit.jumped[t, b])) for b, t in matched.items()}
        return [
            self._place(known.get(b), Tracked(TrackId(-1), box, b, False, b in ambiguous, bool(overlaps[b])), time)
            for b, box in enumerate(boxes)
        ]

    def _place(self, known: tuple[_Track, bool] | None, seen: Tracked, time: MediaTime) -> Tracked:
        if known is None:
            track = _Track(TrackId(self._next_id), seen.box, time)
            self._next_id += 1
            self._tracks.append(track)
            return Tracked(track.track_id, seen.box, seen.index, is_new=True, overlaps=seen.overlaps)
        track, jumped = known
        track.moved(seen.box, time)
        return Tracked(track.track_id, seen.box, seen.index, False, seen.ambiguous, seen.overlaps, jumped)


def overlap_of_smaller(boxes: Sequence[Box]) -> Floats:
    """Return for each pair of boxes the intersection as a share of the smaller, 0 to 1: [n, n], 0 on the diagonal."""
    x1, y1, x2, y2 = _columns(boxes)
    with np.errstate(all="ignore"):
        width = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
        height = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
        area = np.maximum(0.0, x2 - x1) * np.maximum(0.0, y2 - y1)
        shares = np.maximum(0.0, width) * np.maximum(0.0, height) / np.minimum(area[:, None], area)
    np.fill_diagonal(shares, 0.0)
    return np.asarray(np.nan_to_num(shares, nan=0.0, posinf=0.0), np.float64)


def _overlapping(boxes: Sequence[Box], limit: float) -> Flags:
    return np.asarray((overlap_of_smaller(boxes) > limit).any(axis=1)) if boxes else np.zeros(0, bool)


def _columns(boxes: Sequence[Box]) -> Floats:
    """Return x1, y1, x2, y2 as rows: [4, n]."""
    return np.asarray(boxes, np.float64).reshape(len(boxes), 4).T


def _fit(policy: TrackingPolicy, tracks: Sequence[_Track], boxes: Sequence[Box], time: MediaTime) -> _Fit:
    """Return how well each box continues each track."""
    elapsed_s = np.array([float(time - track.time) for track in tracks])[:, None]
    velocity = np.array([track.velocity_xy for track in tracks]).reshape(-1, 2)
    ax1, ay1, ax2, ay2 = _columns([track.box for track in tracks])[:, :, None]
    bx1, by1, bx2, by2 = _columns(boxes)
    with np.errstate(all="ignore"):
        dx, dy = (bx1 + bx2 - ax1 - ax2) / 2, (by1 + by2 - ay1 - ay2) / 2
        from_last = np.sqrt(dx * dx + dy * dy)
        dx, dy = dx - velocity[:, :1] * elapsed_s, dy - velocity[:, 1:] * elapsed_s
        from_expected = np.sqrt(dx * dx + dy * dy)
        side, other = np.maximum(ax2 - ax1, ay2 - ay1), np.maximum(bx2 - bx1, by2 - by1)
        ratio = np.maximum(side / other, other / side)
        late_s = np.maximum(0.0, elapsed_s - 0.1)
        near = np.minimum(from_expected, from_last) / ((policy.reach + policy.reach_growth_per_s * late_s) * side)
        score = np.where((ratio >= 1.0) & (ratio <= policy.size_ratio), (1.0 - near) / ratio, 0.0)
        jumped = (from_expected > (policy.jump + policy.reach_growth_per_s * late_s) * side) | (
            ratio > policy.jump_size
        )
    return _Fit(np.maximum(0.0, np.nan_to_num(score, nan=0.0, posinf=0.0, neginf=0.0)), jumped)


def _greedy(score: Floats, strong: Flags) -> dict[int, int]:
    """Return {box: track}, each once: strong detections before weak ones, then best pairs first."""
    pairs = np.argwhere(score > 0)
    values = score[pairs[:, 0], pairs[:, 1]]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -values, ~strong[pairs[:, 1]]))
    taken: set[int] = set()
    matched: dict[int, int] = {}
    for t, b in pairs[order].tolist():
        if t not in taken and b not in matched:
            taken.add(t)
            matched[b] = t
    return matched


def _ambiguous(score: Floats, matched: dict[int, int], rival_share: float) -> set[int]:
    """Return the boxes whose match could have been another one, both sides of each confusion."""
    if not matched:
        return set()
    b, t = np.array(list(matched.keys())), np.array(list(matched.values()))
    own = score[t, b]
    rest = score.copy()
    rest[t, b] = 0.0
    has_box, has_track = np.isin(np.arange(score.shape[0]), t), np.isin(np.arange(score.shape[1]), b)
    # Who has no match of his own is somewhere: perhaps here.
    tracks = (rest[:, b] > 0) & ((rest[:, b] >= rival_share * own) | ~has_box[:, None])
    boxes = (rest[t] > 0) & ((rest[t] >= rival_share * own[:, None]) | ~has_track)
    confused = tracks.any(axis=0) | boxes.any(axis=1) | tracks.any(axis=1)[t] | boxes.any(axis=0)[b]
    return set(b[confused].tolist())
