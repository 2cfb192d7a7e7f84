"""Templates from a clip's own first seconds, as `mosaicast enroll --video` takes them from a video."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.lookalike_looks import TEMPLATES, farthest_apart
from bench.replay_parts import OWNER, Clip, MemoryGallery
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.messages import Detections, FaceDetection
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.tracking import Tracker
from mosaicast.core.types import MediaTime, OwnerId, PersonId, TrackId
from mosaicast.pipeline.analyse import Job, analyse
from mosaicast.pipeline.match import face_in
from mosaicast.pipeline.ports import Face

Vectors = NDArray[np.float32]

SMALLEST_PX = IdentityPolicy().smallest_face_px
LEAST_SHARPNESS = 80.0
"""As the api asks of looks to enroll with: faces out of focus are alike, whoever they are."""


@dataclass(slots=True)
class Stretch:
    """One face without a break."""

    times: list[MediaTime] = field(default_factory=list)
    faces: list[FaceDetection] = field(default_factory=list)


def enroll_from(clip: Clip, gallery: MemoryGallery, known: MemoryGallery, seconds: float) -> dict[str, int]:
    """Give everybody enrolled templates from the first seconds in which they are seen; return how many each got.

    Args:
        known: the witness's gallery: it says whose a stretch is, as the owner would.
        seconds: from the first look on.
    """
    if seconds <= 0 or not gallery.people:
        return {}
    found: dict[str, int] = {}
    own: dict[PersonId, list[Stretch]] = {}
    for stretch in stretches(clip, gallery):
        person = whose(stretch, known)
        if person is not None:
            own.setdefault(person, []).append(stretch)
    for person, mine in own.items():
        until = min(stretch.times[0] for stretch in mine) + MediaTime(seconds).limit_denominator(1000)
        parts = [[face for face, time in zip(one.faces, one.times, strict=True) if time <= until] for one in mine]
        longest = max(parts, key=len)
        spaces = [embedder.embed([_face(face) for face in longest]).vectors for embedder in gallery.embedders]
        chosen = farthest_apart(spaces[0], TEMPLATES)
        gallery.add_templates(person, [vectors[chosen] for vectors in spaces])
        found[person] = len(chosen)
    return found


def stretches(clip: Clip, gallery: MemoryGallery) -> Iterator[Stretch]:
    """Yield each face of a clip from one doubt to the next: its looks that are good enough to enroll with."""
    tracker, found = Tracker(), dict[TrackId, Stretch]()
    for sample in clip.samples:
        seen = analyse(gallery.detector, jpeg, [Job(sample, crops=True)])[0]
        if not isinstance(seen, Detections):
            continue
        boxes, scores = [face.box for face in seen.faces], [face.score for face in seen.faces]
        for one in tracker.update(seen.time, boxes, scores, scene_cut=seen.scene_cut):
            face = seen.faces[one.index]
            if (one.ambiguous or one.overlaps or one.jumped) and one.track_id in found:
                yield found.pop(one.track_id)
            elif _is_good(face):
                stretch = found.setdefault(one.track_id, Stretch())
                stretch.times.append(seen.time)
                stretch.faces.append(face)
    yield from found.values()


def _is_good(face: FaceDetection) -> bool:
    large = min(face.box.width, face.box.height) >= SMALLEST_PX
    return face.crop is not None and large and face.sharpness >= LEAST_SHARPNESS


def whose(stretch: Stretch, known: MemoryGallery) -> PersonId | None:
    """Return the person to whom the mean of a stretch is alike enough."""
    matcher = known.matchers()[0]
    mean = matcher.embedder.embed([_face(face) for face in stretch.faces]).vectors.mean(axis=0)
    mean /= np.linalg.norm(mean) or 1.0
    best = matcher.gallery.search(OwnerId(OWNER), mean[None])[0][0]
    return best.person_id if best.similarity >= 0 else None


def _face(face: FaceDetection) -> Face:
    assert face.crop is not None
    return face_in(jpeg, face.crop, face.landmarks)
