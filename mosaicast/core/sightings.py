"""One track from verdict to verdict: how far its boxes are apart, and whether they follow from one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mosaicast.core.types import Box, MediaTime, TrackId, TrackVerdict, Verdict

_REMEMBERED = 4096
"""Steps: those of some hundred tracks, each asked for by every frame of a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One verdict's word on one track. Sightings are told apart by identity: that is quick."""

    at_s: float
    """Seconds since the timeline's first verdict: exact fractions order, floats weigh (they are 10 times cheaper)."""
    track: TrackVerdict


@dataclass(frozen=True, slots=True)
class Entry:
    """One verdict, ready for looking up its tracks."""

    verdict: Verdict
    at_s: float
    told: dict[TrackId, Sighting]
    """What it says itself."""
    sightings: dict[TrackId, Sighting]
    """The same, with what later verdicts say of its tracks (`core.hindsight`)."""

    @property
    def time(self) -> MediaTime:
        """Of its sample, in the epoch."""
        return self.verdict.time


@lru_cache(_REMEMBERED)
def displacement(one: Sighting, other: Sighting) -> float:
    """Return how far the box has moved, in boxes (the smaller of the two), along the axis where that is more."""
    a, b = one.track.box, other.track.box
    return _in_boxes(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1], a, b)


def resized(one: Sighting, other: Sighting) -> float:
    """Return how many times as wide or as high the larger box is, whichever is more: 1 for boxes of one size."""
    a, b = one.track.box, other.track.box
    wide, high = max(1.0, a.width) / max(1.0, b.width), max(1.0, a.height) / max(1.0, b.height)
    return max(wide, 1 / wide, high, 1 / high)


class Step(NamedTuple):
    """How one sighting follows another."""

    displacement: float
    resized: float
    """How many times as wide or as high the larger box is."""
    swerve: float
    """How far the boxes are from where the steps before and after lead, as a displacement; the larger of both."""


@lru_cache(_REMEMBERED)
def step(before: Sighting | None, one: Sighting, other: Sighting, after: Sighting | None) -> Step:
    """Return how a sighting follows the one before it.

    Args:
        before, after: the sightings around the two, where there are such.
    """
    back = 0.0 if before is None else _swerve(before, one, other)
    ahead = 0.0 if after is None else _swerve(after, other, one)
    return Step(displacement(one, other), resized(one, other), max(back, ahead))


def between(past: Sighting, future: Sighting, at_s: float) -> tuple[Box, float]:
    """Interpolate, and return the distance in seconds to the nearer sighting."""
    span = future.at_s - past.at_s
    weight = (at_s - past.at_s) / span if span > 0 else 0.0
    box = Box(*(a + (b - a) * weight for a, b in zip(past.track.box, future.track.box, strict=True)))
    return box, min(weight, 1 - weight) * span


def hull(one: Box, other: Box) -> Box:
    """Return the smallest box around two."""
    return Box(min(one.x1, other.x1), min(one.y1, other.y1), max(one.x2, other.x2), max(one.y2, other.y2))


def grown(box: Box, share: float) -> Box:
    """Return the box, larger on each side by a share of its longer side."""
    x1, y1, x2, y2 = box
    by = share * max(x2 - x1, y2 - y1)
    return Box(x1 - by, y1 - by, x2 + by, y2 + by)


def outermost(boxes: Sequence[Box]) -> Iterator[Box]:
    """Yield the boxes that lie in no other: a mosaic over a mosaic hides no more, and its grid cuts the other's."""
    for place, box in enumerate(boxes):
        x1, y1, x2, y2 = box
        for at, other in enumerate(boxes):
            within = other[0] <= x1 and other[1] <= y1 and other[2] >= x2 and other[3] >= y2
            if within and at != place and (at < place or other != box):
                break
        else:
            yield box


def _swerve(first: Sighting, second: Sighting, third: Sighting) -> float:
    """Return how far the third box is from where the step from the first to the second leads."""
    a, b, c = first.track.box, second.track.box, third.track.box
    step_s = second.at_s - first.at_s
    ratio = (third.at_s - second.at_s) / step_s if step_s else 0.0
    # Sums of both edges are twice the centres.
    x, y = b.x1 + b.x2, b.y1 + b.y2
    dx, dy = c.x1 + c.x2 - x - (x - a.x1 - a.x2) * ratio, c.y1 + c.y2 - y - (y - a.y1 - a.y2) * ratio
    return _in_boxes(dx / 2, dy / 2, b, c)


def _in_boxes(dx: float, dy: float, a: Box, b: Box) -> float:
    width, height = max(1.0, min(a.width, b.width)), max(1.0, min(a.height, b.height))
    return max(abs(dx) / width, abs(dy) / height)
