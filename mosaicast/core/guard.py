"""The output guard's judgement: is every face in a picture that went out hidden, or somebody's who may be seen?

It trusts nothing that decided what to paint: not the plan, not the painter, not the tracks' boxes. What is hidden is
measured on the pixels, before painting and after; who may be seen is what the verdicts around the frame said.
"""

import math
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box, MediaTime, PersonId, TrackVerdict, Verdict

Luma = NDArray[np.uint8]

CELLS = 8
"""A mosaic of so many cells across a face counts as hidden: a mask must remove all finer detail."""
MOST_KEPT = 4
"""Pictures that wait for their answer. Older ones are some seconds old, and nobody answers them any more."""
LEAST_DETAIL = 0.5
"""Grey levels. A box with less detail than a codec's noise shows nobody: it counts as hidden in proportion."""


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """When a face counts, and what follows. The figures: `python -m bench.guard`, docs/operations.md."""

    least_score: float = 0.6
    """On 1500 masked pictures of 12 clips hands, necks and a camera scored up to 0.49; of the bare faces of
    40 px and more that it finds at all (0.35), 97 % score more than this."""
    score_margin: float = 0.1
    """Above the score from which the stream masks: the same face scores a little otherwise in another picture."""
    smallest_px: float = 24.0
    """Shorter side of the detector's box, pixels of the frame."""
    hidden: float = 0.5
    """Share of a face's detail that painting must have taken: 0.8 and more under a mask, 0 without, and in between
    where a mask covers a part."""
    same_face: float = 0.2
    """Intersection over union with the box of a track that may be seen; those of the same person have 0.8 and more."""
    hold_s: float = 2.0
    """Full mosaic after a trip, from the answer on."""


class SeenFace(NamedTuple):
    """A face that the detector saw in a picture that went out, pixels of the frame."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What may explain the faces of one frame that went out."""

    before: Luma
    """Luma before painting, uint8 [h, w], perhaps smaller than the frame."""
    after: Luma
    """The same after painting."""
    clear: tuple[Box, ...]
    """Where people are who may be seen, pixels of the frame."""
    size_wh: tuple[int, int]
    """Of the frame."""


class FrameId(NamedTuple):
    """A frame that went out: its epoch, and the number of its packet."""

    epoch: int
    packet: int


class Trip(NamedTuple):
    """A frame that went out with a face that nothing explains. Numbers only: it is logged."""

    frame: FrameId
    worst: SeenFace
    """The largest of them."""
    faces: int


class Guard:
    """When to check what goes out, what each check may find, and for how long a trip covers everything.

    Without answers it does nothing: a guard that is dead or late changes no picture.

    Args:
        looks_per_s: 0 switches it off.
    """

    def __init__(self, looks_per_s: float, policy: GuardPolicy | None = None) -> None:
        self._policy = self.policy = policy or GuardPolicy()
        self._interval_s = 1 / looks_per_s if looks_per_s > 0 else math.inf
        self._next_s = -math.inf if looks_per_s > 0 else math.inf
        self._covered_until_s = -math.inf
        self._kept: OrderedDict[FrameId, Explanation] = OrderedDict()

    def sees_from(self, masked_from: float) -> None:
        """Follow the policy of the stream: faces that score less than its threshold are left bare on purpose."""
        score = max(self._policy.least_score, masked_from + self._policy.score_margin)
        self.policy = replace(self._policy, least_score=min(1.0, score))

    def covers(self, now: float) -> bool:
        """Whether everything is to be mosaicked at `now`."""
        return now < self._covered_until_s

    def due(self, now: float) -> bool:
        """Whether the next frame that is painted by regions is to be checked."""
        return now >= self._next_s

    def keep(self, frame: FrameId, by: Explanation, now: float) -> None:
        """Take note of a picture that is on its way to the detector."""
        self._next_s = now + self._interval_s
        self._kept[frame] = by
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def answer(self, frame: FrameId, faces: Sequence[SeenFace], now: float) -> Trip | None:
        """Take in what was seen in a frame; a trip covers everything from `now` on, and the next check comes right
        after."""
        by = self._kept.pop(frame, None)
        bare = unexplained(faces, by, self.policy) if by is not None else ()
        if not bare:
            return None
        self._covered_until_s = max(self._covered_until_s, now + self.policy.hold_s)
        self._next_s = min(self._next_s, self._covered_until_s)
        return Trip(frame, bare[0], len(bare))


def unexplained(faces: Sequence[SeenFace], by: Explanation, policy: GuardPolicy) -> tuple[SeenFace, ...]:
    """Return the faces that neither a mask nor a person who may be seen explains, the largest first.

    Each clear box explains one face, the one that it fits best.
    """
    bare = [face for face in faces if _counts(face, policy) and hidden_share(by, face.box) < policy.hidden]
    for box in by.clear:
        fit = max(bare, key=lambda face: overlap(face.box, box), default=None)
        if fit is not None and overlap(fit.box, box) > policy.same_face:
            bare.remove(fit)
    return tuple(sorted(bare, key=lambda face: -face.box.area))


def _counts(face: SeenFace, policy: GuardPolicy) -> bool:
    return face.score >= policy.least_score and min(face.box.width, face.box.height) >= policy.smallest_px


def hidden_share(by: Explanation, box: Box) -> float:
    """Return how much of the detail in `box` painting took, 0 to 1.

    It is the change by painting, relative to what the coarsest allowed mask (`CELLS` averages across) would change.
    """
    height, width = by.before.shape
    scale_x, scale_y = width / by.size_wh[0], height / by.size_wh[1]
    rows = _span(box.y1 * scale_y, box.y2 * scale_y, height)
    columns = _span(box.x1 * scale_x, box.x2 * scale_x, width)
    before, after = (luma[rows, columns].astype(np.float32) for luma in (by.before, by.after))
    if not before.size:
        return 1.0
    change, detail = np.abs(after - before).mean(), np.abs(before - _in_cells(before)).mean()
    return float(min(1.0, change / max(LEAST_DETAIL, detail)))


def _span(start: float, end: float, size: int) -> slice:
    return slice(max(0, min(size, int(start))), max(0, min(size, int(end + 1))))


def _in_cells(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the picture with each of `CELLS` x `CELLS` cells replaced by its average."""
    for axis in (0, 1):
        size = luma.shape[axis]
        count = min(CELLS, size)
        edges = np.arange(count) * size // count
        lengths = np.diff([*edges, size])
        means = np.add.reduceat(luma, edges, axis=axis) / np.expand_dims(lengths, 1 - axis)
        luma = np.repeat(means, lengths, axis=axis).astype(np.float32)
    return luma


def clear_boxes(a: Verdict, b: Verdict, time: MediaTime, visible: Collection[PersonId]) -> tuple[Box, ...]:
    """Return the boxes at `time` of people who may be seen: clear, as one person, in both verdicts around it."""
    later = {track.track_id: track for track in b.tracks}
    span = b.time - a.time
    weight = float((time - a.time) / span) if span > 0 else 0.0
    return tuple(
        Box(*(one + (two - one) * weight for one, two in zip(track.box, later[track.track_id].box, strict=True)))
        for track in a.tracks
        if track.track_id in later and _earned(track, later[track.track_id], visible)
    )


def _earned(one: TrackVerdict, other: TrackVerdict, visible: Collection[PersonId]) -> bool:
    return one.clear and other.clear and one.person_id == other.person_id and one.person_id in visible


def overlap(one: Box, other: Box) -> float:
    """Return intersection over union, 0 for boxes without area."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    shared = max(0.0, width) * max(0.0, height)
    union = one.area + other.area - shared
    return shared / union if union > 0 else 0.0
