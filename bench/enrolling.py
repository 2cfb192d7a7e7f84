"""Measures enrolling: `MOSAICAST_DATA=... python -m bench.enrolling` prints tables and writes them as JSON.

Which photos are taken and which refused, alone and among a person's other ones; what becomes of a set in which somebody
else's photos lie; and what templates of small faces are worth: how often a person is recognised, and a stranger taken
for somebody, when the photos that were enrolled show faces of 30 to 80 pixels.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.recognition_data import Eye, FaceSet, Seen, korean
from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.embedders import Embedder
from mosaicast.adapters.embedders.cohort import CohortScorer, cohort_scorer, matching_of
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.photo_file import Decoded, read
from mosaicast.core.types import Box
from mosaicast.evaluation import calibration
from services.api.errors import PhotosDisagreeError
from services.api.people.enrollment import Enroller, Judged
from services.api.people.face_models import LocalModels, Vectors

SIZES_PX = (None, 80, 60, 50, 40, 30)
"""Shorter side of the faces that are enrolled; None: as they are."""
SENT_QUALITY = 85
"""JPEG quality of a photo that somebody made smaller."""
FARS = (0.001, 0.01, 0.04)


class Here:
    """Reads photos in this process: they are known."""

    def decode(self, data: bytes, part: Box | None = None) -> Decoded:
        """Return the pixels."""
        return read(data, part)


@dataclass(frozen=True, slots=True)
class Folder:
    """The photos of one person."""

    set_name: str
    person: str
    photos: list[Path]


def main() -> None:
    """Measure everything and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench/results/enrolling.json"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mosaicast-recognition")
    arguments = parser.parse_args()
    root = os.environ.get("MOSAICAST_DATA")
    if not root:
        sys.exit("MOSAICAST_DATA names no folder with labelled faces")
    cv2.setNumThreads(1)
    results = measure(Path(root), arguments.cache)
    print(markdown(results))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(root: Path, cache: Path) -> dict[str, Any]:
    """Return every figure."""
    embedders: dict[str, Embedder] = {"dlib": DlibResnet(), "facenet": FacenetCasia()}
    models = LocalModels(make_detector("centerface"), list(embedders.values()))
    enroller = Enroller(Here(), models)
    listed = list(folders(root))
    judged = {one.set_name + "/" + one.person: judged_alone(enroller, one) for one in listed}
    names = dict.fromkeys(one.set_name for one in listed)
    by_set = {name: {who: one for who, one in judged.items() if who.startswith(f"{name}/")} for name in names}
    eye = Eye(make_detector("centerface"), embedders, cache)
    known = korean(root, eye, lambda: None)
    return {
        "photos": {name: taken(enroller, people) for name, people in by_set.items()},
        "mixed": {name: mixed(enroller, people) for name, people in by_set.items() if len(people) > 1},
        "sizes": [at_size(size, root, known, models, embedders) for size in SIZES_PX],
    }


def folders(root: Path) -> Iterator[Folder]:
    """Yield everybody of whom the data folder has photos to enroll with."""
    for home in sorted((root / "faces" / "kr_enrol_50").glob("person*")):
        yield Folder("kr_enrol_50", home.name, sorted(home.glob("ref_*")))
    for home in sorted((root / "faces" / "dlib_johns").iterdir()):
        yield Folder("dlib_johns", home.name, sorted(home.iterdir()))
    for clip in sorted((root / "video" / "enrol").iterdir()):
        homes = [path for path in sorted(clip.iterdir()) if path.is_dir()] or [clip]
        for home in homes:
            yield Folder("clips", home.name, sorted(path for path in home.iterdir() if path.is_file()))


def judged_alone(enroller: Enroller, folder: Folder) -> list[Judged]:
    """Return the verdict on each photo by itself."""
    return [enroller.judge(path.name, path.read_bytes()) for path in folder.photos]


# --- what is taken --------------------------------------------------------------------------------------------


def taken(enroller: Enroller, people: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """Return the verdicts in one set, each photo among its person's other ones."""
    verdicts: Counter[str] = Counter()
    refused = 0
    for judged in people.values():
        try:
            settled = enroller.settle(judged)
        except PhotosDisagreeError:
            refused += 1
            settled = list(judged)
            verdicts["of a set refused whole"] += sum(one.good is not None for one in settled)
            settled = [one for one in settled if one.good is None]
        verdicts.update(one.verdict for one in settled)
    return {
        "people": len(people),
        "photos": sum(map(len, people.values())),
        "verdicts": dict(verdicts.most_common()),
        "sets refused whole": refused,
        "people without a photo": sum(all(one.good is None for one in judged) for judged in people.values()),
    }


def mixed(enroller: Enroller, people: Mapping[str, Sequence[Judged]]) -> dict[str, dict[str, int]]:
    """Return what becomes of sets that show two people; `both` would be one template of both."""
    good = {who: [one for one in judged if one.good is not None] for who, judged in people.items()}
    found: dict[str, Counter[str]] = {"one of each": Counter(), "all and one": Counter(), "two of each": Counter()}
    for one, other in itertools.permutations(good, 2):
        mine, theirs = good[one], good[other]
        if mine and theirs and one < other:
            found["one of each"][outcome(enroller, mine[:1], theirs[:1])] += 1
        if len(mine) > 1:
            found["all and one"].update(outcome(enroller, mine, [photo]) for photo in theirs)
        if len(mine) > 1 and len(theirs) > 1 and one < other:
            found["two of each"][outcome(enroller, mine[:2], theirs[:2])] += 1
    return {kind: dict(counts.most_common()) for kind, counts in found.items()}


def outcome(enroller: Enroller, mine: Sequence[Judged], theirs: Sequence[Judged]) -> str:
    """Return whose photos are used of a mixed set: `both`, `one`, or none: `refused`."""
    try:
        settled = enroller.settle([*mine, *theirs])
    except PhotosDisagreeError:
        return "refused"
    used = [one.good is not None for one in settled]
    return "both" if any(used[: len(mine)]) and any(used[len(mine) :]) else "one"


# --- small faces ----------------------------------------------------------------------------------------------


def at_size(
    size_px: int | None, root: Path, known: FaceSet, models: LocalModels, embedders: Mapping[str, Embedder]
) -> dict[str, Any]:
    """Return what templates are worth whose photos show faces of one size."""
    enrolled = {name: sized(root / "faces" / "kr_enrol_50" / name, size_px, models) for name in known.people}
    scores: dict[bool, list[NDArray[np.float64]]] = {True: [], False: []}
    rule = [cohort_scorer(one.name, one.version) for one in embedders.values()]
    floors = [CohortScorer(matching_of(one.name).alone) for one in embedders.values()]
    passed: Counter[tuple[bool, str]] = Counter()
    for who, same, look in held(known):
        if not enrolled[who]:
            continue
        cosines, sides = compared(look, enrolled[who], list(embedders), (rule, floors))
        scores[same].append(cosines)
        passed.update((same, name) for name, ok in zip(("rule", "floors"), sides, strict=True) if ok)
    own, others = (np.array(scores[same]) for same in (True, False))
    summed = calibration.z_sum(own, others), calibration.z_sum(others, others)
    return {
        "face_px": size_px,
        "photos": sum(map(len, enrolled.values())),
        "tar": {str(far): round(calibration.tar_at_far(*summed, far).true_match_rate, 3) for far in FARS},
        "own looks that pass": {name: passed[True, name] for name in ("rule", "floors")},
        "of own": len(own),
        "stranger looks that pass": {name: passed[False, name] for name in ("rule", "floors")},
        "of strangers": len(others),
        "mean cosine to strangers": [round(float(one), 4) for one in others.mean(axis=0)],
    }


def held(known: FaceSet) -> Iterator[tuple[str, bool, Seen]]:
    """Yield who is enrolled, whether a look is of the same person, and the look: from other photos than enrolled."""
    for who in known.people:
        for other, person in known.people.items():
            looks = person.looks if who == other else [*person.looks, *person.references]
            yield from ((who, who == other, look) for look in looks)
        for _, look, without in known.bystanders:
            if who not in without:
                yield who, False, look


def sized(home: Path, size_px: int | None, models: LocalModels) -> list[Vectors]:
    """Return the vectors of a person's photos, made so small that the face has this size."""
    found = (embedded(path, size_px, models) for path in sorted(home.glob("ref_*")))
    return [one for one in found if one is not None]


def embedded(path: Path, size_px: int | None, models: LocalModels) -> Vectors | None:
    """Return the vectors of a photo; None: no face is found, or the face is smaller anyway."""
    picture = read(path.read_bytes()).picture
    if size_px is not None:
        faces = models.find(picture, enroll_score())
        largest = max((face.box for face in faces), key=lambda box: box.area, default=None)
        if largest is None or min(largest.width, largest.height) < size_px:
            return None
        scale = size_px / min(largest.width, largest.height)
        small = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        picture = jpeg.decode(jpeg.encode(small, SENT_QUALITY))
    return models.embed_largest(picture, enroll_score())


def compared(
    look: Seen, enrolled: Sequence[Vectors], names: Sequence[str], rules: Sequence[Sequence[CohortScorer]]
) -> tuple[NDArray[np.float64], list[bool]]:
    """Return the cosine to the best photo, by network, and whether all networks agree by each rule."""
    stacks = [np.stack([face[place] for face in enrolled]) for place in range(len(names))]
    probes = [look.probe[name][None] for name in names]
    cosines = [float((probe @ stack.T).max()) for probe, stack in zip(probes, stacks, strict=True)]
    agreed = [
        all(bool(one(probe, stack).max() >= 0) for one, probe, stack in zip(rule, probes, stacks, strict=True))
        for rule in rules
    ]
    return np.array(cosines), agreed


# --- what is shown --------------------------------------------------------------------------------------------


def markdown(results: Mapping[str, Any]) -> str:
    """Return the tables for people."""
    lines = ["| set | people | photos | verdicts | sets refused whole |", "|---|---|---|---|---|"]
    for name, one in results["photos"].items():
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in one["verdicts"].items())
        lines.append(f"| {name} | {one['people']} | {one['photos']} | {verdicts} | {one['sets refused whole']} |")
    lines += ["", "| mixed sets | kind | both used | one used | refused |", "|---|---|---|---|---|"]
    for name, kinds in results["mixed"].items():
        for kind, counts in kinds.items():
            shown = " | ".join(str(counts.get(key, 0)) for key in ("both", "one", "refused"))
            lines.append(f"| {name} | {kind} | {shown} |")
    lines += [
        "",
        "| face, px | TAR at FAR .1 / 1 / 4 % | own looks that pass | strangers that pass (floors) |",
    ]
    lines.append("|---|---|---|---|")
    for one in results["sizes"]:
        tars = " / ".join(f"{tar:.3f}" for tar in one["tar"].values())
        own, others = one["own looks that pass"], one["stranger looks that pass"]
        lines.append(
            f"| {one['face_px'] or 'as it is'} | {tars} | {own['rule']} of {one['of own']} "
            f"| {others['rule']} ({others['floors']}) of {one['of strangers']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
