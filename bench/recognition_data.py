"""The labelled faces that `bench.recognition` measures: found, gated and embedded once, kept in a cache folder."""

import csv
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors import Detector, RawFace
from mosaicast.adapters.embedders import Embedder, Face
from mosaicast.adapters.media import jpeg
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.pose import yaw_ratio
from mosaicast.core.types import Box
from mosaicast.imaging.crops import crop_square, sharpness
from mosaicast.imaging.types import Picture
from services.cli.calibration.boxes import overlap

Vectors = NDArray[np.float32]

LONGEST_SIDE = 1600
"""What the api shrinks a photo to."""
CROP_QUALITY = 90
"""The detector's."""
REFERENCES = 3
IN_COHORT = 250
"""Western faces; more would outnumber the Korean ones."""
WRONG_LABELS = frozenset({("person41", "person31")})
"""Bystanders of the first one's group photo, references of the second one: one of the bystanders is the second man
himself, seen by eye (all networks agree). Left out."""
WRONG_FILES = frozenset({"Chok_Tong_Goh_0001.jpg"})
"""Of LFW: shows another of its people, seen by eye. Left out."""
SAME = 0.35
"""`pseudo_gt.json` was made with a network that is none of the packaged ones; at this cosine to the references a face
of a group photo is the person. The highest of a photo counts, the others above it are left out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One face that passed the recognizer's gate."""

    box: Box
    """In pixels of the file."""
    size_px: float
    probe: Mapping[str, Vectors]
    """By network, from the detector's crop: 160 px, JPEG."""
    enrolled: Mapping[str, Vectors]
    """By network, from the whole photo, as the api embeds it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with photos of their own."""

    references: list[Seen]
    looks: list[Seen]
    """Other photos."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison that a set names itself."""

    reference: Seen
    look: Seen
    same: bool
    apart: bool
    """Neither of the two is in the set's cohort."""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """One labelled set."""

    name: str
    people: dict[str, Person]
    bystanders: list[tuple[str, Seen, frozenset[str]]] = field(default_factory=list)
    """A name that nobody has, the face, and the people whom it is not compared with."""
    pairs: list[Pair] = field(default_factory=list)
    cohort: list[Seen] = field(default_factory=list)
    """Faces of people who are judged nowhere but in pairs that are not `apart`."""
    left_out: int = 0
    """Photos, or pairs, without a face that passes the gate."""


class Eye:
    """Finds and embeds faces as the product does.

    Args:
        embedders: by the name of the column.
        cache: folder; one file for each picture, its name made of the picture's bytes and the models' versions.
    """

    def __init__(self, detector: Detector, embedders: Mapping[str, Embedder], cache: Path) -> None:
        self._detector, self._embedders, self._cache = detector, embedders, cache
        self._policy = IdentityPolicy()
        self._versions = ",".join(f"{name}:{one.version}" for name, one in sorted(embedders.items()))
        cache.mkdir(parents=True, exist_ok=True)

    def look(self, path: Path) -> list[Seen]:
        """Return the faces of a picture that pass the gate, largest first."""
        data = path.read_bytes()
        gate = f"{self._policy.smallest_face_px} {self._policy.yaw_limit} {self._policy.least_sharpness}"
        key = hashlib.sha256(f"1 {self._detector.name} {self._versions} {gate}".encode() + data).hexdigest()
        held = self._cache / f"{key[:32]}.npz"
        if not held.is_file():
            part = held.with_suffix(".part")
            with part.open("wb") as file:
                np.savez(file, **cast(Any, self._packed(self._found(data))))
            part.replace(held)
        with np.load(held) as arrays:
            return self._unpacked(arrays)

    def _found(self, data: bytes) -> list[Seen]:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            return []
        scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
        if scale < 1.0:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = np.asarray(picture, np.uint8)
        faces = self._detector.detect([small], 0.3)[0]
        seen = [self._seen(small, face, scale) for face in sorted(faces, key=lambda face: -face.box.area)]
        return [one for one in seen if one is not None]

    def _seen(self, picture: Picture, face: RawFace, scale: float) -> Seen | None:
        size = min(face.box.width, face.box.height)
        crop = crop_square(picture, face.box)
        if (
            crop is None
            or size < self._policy.smallest_face_px
            or abs(yaw_ratio(face.landmarks)) > self._policy.yaw_limit
        ):
            return None
        if sharpness(crop.picture) < self._policy.least_sharpness:
            return None
        coded = jpeg.decode(jpeg.encode(crop.picture, CROP_QUALITY))
        probe, whole = Face(coded, crop.to_crop(face.landmarks)), Face(picture, face.landmarks)
        return Seen(
            Box(*(number / scale for number in face.box)),
            size,
            {name: one.embed([probe]).vectors[0] for name, one in self._embedders.items()},
            {name: one.embed([whole]).vectors[0] for name, one in self._embedders.items()},
        )

    def _packed(self, seen: Sequence[Seen]) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {"boxes": np.array([(*one.box, one.size_px) for one in seen]).reshape(-1, 5)}
        for name, embedder in self._embedders.items():
            shape = (-1, embedder.dimension)
            arrays[f"probe {name}"] = np.array([one.probe[name] for one in seen], np.float32).reshape(shape)
            arrays[f"enrolled {name}"] = np.array([one.enrolled[name] for one in seen], np.float32).reshape(shape)
        return arrays

    def _unpacked(self, arrays: Mapping[str, NDArray[Any]]) -> list[Seen]:
        probe = {name: arrays[f"probe {name}"] for name in self._embedders}
        enrolled = {name: arrays[f"enrolled {name}"] for name in self._embedders}
        return [
            Seen(
                Box(*(float(number) for number in row[:4])),
                float(row[4]),
                {name: vectors[place] for name, vectors in probe.items()},
                {name: vectors[place] for name, vectors in enrolled.items()},
            )
            for place, row in enumerate(arrays["boxes"])
        ]


def korean(root: Path, eye: Eye, tick: Callable[[], None]) -> FaceSet:
    """Return `faces/kr_enrol_50`: three references of each person, a group photo with them and others."""
    folder = root / "faces" / "kr_enrol_50"
    truth = json.loads((folder / "pseudo_gt.json").read_text())
    people, bystanders, left_out = {}, [], 0
    for home in sorted(path for path in folder.iterdir() if path.is_dir()):
        references = [_largest(eye, path) for path in sorted(home.glob("ref_*"))]
        own, others = _group(eye.look(home / "test_group.jpg"), truth[home.name]["faces"])
        left_out += sum(one is None for one in references) + (own is None)
        people[home.name] = Person([one for one in references if one], [own] if own else [])
        without = frozenset(b for a, b in WRONG_LABELS if a == home.name)
        bystanders += [(f"{home.name} bystander {number}", one, without) for number, one in enumerate(others)]
        tick()
    return FaceSet("kr_enrol_50", people, bystanders, left_out=left_out)


def _group(seen: Sequence[Seen], truth: Sequence[Mapping[str, Any]]) -> tuple[Seen | None, list[Seen]]:
    """Return the person's own face in a group photo, and those of others."""
    matched = [(one, _cosine(one, truth)) for one in seen]
    known = [(one, cosine) for one, cosine in matched if cosine is not None]
    own = max(known, key=lambda pair: pair[1], default=None)
    others = [one for one, cosine in known if cosine < SAME]
    return (own[0] if own is not None and own[1] >= SAME else None), others


def _cosine(one: Seen, truth: Sequence[Mapping[str, Any]]) -> float | None:
    best = max(truth, key=lambda face: overlap(one.box, Box(*face["box_xyxy"])), default=None)
    return float(best["cos_to_enrolled"]) if best and overlap(one.box, Box(*best["box_xyxy"])) >= 0.4 else None


def johns(root: Path, eye: Eye, tick: Callable[[], None]) -> FaceSet:
    """Return `faces/dlib_johns`: five men, eleven crops each; the first three are enrolled."""
    people, left_out = {}, 0
    for home in sorted(path for path in (root / "faces" / "dlib_johns").iterdir() if path.is_dir()):
        found = [_largest(eye, path) for path in sorted(home.iterdir())]
        good = [one for one in found if one is not None]
        people[home.name] = Person(good[:REFERENCES], good[REFERENCES:])
        left_out += len(found) - len(good)
        tick()
    return FaceSet("dlib_johns", people, left_out=left_out)


def lfw(root: Path, eye: Eye, tick: Callable[[], None]) -> list[FaceSet]:
    """Return `lfw/pairs.csv`, and everybody of it against everybody else, one photo of each.

    The second ones of the first pairs are the cohort.
    """
    seen: dict[str, Seen | None] = {}
    for number, path in enumerate(sorted((root / "lfw" / "images").iterdir())):
        seen[path.name] = None if path.name in WRONG_FILES else _largest(eye, path)
        if number % 50 == 0:
            tick()
    first: dict[str, Seen] = {}
    for photo, one in seen.items():
        if one is not None:
            first.setdefault(_name(photo), one)
    with (root / "lfw" / "pairs.csv").open(newline="") as file:
        listed = [(row["file_a"], row["file_b"], row["same"] == "1") for row in csv.DictReader(file)]
    usable = [(a, b, same) for a, b, same in listed if seen.get(a) and seen.get(b)]
    in_cohort = {_name(b) for _, b, _ in usable[:IN_COHORT]}
    pairs = [
        Pair(one, other, same, not in_cohort & {_name(a), _name(b)})
        for a, b, same in usable
        if (one := seen[a]) is not None and (other := seen[b]) is not None
    ]
    everybody = [
        Pair(first[a], first[b], False, not in_cohort & {a, b}) for a, b in itertools.combinations(sorted(first), 2)
    ]
    listed_set = FaceSet(
        "lfw", {}, pairs=pairs, cohort=[pair.look for pair in pairs[:IN_COHORT]], left_out=len(listed) - len(pairs)
    )
    return [listed_set, FaceSet("lfw, all with all", {}, pairs=everybody)]


def _name(file: str) -> str:
    return file.rsplit("_", 1)[0]


def _largest(eye: Eye, path: Path) -> Seen | None:
    return next(iter(eye.look(path)), None)
