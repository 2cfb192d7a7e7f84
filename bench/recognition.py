"""Measures recognition: `MOSAICAST_DATA=... python -m bench.recognition` prints tables and writes them as JSON.

Three labelled sets, through the product's own detector, gate and crops: how often a person is recognised at a rate of
strangers who are too (TAR at FAR), for each network and for two together; what the product's rule does at the level of
a track; and which thresholds un-mask no stranger of any set. Vectors are kept in --cache: the first run takes minutes.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.networks import EARLIER_PAIR, PAIR, made, witness
from bench.recognition_cohort import shipped_rule
from bench.recognition_data import Eye, FaceSet, Seen, johns, korean, lfw
from bench.recognition_groups import by_group
from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import matching_of
from mosaicast.core.identity import IdentityPolicy
from mosaicast.evaluation import calibration

FARS = (0.001, 0.01, 0.04)
PAIRS = {"both agree": PAIR, "dlib and FaceNet agree": EARLIER_PAIR}
POLICY = IdentityPolicy()
VOTES = POLICY.votes
HEADROOM = (0.0, 0.03)
"""Added to the pair that just keeps every stranger of the sets out: those sets do not hold everybody."""

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One look held against one enrolled person."""

    who: str
    """A label of the set; the same for all looks at one face."""
    look: int
    """Number of the picture in the set."""
    person: str
    same: bool
    scores: Scores
    """[2, networks]: best of the references; the mean of the references."""


def main() -> None:
    """Measure everything and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench/results/recognition.json"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mosaicast-recognition")
    parser.add_argument("--pair-only", action="store_true", help="measure the packaged pair alone: minutes less")
    parser.add_argument("--thresholds", type=float, nargs=2, metavar=("FIRST", "SECOND"), help="judge this pair too")
    arguments = parser.parse_args()
    root = os.environ.get("MOSAICAST_DATA")
    if not root:
        sys.exit("MOSAICAST_DATA names no folder with labelled faces")
    cv2.setNumThreads(1)
    results = measure(Path(root), arguments.cache, arguments.thresholds, pair_only=arguments.pair_only)
    print(markdown(results))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(root: Path, cache: Path, pair: Sequence[float] | None, *, pair_only: bool = False) -> dict[str, Any]:
    """Return every figure."""
    embedders = made(PAIR) if pair_only else networks(root)
    eye = Eye(make_detector("centerface"), embedders, cache)
    sets = [korean(root, eye, tick), johns(root, eye, tick), *lfw(root, eye, tick)]
    tick("\n")
    held = {one.name: compared(one, list(embedders)) for one in sets}
    pairs = candidate_pairs(held)
    if pair:
        pairs["as asked"] = (pair[0], pair[1])
    return {
        "sets": {one.name: summary(one, held[one.name]) for one in sets},
        "networks": {name: one.version for name, one in embedders.items()},
        "yardsticks": {one.name: msgspec.to_builtins(matching_of(one.name)) for one in embedders.values()},
        "table": [row for one in sets[:3] for row in rows(one, held[one.name], list(embedders))],
        "fixed pairs": [judged(name, thresholds, held) for name, thresholds in pairs.items()],
        "rule": [
            {"networks": pair, **row}
            for pair in pairs_of(list(embedders)).values()
            for row in shipped_rule(sets, {name: embedders[name] for name in pair})
        ],
        "groups": by_group(sets, {name: embedders[name] for name in PAIR}),
    }


def tick(mark: str = ".") -> None:
    """Show that something is done."""
    print(mark, end="", file=sys.stderr, flush=True)


def networks(root: Path) -> dict[str, Embedder]:
    """Return the packaged networks, and the witness where its weights are."""
    return {**made(PAIR), **made(EARLIER_PAIR), **witness(root)}


def pairs_of(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the pairs of networks that are measured together, those that are there."""
    return {label: pair for label, pair in PAIRS.items() if set(pair) <= set(names)}


def compared(faces: FaceSet, names: Sequence[str]) -> list[Comparison]:
    """Hold every face of a set against everybody enrolled in it, and a reference against the other references."""
    found = [
        Comparison(f"pair {number}", number, f"pair {number}", pair.same, scores(pair.look, [pair.reference], names))
        for number, pair in enumerate(faces.pairs)
    ]
    nobody = frozenset[str]()
    known = [(name, look, nobody) for name, one in faces.people.items() for look in [*one.looks, *one.references]]
    for number, (label, look, without) in enumerate([*known, *faces.bystanders]):
        for name, person in faces.people.items():
            references = [one for one in person.references if one is not look]
            if references and name not in without:
                found.append(Comparison(label, number, name, label == name, scores(look, references, names)))
    return found


def scores(look: Seen, references: Sequence[Seen], names: Sequence[str]) -> Scores:
    """Return the cosines of a look to the best reference, and to the mean of them: [2, networks]."""
    columns = []
    for name in names:
        held = np.stack([one.enrolled[name] for one in references])
        mean = held.mean(axis=0)
        mean /= np.linalg.norm(mean)
        columns.append((float((held @ look.probe[name]).max()), float(mean @ look.probe[name])))
    return np.array(columns).T


def summary(faces: FaceSet, held: Sequence[Comparison]) -> dict[str, int]:
    """Return how much a set holds."""
    return {
        "people": len(faces.people),
        "bystanders": len(faces.bystanders),
        "pairs": len(faces.pairs),
        "left out by the gate": faces.left_out,
        "genuine comparisons": sum(one.same for one in held),
        "stranger comparisons": sum(not one.same for one in held),
    }


# --- TAR at FAR -----------------------------------------------------------------------------------------------


def rows(faces: FaceSet, held: Sequence[Comparison], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the table's rows of one set."""
    found = []
    labels = ("best of the references", "mean of the references") if faces.people else ("one reference",)
    for form, label in enumerate(labels):
        genuine, impostor = arrays(held, form)
        columns = {each: (genuine[:, place], impostor[:, place]) for place, each in enumerate(names)}
        for each, pair in pairs_of(names).items():
            own, other = (scores_[:, [names.index(one) for one in pair]] for scores_ in (genuine, impostor))
            columns[f"{each}: sum of z"] = (calibration.z_sum(own, other), calibration.z_sum(other, other))
            found.append(agreeing(own, other) | {"set": faces.name, "network": each, "template": label})
        for each, (same, strangers) in columns.items():
            tars = {str(far): calibration.tar_at_far(same, strangers, far) for far in FARS}
            found.append(
                {"set": faces.name, "network": each, "template": label, "most alike stranger": strangers.max()}
            )
            found[-1]["tar"] = {far: round(one.true_match_rate, 4) for far, one in tars.items()}
            found[-1]["threshold"] = {far: round(one.threshold, 4) for far, one in tars.items()}
    return found


def agreeing(own: Scores, other: Scores) -> dict[str, Any]:
    """Return what two thresholds reach together: the best pair at each rate."""
    tar, thresholds = {}, {}
    for far in FARS:
        pair = calibration.pair_for(own, other, int(far * len(other) + 1e-9))
        tar[str(far)] = round(float((own >= pair).all(axis=1).mean()), 4)
        thresholds[str(far)] = [round(one, 4) for one in pair]
    return {"tar": tar, "threshold": thresholds, "most alike stranger": None}


def arrays(held: Sequence[Comparison], form: int) -> tuple[Scores, Scores]:
    """Return genuine and impostor scores, [n, networks]."""
    width = held[0].scores.shape[1]
    genuine, impostor = (
        np.array([one.scores[form] for one in held if one.same == same]).reshape(-1, width) for same in (True, False)
    )
    return genuine, impostor


# --- the product's rule ---------------------------------------------------------------------------------------


def candidate_pairs(held: dict[str, list[Comparison]]) -> dict[str, tuple[float, float]]:
    """Return pairs of thresholds that keep every stranger of all sets out, for one look and for a track of votes."""
    every = [one for all_ in held.values() for one in all_]
    genuine, impostor = arrays(every, 0)
    one_look = calibration.pair_for(genuine[:, :2], impostor[:, :2])
    track = track_pair(genuine[:, :2], [looks for same, looks in tracks(every) if not same])
    return {
        "0 strangers by one look": one_look,
        f"0 strangers by {VOTES} photos": track,
        f"0 strangers by {VOTES} photos, with headroom": (track[0] + HEADROOM[0], track[1] + HEADROOM[1]),
    }


def tracks(held: Sequence[Comparison]) -> list[tuple[bool, Scores]]:
    """Return, for everybody with enough photos and each enrolled person: whether it is that one, all looks [n, 2]."""
    grouped: dict[tuple[str, str, bool], list[Scores]] = {}
    for one in held:
        grouped.setdefault((one.who, one.person, one.same), []).append(one.scores[0, :2])
    return [(same, np.stack(looks)) for (_, _, same), looks in grouped.items() if len(looks) >= VOTES]


def track_pair(genuine: Scores, strangers: Sequence[Scores]) -> tuple[float, float]:
    """Return the pair for the most genuine looks at which no stranger has `VOTES` photos that pass both."""
    best, chosen = -1, (np.inf, np.inf)
    for first in np.unique(np.quantile(genuine[:, 0], np.linspace(0, 1, 200), method="lower")):
        reached = [np.sort(looks[looks[:, 0] >= first, 1])[::-1] for looks in strangers]
        highest = [float(one[VOTES - 1]) for one in reached if len(one) >= VOTES]
        second = float(np.nextafter(max(highest, default=-1.0), np.inf))
        passed = int((genuine >= (first, second)).all(axis=1).sum())
        if passed > best:
            best, chosen = passed, (float(first), second)
    return chosen


def judged(name: str, pair: tuple[float, float], held: dict[str, list[Comparison]]) -> dict[str, Any]:
    """Return what a pair of thresholds does in each set, by single looks and by tracks of several votes.

    A stranger is held against one enrolled person at a time, without a margin: the gallery of one is the worst for
    strangers. The person's own looks need the margin over everybody else in the set.
    """
    found: dict[str, Any] = {"pair": name, "floors": [round(one, 4) for one in pair], "sets": {}}
    for each, all_ in held.items():
        _, impostor = arrays(all_, 0)
        strangers = int((impostor[:, :2] >= pair).all(axis=1).sum())
        stranger_tracks = [int((looks >= pair).all(axis=1).sum()) for same, looks in tracks(all_) if not same]
        own = own_passed(all_, pair)
        long = [passed for passed in own.values() if len(passed) >= VOTES]
        found["sets"][each] = {
            "stranger looks that pass": strangers,
            "of": len(impostor),
            "rate below, with 95 %": round(calibration.rate_bound(strangers, len(impostor)), 6),
            "stranger tracks that pass": sum(passed >= VOTES for passed in stranger_tracks),
            "of tracks": len(stranger_tracks),
            "own looks": sum(map(len, own.values())),
            "own looks missed": sum(not one for passed in own.values() for one in passed),
            "own tracks missed": sum(sum(passed) < VOTES for passed in long),
            "of own tracks": len(long),
        }
    return found


def own_passed(held: Sequence[Comparison], pair: tuple[float, float]) -> dict[str, list[bool]]:
    """Return for each person which own looks pass both thresholds, and the margin over the second-best person."""
    rivals: dict[int, float] = {}
    for one in held:
        if not one.same:
            rivals[one.look] = max(rivals.get(one.look, -1.0), float(one.scores[0, 0]))
    found: dict[str, list[bool]] = {}
    for one in held:
        if one.same:
            clear = float(one.scores[0, 0]) - rivals.get(one.look, -1.0) >= POLICY.margin
            found.setdefault(one.who, []).append(clear and bool((one.scores[0, :2] >= pair).all()))
    return found


# --- what is shown --------------------------------------------------------------------------------------------


def markdown(results: dict[str, Any]) -> str:
    """Return the tables for people."""
    lines = ["| set | network | template | TAR at FAR 0.1 % | 1 % | 4 % |", "|---|---|---|---|---|---|"]
    for row in results["table"]:
        shown = " | ".join(f"{row['tar'][str(far)]:.3f}" for far in FARS)
        lines.append(f"| {row['set']} | {row['network']} | {row['template']} | {shown} |")
    lines += ["", "| rule | set | strangers: looks | tracks | own looks missed | own tracks missed |"]
    lines.append("|---|---|---|---|---|---|")
    for pair in results["fixed pairs"]:
        lines += _rule_rows(f"{' and '.join(map(str, pair['floors']))}: {pair['pair']}", pair["sets"])
    for rule in results["rule"]:
        lines += _rule_rows(f"{' and '.join(rule['networks'])}: {rule['rule']}", rule["sets"])
    lines += ["", f"| {' | '.join(results['groups'][0])} |", "|---" * len(results["groups"][0]) + "|"]
    lines += [f"| {' | '.join(str(value) for value in row.values())} |" for row in results["groups"]]
    return "\n".join(lines)


def _rule_rows(rule: str, sets: dict[str, dict[str, int]]) -> list[str]:
    kinds = (
        ("stranger looks that pass", "of"),
        ("stranger tracks that pass", "of tracks"),
        ("own looks missed", "own looks"),
        ("own tracks missed", "of own tracks"),
    )
    return [
        f"| {' | '.join([rule, name, *(f'{one[part]} of {one[whole]}' for part, whole in kinds)])} |"
        for name, one in sets.items()
    ]


if __name__ == "__main__":
    main()
