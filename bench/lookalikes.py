"""Seeks strangers who would be shown: `MOSAICAST_DATA=... python -m bench.lookalikes`; ends with 1 if it finds one.

Everybody of the data folder is enrolled alone, by photos, by each single photo, and by the looks of a track, and held
against everybody else: everybody is a stranger then whose likeness another enrolled person might hide. Every phase of
the samples is tried, with crops of every sample and of every third. Two figures:

- how far the most alike stranger stays under the rule, in the network that is less sure, by the mean of five looks;
- how many faces of strangers left clear, where clips are replayed with the product's own tracker and machine, for
  everybody who is in the clip or comes near somebody in it.

Vectors are kept in --cache: the first run takes half an hour.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import lookalike_people as people
from bench.lookalike_people import Enrolled, Strangers
from bench.lookalike_replay import Outcome, replayed_alone
from bench.networks import WITNESS, made, witness
from bench.recognition_data import Eye, FaceSet, johns, korean, lfw_people
from bench.seen import ClipReader, SeenClip
from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import CohortScorer, cohort_scorer

Scores = NDArray[np.float32]
Flags = NDArray[np.bool_]

NEEDED = 0.03
"""How far under the rule the most alike stranger must stay, in one of the networks."""
NEAR = 0.12
"""From so little under the rule on, a clip is replayed."""
CROPS_EVERY = (1, 3)
WORST = 10
PICTURES = ("faces/groups", "faces/wider_val_200")


@dataclass(frozen=True, slots=True)
class Held:
    """One enrolled person against all strangers."""

    enrolled: Enrolled
    scores: Scores
    """[strangers]: by the network that is less sure; 0 is just enough to pass."""
    strangers: Flags
    """Who surely is somebody else."""
    unsure: int
    """Rows of which nobody knows whose they are."""


def main() -> None:
    """Measure, show, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench/results/lookalikes.json"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mosaicast-lookalikes")
    parser.add_argument("--replay", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    root = os.environ.get("MOSAICAST_DATA")
    if not root:
        sys.exit("MOSAICAST_DATA names no folder with clips and labelled faces")
    cv2.setNumThreads(1)
    results = measure(Path(root), arguments.cache, replay=arguments.replay)
    print(markdown(results))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if results["holds"] else 1)


def measure(root: Path, cache: Path, *, replay: bool) -> dict[str, Any]:
    """Return every figure."""
    networks = made()
    seeing = {**networks, **witness(root)}
    eye = Eye(make_detector("centerface"), seeing, cache)
    reader = ClipReader(make_detector("centerface"), seeing, cache)
    sets = [korean(root, eye, _tick), johns(root, eye, _tick), lfw_people(root, eye, _tick)]
    clips = list(seen(reader, root))
    strangers = gathered(root, eye, sets, clips, networks)
    scorers = {name: cohort_scorer(one.name, one.version) for name, one in networks.items()}
    held = list(held_against(enrolled(root, eye, sets, clips, networks), strangers, scorers))
    outcomes = replays(held, strangers, clips, networks) if replay else []
    return summary(held, strangers, scorers, outcomes)


def seen(reader: ClipReader, root: Path) -> Iterator[SeenClip]:
    """Yield all clips, as they are seen."""
    for path in sorted((root / "video").glob("*.mp4")):
        _tick()
        yield reader.see(path)


def _tick() -> None:
    print(".", end="", file=sys.stderr, flush=True)


def enrolled(
    root: Path, eye: Eye, sets: Sequence[FaceSet], clips: Sequence[SeenClip], networks: Mapping[str, Embedder]
) -> Iterator[Enrolled]:
    """Yield everybody, in every way to be enrolled."""
    qualities = {name: one.quality for name, one in networks.items()}
    yield from people.in_folders(root, eye)
    yield from people.in_sets(sets)
    for clip in clips:
        yield from people.by_tracks(clip, qualities)


def gathered(
    root: Path, eye: Eye, sets: Sequence[FaceSet], clips: Sequence[SeenClip], networks: Mapping[str, Embedder]
) -> Strangers:
    """Return everybody as strangers."""
    qualities = {name: one.quality for name, one in networks.items()}
    found = Strangers()
    for clip in clips:
        for phase in clip.phases:
            for crops_every in CROPS_EVERY:
                people.add_clip(found, clip, phase, crops_every, qualities)
    people.add_sets(found, sets)
    for folder in PICTURES:
        people.add_pictures(found, root, folder, eye)
    return found


# --- held against each other ----------------------------------------------------------------------------------


def held_against(
    everybody: Iterator[Enrolled], strangers: Strangers, scorers: Mapping[str, CohortScorer]
) -> Iterator[Held]:
    """Yield everybody enrolled, against all strangers."""
    stacked = {name: np.stack(rows) for name, rows in strangers.parts.items()}
    for one in everybody:
        columns = [score(stacked[name], one.vectors[name]).max(axis=1) for name, score in scorers.items()]
        known = (stacked[WITNESS] @ one.vectors[WITNESS].T).max(axis=1)
        surely, unsure = people.somebody_else(one, strangers, known)
        yield Held(one, np.min(columns, axis=0), surely, unsure)


def replays(
    held: Sequence[Held], strangers: Strangers, clips: Sequence[SeenClip], networks: Mapping[str, Embedder]
) -> list[Outcome]:
    """Replay the clips in which somebody comes near somebody enrolled, or is the person."""
    scenes = np.array(strangers.scenes)
    found = []
    for one in held:
        for clip in clips:
            rows = scenes == people.scene_of(clip.name)
            if rows.any() and one.scores[rows].max() >= -NEAR:
                found.append(replayed_alone(one.enrolled, clip, networks, CROPS_EVERY))
                _tick()
    return found


# --- what is shown --------------------------------------------------------------------------------------------


def summary(
    held: Sequence[Held], strangers: Strangers, scorers: Mapping[str, CohortScorer], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Return plain numbers."""
    worst = sorted((pair for one in held for pair in _worst_of(one, strangers)), key=lambda pair: -pair["score"])
    nearest, photo = (
        max((one["score"] for one in worst if one["mean"] == mean), default=-1.0) for mean in (True, False)
    )
    wrong = sum(one.wrong for one in outcomes)
    return {
        "rule": {name: {"floor": one.floor, "margin": one.margin} for name, one in scorers.items()},
        "enrolled": len(held),
        "strangers": len(strangers.where),
        "comparisons": int(sum(one.strangers.sum() for one in held)),
        "nobody knows whose": sum(one.unsure for one in held),
        "strangers that pass": passed(held, strangers, mean=True),
        "single photos that pass": passed(held, strangers, mean=False),
        "most alike stranger is under by": round(-nearest, 4),
        "most alike single photo is under by": round(-photo, 4),
        "needed": NEEDED,
        "worst": [one for one in worst if one["mean"]][:WORST],
        "worst photos": [one for one in worst if not one["mean"]][:WORST],
        "replays": sum(one.replays for one in outcomes),
        "looks": sum(one.looks for one in outcomes),
        "own looks clear": sum(one.own for one in outcomes),
        "looks wrongly clear": wrong,
        "wrong": [{"enrolled": one.enrolled, "clip": one.clip, "looks": one.wrong} for one in outcomes if one.wrong],
        "holds": wrong == 0 and -nearest >= NEEDED,
    }


def passed(held: Sequence[Held], strangers: Strangers, *, mean: bool) -> int:
    """Return how many rows of strangers pass the rule."""
    chosen = np.array(strangers.means) == mean
    return int(sum((one.scores[one.strangers & chosen] >= 0).sum() for one in held))


def _worst_of(one: Held, strangers: Strangers) -> Iterator[dict[str, Any]]:
    """Yield the most alike stranger of each scene, for one enrolled person: by means of looks, and by single photos."""
    scenes, means = np.array(strangers.scenes), np.array(strangers.means)
    for scene, mean in itertools.product(dict.fromkeys(strangers.scenes), (True, False)):
        rows = np.flatnonzero(one.strangers & (scenes == scene) & (means == mean))
        if len(rows):
            row = int(rows[one.scores[rows].argmax()])
            yield {
                "enrolled": f"{one.enrolled.person}, {one.enrolled.source}",
                "stranger": strangers.where[row],
                "of": scene,
                "score": round(float(one.scores[row]), 4),
                "mean": mean,
            }


def markdown(results: Mapping[str, Any]) -> str:
    """Return the figures for people."""
    lines = [f"{name}: {one}" for name, one in results.items() if not isinstance(one, list)]
    lines += ["", "| enrolled | stranger | of | above the rule | mean of looks |", "|---|---|---|---|---|"]
    pairs = [*results["worst"], *results["worst photos"]]
    lines += [f"| {' | '.join(str(value) for value in pair.values())} |" for pair in pairs]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
