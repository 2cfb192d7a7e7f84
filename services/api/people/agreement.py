"""Whether photos show one person. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.api.people.face_models import Vectors

STRANGERS = {"dlib_resnet": (0.907, 0.037), "facenet_casia": (0.414, 0.162)}
"""Mean and standard deviation of the cosine between photos of different people, by network: 2557 pairs of photos of 25
Korean public figures, whom both networks tell apart worst of all the labelled faces at hand."""
LEAST_LIKENESS = 1.0
"""In standard deviations of strangers, the mean of both networks. Measured on those people's two or three photos each:
23 of 25 sets stay whole; of a stranger's photo added to them 80 % are pointed out, 8 % make the whole set refused and
12 % pass; of two photos of two people 88 % are refused. On the five men of dlib's set of Johns nothing goes wrong."""


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


def odd_ones_out(alike: NDArray[np.float64]) -> frozenset[int] | None:
    """Return which faces are somebody else's than the majority's; None: no majority is one person.

    The one least like the rest goes first, until all that stay are alike.

    Args:
        alike: [n, n], see `likeness`.
    """
    kept = list(range(len(alike)))
    while len(kept) > 1:
        means = [float(np.mean([alike[one, other] for other in kept if other != one])) for one in kept]
        worst = int(np.argmin(means))
        if means[worst] >= LEAST_LIKENESS:
            break
        del kept[worst]
    if 2 * len(kept) <= len(alike) and len(alike) > 1:
        return None
    return frozenset(range(len(alike))) - frozenset(kept)


def _cosines(faces: Sequence[Vectors], network: int) -> NDArray[np.float64]:
    vectors = np.stack([face[network] for face in faces]).astype(np.float64)
    return np.asarray(vectors @ vectors.T, np.float64)
