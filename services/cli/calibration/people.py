"""Labelled pictures of people, turned into the scores of genuine and impostor comparisons.

Two forms: a folder with one sub-folder for each person, all pictures compared with all; or a folder of pictures and a
list of pairs. Vectors stay in memory, and nothing but scores and counts leaves this module.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import Detector, RawFace
from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.embedders import Embedder, Face
from mosaicast.adapters.media.photo_file import Decoded, PhotoError
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.pose import yaw_ratio
from mosaicast.imaging.crops import crop_square, sharpness
from mosaicast.imaging.types import Picture

Scores = NDArray[np.float64]
Vectors = NDArray[np.float32]

RIVAL_SHARE = 0.2
"""Another face is somebody in the background while its area is below this share of the largest."""
MOST_PICTURES = 4000
"""All with all are 8 million comparisons then, and 130 MB for each network."""

Verdict = Literal["ok", "unreadable", "no_face", "several_faces", "too_small", "blurred", "turned_away"]


class CalibrationError(Exception):
    """These pictures calibrate nothing; the text says why."""


class Reader(Protocol):
    """Reads pictures of strangers."""

    def read(self, path: Path) -> Decoded:
        """Return the picture in a file. Raises PhotoError."""


Progress = Callable[[Sequence[Path]], Iterable[Path]]
"""Passes the files through, and shows how many are done."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Scores of labelled comparisons, [n, networks], and of whole tracks."""

    networks: tuple[str, ...]
    genuine: Scores
    impostor: Scores
    persons: int
    person_pairs: int
    """Pairs of different persons: what independent evidence about strangers there is at most."""
    verdicts: Mapping[Verdict, int]
    unreadable: Sequence[str]
    """The first of them, with the reason."""
    own_tracks: Sequence[Scores] = ()
    """One for each person: the best score of each picture against the person's other ones, [pictures, networks]."""
    stranger_tracks: Sequence[Scores] = ()
    """One for each person and each other one: best scores of each picture against the other's."""


@dataclass(slots=True)
class PhotoEmbedder:
    """Finds, judges and embeds the one face of a picture, as the product does."""

    reader: Reader
    detector: Detector
    embedders: Sequence[Embedder]
    policy: IdentityPolicy = field(default_factory=IdentityPolicy)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names, in the order of the columns."""
        return tuple(one.name for one in self.embedders)

    def embed(self, path: Path) -> list[Vectors] | None:
        """Return one vector for each network; None if the picture does not pass, which is counted."""
        try:
            picture = self.reader.read(path).picture
        except PhotoError as exc:
            self.verdicts["unreadable"] += 1
            self.unreadable.append(f"{path.name}: {exc}")
            return None
        faces = self.detector.detect([picture], enroll_score())[0]
        verdict = judge(picture, faces, self.policy)
        self.verdicts[verdict] += 1
        if verdict != "ok":
            return None
        face = Face(picture, max(faces, key=lambda one: one.box.area).landmarks)
        return [embedder.embed([face]).vectors[0] for embedder in self.embedders]


def judge(picture: Picture, faces: Sequence[RawFace], policy: IdentityPolicy) -> Verdict:
    """Return whether the recognizer would embed the one face of a picture, or why not."""
    if not faces:
        return "no_face"
    first, *others = sorted(faces, key=lambda face: -face.box.area)
    if any(other.box.area > RIVAL_SHARE * first.box.area for other in others):
        return "several_faces"
    if min(first.box.width, first.box.height) < policy.smallest_face_px:
        return "too_small"
    if abs(yaw_ratio(first.landmarks)) > policy.yaw_limit:
        return "turned_away"
    crop = crop_square(picture, first.box)
    if crop is None or sharpness(crop.picture) < policy.least_sharpness:
        return "blurred"
    return "ok"


def from_folder(folder: Path, photos: PhotoEmbedder, progress: Progress) -> Comparisons:
    """Compare all pictures below `folder` with all: of one sub-folder is genuine, of two is an impostor.

    Raises:
        CalibrationError: there is nothing to compare.
        ModelError: a model failed.
    """
    named = _pictures(folder)
    vectors, labels = [], []
    persons = {path: place for place, paths in enumerate(named) for path in paths}
    for path in progress(list(persons)):
        found = photos.embed(path)
        if found is not None:
            vectors.append(found)
            labels.append(persons[path])
    _check(len(vectors), len(set(labels)), photos)
    return _all_with_all(vectors, np.array(labels), photos)


def _pictures(folder: Path) -> list[list[Path]]:
    """Return the files of each sub-folder that has any."""
    if not folder.is_dir():
        raise CalibrationError(f"{folder} is not a folder")
    homes = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    named = [[path for path in sorted(home.rglob("*")) if path.is_file() and path.name[0] != "."] for home in homes]
    named = [paths for paths in named if paths]
    if not named:
        raise CalibrationError(f"{folder} holds no pictures: it needs one sub-folder for each person")
    if len(named) == 1:
        raise CalibrationError(f"{folder} holds one person only: strangers are needed, one sub-folder for each person")
    count = sum(map(len, named))
    if count > MOST_PICTURES:
        raise CalibrationError(f"{folder} holds {count} pictures, more than {MOST_PICTURES}: list pairs of them")
    return named


def _check(pictures: int, persons: int, photos: PhotoEmbedder) -> None:
    why = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(photos.verdicts.items()))
    if pictures == 0:
        raise CalibrationError(f"in none of the pictures is there one face that can be compared ({why})")
    if persons == 1:
        raise CalibrationError(f"only one person has a face that can be compared ({why})")
    if pictures == persons:
        raise CalibrationError(f"nobody has two pictures with a face that can be compared ({why})")


def _all_with_all(
    vectors: Sequence[Sequence[Vectors]], labels: NDArray[np.int64], photos: PhotoEmbedder
) -> Comparisons:
    columns = range(len(photos.embedders))
    stacked = [np.stack([one[column] for one in vectors]) for column in columns]
    alike = [each @ each.T for each in stacked]
    first, second = np.triu_indices(len(labels), 1)
    same = labels[first] == labels[second]
    scores = np.stack([each[first, second] for each in alike], axis=1).astype(np.float64)
    own, strangers = _tracks(alike, labels)
    persons = len(set(labels.tolist()))
    return Comparisons(
        photos.networks,
        scores[same],
        scores[~same],
        persons,
        persons * (persons - 1) // 2,
        photos.verdicts,
        photos.unreadable,
        own,
        strangers,
    )


def _tracks(alike: Sequence[Vectors], labels: NDArray[np.int64]) -> tuple[list[Scores], list[Scores]]:
    """Return what each person's pictures reach against each person's, [pictures, networks]; labels are in order."""
    borders = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    best = []
    for each in alike:
        others = each.copy()
        np.fill_diagonal(others, -np.inf)  # a picture is no evidence for itself
        best.append(np.maximum.reduceat(others, borders, axis=1))
    reached = np.stack(best, axis=2).astype(np.float64)
    own, strangers = [], []
    for track, person in zip(np.split(reached, borders[1:]), range(len(borders)), strict=True):
        if len(track) > 1:
            own.append(track[:, person])
        strangers += [track[:, other] for other in range(len(borders)) if other != person]
    return own, strangers


def from_pairs(listed: Path, folder: Path, photos: PhotoEmbedder, progress: Progress) -> Comparisons:
    """Compare what a list names: CSV with the columns `file_a`, `file_b` and `same` (1 or 0), files inside `folder`.

    Raises:
        CalibrationError: the list does not read, or nothing of it can be compared.
        ModelError: a model failed.
    """
    rows = _rows(listed, folder)
    found = {path: photos.embed(path) for path in progress(sorted({path for a, b, _ in rows for path in (a, b)}))}
    scores: dict[bool, list[list[float]]] = {True: [], False: []}
    for a, b, same in rows:
        one, other = found[a], found[b]
        if one is not None and other is not None:
            scores[same].append([float(x @ y) for x, y in zip(one, other, strict=True)])
    for same, word in ((True, "the same person"), (False, "two persons")):
        if not scores[same]:
            raise CalibrationError(f"no pair of {word} can be compared ({dict(photos.verdicts)})")
    pairs = len(scores[False])
    genuine, impostor = np.array(scores[True]), np.array(scores[False])
    return Comparisons(photos.networks, genuine, impostor, 0, pairs, photos.verdicts, photos.unreadable)


def _rows(listed: Path, folder: Path) -> list[tuple[Path, Path, bool]]:
    try:
        with listed.open(newline="", encoding="utf-8") as file:
            rows = [(row["file_a"], row["file_b"], row["same"].strip()) for row in csv.DictReader(file)]
    except OSError as exc:
        raise CalibrationError(f"{listed} can't be read: {exc.strerror}") from exc
    except (KeyError, ValueError, AttributeError, TypeError, csv.Error) as exc:
        raise CalibrationError(f"{listed} has no columns file_a, file_b and same") from exc
    if not rows:
        raise CalibrationError(f"{listed} names no pairs")
    wrong = next((same for _, _, same in rows if same not in {"0", "1"}), None)
    if wrong is not None:
        raise CalibrationError(f"{listed}: `same` is 1 or 0, not {wrong!r}")
    return [(_inside(folder, a), _inside(folder, b), same == "1") for a, b, same in rows]


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CalibrationError(f"{name!r} lies outside {folder}")
    return path
