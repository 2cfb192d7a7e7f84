"""Whether photos show one person. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.api.people.face_models import Vectors

STRANGERS = {"dlib_resnet": (0.907, 0.037), "facenet_casia": (0.414, 0.162)}
"""Mean and standard deviation of the cosine between photos of different people, by network: 2557 pairs of photos of 25
Korean public figures, whom both networks tell apart worst of all the labelled faces at hand."""
LEAST_LIKENESS = 1.0
"""In standard deviations of strangers, the mean of both networks and of all pairs between two groups."""


def likeness(faces: Sequence[Vectors], networks: Sequence[str]) -> NDArray[np.float64] | None:
    """Return how alike faces are, [n, n] in standard deviations; None if no network among them was measured.

    Args:
        faces: the vectors of each face.
        networks: names, in the order of the vectors.
    """
    known = [(index, *STRANGERS[name]) for index, name in enumerate(networks) if name in STRANGERS]
    if not known or not faces:
        return None
    by_network = [(_cosines(faces, index) - mean) / deviation for index, mean, deviation in known]
    return np.asarray(np.mean(by_network, axis=0), np.float64)


def agreeing(alike: NDArray[np.float64]) -> list[list[int]]:
    """Return the groups of faces that are alike, the largest first, each in order.

    The two groups that are most alike, by the mean over all pairs between them, become one, as long as they are alike
    enough (average linkage): no single pair joins two people, and no single expression parts one.

    Args:
        alike: [n, n], see `likeness`.
    """
    groups = [[index] for index in range(len(alike))]
    while len(groups) > 1:
        means = [
            (float(alike[np.ix_(one, other)].mean()), first, second)
            for second, other in enumerate(groups)
            for first, one in enumerate(groups[:second])
        ]
        highest, first, second = max(means)
        if not highest >= LEAST_LIKENESS:
            break
        groups[first] = sorted(groups[first] + groups.pop(second))
    return sorted(groups, key=lambda group: (-len(group), group))


def largest(groups: Sequence[Sequence[int]]) -> Sequence[int] | None:
    """Return the largest group; None: another is as large, or there is none."""
    if not groups or (len(groups) > 1 and len(groups[0]) == len(groups[1])):
        return None
    return groups[0]


def _cosines(faces: Sequence[Vectors], network: int) -> NDArray[np.float64]:
    vectors = np.stack([face[network] for face in faces]).astype(np.float64)
    return np.asarray(vectors @ vectors.T, np.float64)
