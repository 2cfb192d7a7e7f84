"""Whether photos show one person. Pure.

What each network asks of two faces stands in the list of models (`registry.Agreement`), in standard deviations of
strangers, so that networks can be averaged. For the packaged ones it was measured on 2557 pairs of photos of 25 Korean
public figures, whom both networks tell apart worst of all the labelled faces at hand. The most alike strangers of other
sets (five men called John, the clips' people) reach 0.01 of the 0.5 that are asked.

Koreans are all alike to these networks, and so are their means: so a face must also be as like the other as it is like
the nearest mean of the crowd (`embedders.cohort`), less half a deviation. With a crowd that knows none of those who are
judged, of a stranger's photo added to a set 5 % pass (13 % by likeness alone), of two photos of two people 9 % (15 %),
and of own photos 138 of 146 are kept (140). Of Western faces no stranger passes and 65 of 68 photos are kept, by
either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.models.registry import Agreement
from services.api.people.face_models import Vectors

Pairs = NDArray[np.float64]
"""[n, n], each face with each."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far faces are above what is asked of two of one person, all networks together; 0 is just enough."""

    alike: Pairs
    """Above strangers."""
    above_crowd: Pairs
    """Above the crowd."""

    def excess(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Return how far two groups are above what one person's photos reach, over all pairs; below 0: two people's."""
        pairs = np.ix_(one, other)
        return float(min(self.alike[pairs].mean(), self.above_crowd[pairs].mean()))


def likeness(
    faces: Sequence[Vectors], crowd: Sequence[Sequence[float]], agreements: Sequence[Agreement | None]
) -> Likeness | None:
    """Return how alike faces are; None if no network among them was measured.

    Args:
        faces: the vectors of each face.
        crowd: of each face and network, see `FaceModels.nearest_of_crowd`.
        agreements: what each network asks, in the order of the vectors; None: it was not measured and has no say.
    """
    known = [(index, asked) for index, asked in enumerate(agreements) if asked is not None]
    if not known or not faces:
        return None
    measured = [
        _measured(np.stack([face[index] for face in faces]), np.array([one[index] for one in crowd]), asked)
        for index, asked in known
    ]
    alike, above = (np.asarray(np.mean(one, axis=0), np.float64) for one in zip(*measured, strict=True))
    return Likeness(alike, above)


def agreeing(likeness: Likeness) -> list[list[int]]:
    """Return the groups of faces that are alike, the largest first, each in order.

    The two groups that are most alike, by the mean over all pairs between them, become one, as long as they are alike
    enough (average linkage): no single pair joins two people, and no single expression parts one.
    """
    groups = [[index] for index in range(len(likeness.alike))]
    while len(groups) > 1:
        means = [
            (likeness.excess(one, other), first, second)
            for second, other in enumerate(groups)
            for first, one in enumerate(groups[:second])
        ]
        highest, first, second = max(means)
        if not highest >= 0:
            break
        groups[first] = sorted(groups[first] + groups.pop(second))
    return sorted(groups, key=lambda group: (-len(group), group))


def largest(groups: Sequence[Sequence[int]]) -> Sequence[int] | None:
    """Return the largest group; None: another is as large, or there is none."""
    if not groups or (len(groups) > 1 and len(groups[0]) == len(groups[1])):
        return None
    return groups[0]


def _measured(vectors: NDArray[np.float32], nearest: Pairs, asked: Agreement) -> tuple[Pairs, Pairs]:
    """Return how far above what is asked one network finds the faces, in its deviations."""
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    alike = (cosines - asked.strangers) / asked.deviation
    above = (cosines - np.maximum(nearest[:, None], nearest)) / asked.deviation
    return alike - asked.least, above - asked.above_crowd
