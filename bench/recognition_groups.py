"""How recognition differs between kinds of looks, as far as they can be told: size, pose, light.

The sets are not labelled by age, origin, sex, masks or glasses, so nothing is said about those.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.recognition_data import FaceSet, Seen
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import CohortScorer, cohort_scorer
from mosaicast.evaluation import calibration

FAR = 0.001
GROUPS: Mapping[str, Callable[[Seen], bool]] = {
    "all": lambda _: True,
    "face below 60 px": lambda look: look.size_px < 60,
    "face of 60 to 100 px": lambda look: 60 <= look.size_px < 100,
    "face from 100 px on": lambda look: look.size_px >= 100,
    "frontal: turned less than 0.15": lambda look: abs(look.yaw) < 0.15,
    "turned by 0.15 to 0.35": lambda look: 0.15 <= abs(look.yaw) < 0.35,
    "turned by 0.35 to 0.6": lambda look: abs(look.yaw) >= 0.35,
    "dark: mean grey below 80": lambda look: look.light < 80,
    "mean grey 80 to 150": lambda look: 80 <= look.light < 150,
    "bright: mean grey from 150 on": lambda look: look.light >= 150,
}
"""`turned` is the yaw_ratio."""


def by_group(sets: Sequence[FaceSet], embedders: Mapping[str, Embedder]) -> list[dict[str, Any]]:
    """Return for each group of looks how many pass the rule by themselves, own ones and strangers'."""
    scorers = {name: cohort_scorer(one.name, one.version) for name, one in embedders.items()}
    found = []
    for one in sets:
        held = list(comparisons(one, scorers))
        same = np.array([each[1] for each in held])
        if same.any():
            scores = np.array([each[2] for each in held])
            floors = calibration.pair_for(scores[same], scores[~same], int(FAR * (~same).sum()))
            found += [_row(one.name, name, held, floors) for name in GROUPS]
    return found


def comparisons(one: FaceSet, scorers: Mapping[str, CohortScorer]) -> Iterator[tuple[Seen, bool, NDArray[np.float64]]]:
    """Yield each look, whether it is the enrolled person's, and how far above what each network needs."""
    for pair in one.pairs:
        yield pair.look, pair.same, _scores(pair.look, [pair.reference], scorers)
    for person in one.people.values():
        for look in person.looks:
            yield look, True, _scores(look, person.references, scorers)
    for name, person in one.people.items():
        others = [face for other, each in one.people.items() if other != name for face in each.looks]
        others += [face for _, face, without in one.bystanders if name not in without]
        for look in others if person.references else ():
            yield look, False, _scores(look, person.references, scorers)


def _scores(look: Seen, references: Sequence[Seen], scorers: Mapping[str, CohortScorer]) -> NDArray[np.float64]:
    stacks = {name: np.stack([one.enrolled[name] for one in references]) for name in scorers}
    return np.array([float(score(look.probe[name][None], stacks[name]).max()) for name, score in scorers.items()])


def _row(
    set_name: str, group: str, held: Sequence[tuple[Seen, bool, NDArray[np.float64]]], floors: tuple[float, float]
) -> dict[str, Any]:
    chosen = [(same, scores) for look, same, scores in held if GROUPS[group](look)]
    own = np.array([scores for same, scores in chosen if same]).reshape(-1, len(floors))
    others = np.array([scores for same, scores in chosen if not same]).reshape(-1, len(floors))
    return {
        "set": set_name,
        "group": group,
        "own looks": len(own),
        "that pass the rule": int((own >= 0).all(axis=1).sum()),
        f"that pass at {FAR:.1%} of all strangers": int((own >= floors).all(axis=1).sum()),
        "strangers' looks": len(others),
        "strangers that pass the rule": int((others >= 0).all(axis=1).sum()),
    }
