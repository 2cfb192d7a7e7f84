"""What the shipped rule does: with fixed floors, with the shipped cohort, and with cohorts that know nobody judged.

The shipped cohort is made of faces that are judged here, so that what it keeps out of `kr_enrol_50` proves little; the
cohorts made anew, in two folds by person, do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.make_cohort import means
from bench.recognition_data import FaceSet, Seen
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import CohortScorer, cohort_scorer, matching_of
from mosaicast.core.identity import IdentityPolicy
from mosaicast.evaluation import calibration

Vectors = NDArray[np.float32]
Measures = Mapping[str, CohortScorer]
"""By the name of the column."""

SEEDS = (1, 2, 3)
KOREAN = "kr_enrol_50"
POLICY = IdentityPolicy()


@dataclass(frozen=True, slots=True)
class _Case:
    """Somebody's looks held against one enrolled person."""

    set_name: str
    same: bool
    fold: int
    looks: Sequence[Seen]
    references: Sequence[Seen]


def shipped_rule(sets: Sequence[FaceSet], embedders: Mapping[str, Embedder]) -> list[dict[str, Any]]:
    """Return what the recognizer's rule lets pass: single looks, and tracks of several photos."""
    singles, tracks = list(_single(sets)), list(_tracks(sets))
    fixed = {column: CohortScorer(matching_of(one.name).alone) for column, one in embedders.items()}
    shipped = {column: cohort_scorer(one.name, one.version) for column, one in embedders.items()}
    found = [_judged("fixed floors", singles, tracks, [fixed, fixed])]
    found.append(_judged("shipped crowd", singles, tracks, [shipped, shipped]))
    for seed in SEEDS:
        folds = [_made(sets, fold, embedders, seed) for fold in (0, 1)]
        found.append(_judged(f"crowd of others, seed {seed}", singles, tracks, folds))
    return found


def _made(sets: Sequence[FaceSet], fold: int, embedders: Mapping[str, Embedder], seed: int) -> Measures:
    """Return scorers with cohorts of the other fold's people, and of LFW's cohort."""
    made = {}
    for column, embedder in embedders.items():
        rule = matching_of(embedder.name)
        pool = np.stack([face.probe[column] for face in _pool(sets, fold)])
        made[column] = CohortScorer(rule.floor, rule.margin, means(pool, seed))
    return made


def _pool(sets: Sequence[FaceSet], fold: int) -> Iterator[Seen]:
    for one in sets:
        yield from one.cohort
        if one.name == KOREAN:
            others = [person for place, person in enumerate(one.people) if place % 2 != fold]
            yield from (face for person in others for face in one.people[person].references)
            yield from (look for label, look, _ in one.bystanders if label.partition(" ")[0] in others)


def _single(sets: Sequence[FaceSet]) -> Iterator[_Case]:
    """Yield single looks and whom they are held against, if the cohort of their fold knows neither."""
    nobody = frozenset[str]()
    for one in sets:
        folds = {name: place % 2 for place, name in enumerate(one.people)}
        known = [(name, look, nobody) for name, person in one.people.items() for look in _all(person)]
        for label, look, without in [*known, *one.bystanders]:
            home = folds[label.partition(" ")[0]]
            for other, person in one.people.items():
                references = [reference for reference in person.references if reference is not look]
                if references and other not in without and _judgeable(one, home, folds[other]):
                    yield _Case(one.name, label == other, home, [look], references)
        yield from (_Case(one.name, pair.same, 0, [pair.look], [pair.reference]) for pair in one.pairs if pair.apart)


def _tracks(sets: Sequence[FaceSet]) -> Iterator[_Case]:
    """Yield everybody's photos as one track, the enrolled ones aside where the person is held against themself."""
    for one in sets:
        for place, (name, person) in enumerate(one.people.items()):
            for number, (other, enrolled) in enumerate(one.people.items()):
                looks = person.looks if name == other else _all(person)
                if len(looks) >= POLICY.votes and enrolled.references and _judgeable(one, place % 2, number % 2):
                    yield _Case(one.name, name == other, place % 2, looks, enrolled.references)


def _all(person: Any) -> list[Seen]:
    return [*person.looks, *person.references]


def _judgeable(one: FaceSet, fold: int, other: int) -> bool:
    return one.name != KOREAN or fold == other


def _judged(rule: str, singles: Sequence[_Case], tracks: Sequence[_Case], folds: Sequence[Measures]) -> dict[str, Any]:
    names = dict.fromkeys(case.set_name for case in singles)
    return {"rule": rule, "sets": {name: _in_set(name, singles, tracks, folds) for name in names}}


def _in_set(name: str, singles: Sequence[_Case], tracks: Sequence[_Case], folds: Sequence[Measures]) -> dict[str, Any]:
    passed: dict[tuple[str, bool], list[bool]] = {(kind, same): [] for kind in "lt" for same in (True, False)}
    for kind, cases, votes in (("l", singles, 1), ("t", tracks, POLICY.votes)):
        for case in cases:
            if case.set_name == name:
                agreed = calibration.agrees(_scores(case, folds[case.fold]), [0.0] * len(folds[0]), votes)
                passed[kind, case.same].append(agreed)
    looks, own = passed["l", False], passed["l", True]
    return {
        "stranger looks that pass": sum(looks),
        "of": len(looks),
        "rate below, with 95 %": round(calibration.rate_bound(sum(looks), len(looks)), 6),
        "stranger tracks that pass": sum(passed["t", False]),
        "of tracks": len(passed["t", False]),
        "own looks missed": len(own) - sum(own),
        "own looks": len(own),
        "own tracks missed": len(passed["t", True]) - sum(passed["t", True]),
        "of own tracks": len(passed["t", True]),
    }


def _scores(case: _Case, measures: Measures) -> NDArray[np.float64]:
    """Return how far each network is above what it needs at each look, [looks, networks].

    A look speaks of the mean of the newest looks, as in the recognizer.
    """
    columns = []
    for column, measure in measures.items():
        held = np.stack([reference.enrolled[column] for reference in case.references])
        looks = np.stack([look.probe[column] for look in case.looks])
        newest = [looks[max(0, end - POLICY.window) : end].mean(axis=0) for end in range(1, len(looks) + 1)]
        averaged = np.stack(newest).astype(np.float32)
        averaged /= np.linalg.norm(averaged, axis=1, keepdims=True)
        columns.append(measure(averaged, held).max(axis=1))
    return np.stack(columns, axis=1).astype(np.float64)
