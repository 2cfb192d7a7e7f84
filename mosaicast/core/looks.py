"""Looks at one face of a video: in which stretches it is surely one face, which of them to keep. Pure."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.tracking import Tracked
from mosaicast.core.types import TrackId

Vectors = NDArray[np.float32]
"""[n, dimension], of length 1."""
Distances = NDArray[np.float64]
"""[n, n]."""
T = TypeVar("T")


class Stretches:
    """Cuts tracks into stretches in which nobody can have taken a face's place: no jump, overlap, ambiguity, gap.

    Stretches are numbered from 0.
    """

    def __init__(self) -> None:
        self._next = 0
        self._open: dict[TrackId, int] = {}

    def update(self, faces: Sequence[Tracked], *, broken: bool = False) -> list[int | None]:
        """Return the stretch of each face of the next sample; None: it may be somebody else now.

        A face that is not in a sample, or is in doubt there, begins another stretch when it is seen again.

        Args:
            faces: of one sample.
            broken: nothing of before goes on here: a cut, or too long a time since the sample before.
        """
        before, self._open = {} if broken else self._open, {}
        return [self._place(one, before) for one in faces]

    def _place(self, one: Tracked, before: dict[TrackId, int]) -> int | None:
        if one.ambiguous or one.overlaps or one.jumped:
            return None
        known = None if one.is_new else before.get(one.track_id)
        if known is None:
            known, self._next = self._next, self._next + 1
        self._open[one.track_id] = known
        return known


class Thinned(Generic[T]):
    """At most so many of the items that come, evenly spread over all that came, however many those are.

    Args:
        most: how many are kept, at least 2.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._came = 0
        self.items: list[T] = []

    @property
    def wants_next(self) -> bool:
        """Whether the next item would be kept: making one may cost something."""
        return self._came % self._step == 0

    def add(self, item: T | None) -> None:
        """Take the next item; None counts as one that is not wanted."""
        if self.wants_next and item is not None:
            self.items.append(item)
        self._came += 1
        if len(self.items) > self._most:
            self.items = self.items[::2]
            self._step *= 2


def distances(spaces: Sequence[Vectors]) -> Distances:
    """Return how far looks are apart, over all networks alike: 1 - cosine in shares of each network's own median.

    Cosines of two networks do not compare: one calls strangers 0.9 alike, another 0.4.

    Args:
        spaces: of each network the vectors of the same looks.
    """
    apart = [_in_shares(1.0 - vectors.astype(np.float64) @ vectors.T.astype(np.float64)) for vectors in spaces]
    return np.asarray(np.mean(apart, axis=0), np.float64)


def farthest(apart: Distances, most: int) -> list[int]:
    """Return looks that are far from one another, the most usual one first.

    Begins with the look that is nearest to all others (never with an odd one), then adds the one that is farthest from
    those chosen so far (farthest-point sampling, Gonzalez 1985). A look that equals a chosen one adds nothing.

    Args:
        apart: see `distances`.
        most: how many at most.
    """
    if not len(apart) or most < 1:
        return []
    chosen = [int(np.argmin(apart.sum(axis=1)))]
    nearest = apart[chosen[0]].copy()
    while len(chosen) < most and float(nearest.max()) > _SAME:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, apart[chosen[-1]])
    return chosen


_SAME = 1e-4
"""Shares of the median: rounding of 32 bits leaves less between two equal looks."""


def _in_shares(apart: Distances) -> Distances:
    others = apart[~np.eye(len(apart), dtype=bool)]
    usual = float(np.median(others)) if others.size else 0.0
    apart = np.maximum(0.0, apart)
    np.fill_diagonal(apart, 0.0)
    return apart / usual if usual > 0 else apart
