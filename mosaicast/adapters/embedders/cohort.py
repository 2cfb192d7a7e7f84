"""How alike is alike enough: a floor, and more like the person than like the cohort.

Networks trained mostly with Western faces find others all alike: a fixed threshold that keeps Korean strangers out
hides everybody else's own face in most pictures. Held against a cohort (means of the faces of many people each, made by
`python -m bench.make_cohort`), each face and each template brings a threshold of its own: score normalisation by a
cohort, as in speaker verification.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.models import load
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.registry import Matching

Vectors = NDArray[np.float32]
Scorer = Callable[[Vectors, Vectors], Vectors]
"""Turns queries [n, dimension] and templates [m, dimension] into scores [n, m]; 0 is just enough."""

COHORT_FILE = Path(__file__).with_name("crowd.npz")


@dataclass(frozen=True, slots=True)
class CohortScorer:
    """The scorer of one network."""

    floor: float
    margin: float = 0.0
    cohort: Vectors | None = None
    """Means of length 1, [k, dimension]."""

    def __call__(self, queries: Vectors, templates: Vectors) -> Vectors:
        """Return how far each query's cosine to each template is above what the two need, [n, m].

        Vectors of length 1; anything that is not finite stays so, and is like nobody.
        """
        cosines = queries @ templates.T
        if self.cohort is None:
            return cosines - np.float32(self.floor)
        nearest = np.maximum((queries @ self.cohort.T).max(axis=1)[:, None], (templates @ self.cohort.T).max(axis=1))
        return np.asarray(cosines - np.maximum(self.floor, nearest + self.margin), np.float32)


def cohort_scorer(name: str, version: str, file: Path = COHORT_FILE, *, floor: float | None = None) -> CohortScorer:
    """Return the scorer for an embedder's `name` and `version`, by what the list of models says of it.

    Args:
        file: where the cohorts are.
        floor: the operator's own, in place of the measured one.

    Raises:
        ModelBrokenError: the cohort's file does not read.
    """
    rule = matching_of(name)
    if floor is not None:
        rule = msgspec.structs.replace(rule, alone=floor, floor=floor)
    cohort = _cohorts(file).get(f"{name}/{version}")
    return CohortScorer(rule.alone) if cohort is None else CohortScorer(rule.floor, rule.margin, cohort)


def matching_of(name: str) -> Matching:
    """Return when two vectors of the embedder `name` are of one person; the strictest for one that is not listed."""
    try:
        return load().get(name, "embedder").matching
    except ModelUnavailableError:
        return Matching()


@cache
def _cohorts(file: Path) -> dict[str, Vectors]:
    if not file.exists():
        return {}
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            return {name.replace("|", "/"): np.asarray(stored[name], np.float32) for name in stored.files}
    except (OSError, ValueError, BadZipFile, EOFError) as exc:
        raise ModelBrokenError(f"{file.name} does not read") from exc
