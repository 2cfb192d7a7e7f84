"""Who is enrolled, each alone, and who the strangers are: photos of the labelled sets, and tracks of the clips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.lookalike_looks import (
    POLICY,
    TEMPLATES,
    ClipTrack,
    farthest_apart,
    mean_of,
    sharp,
    tracks_of,
    windows,
    with_votes,
)
from bench.networks import WITNESS
from bench.recognition_data import Eye, FaceSet, Seen
from bench.seen import SeenClip
from mosaicast.adapters.embedders import Quality
from mosaicast.core.types import TrackId

Vectors = NDArray[np.float32]
Flags = NDArray[np.bool_]

SAME = 0.35
"""From this mean cosine of the witness on, a track is an enrolled person's own; see `pseudo_gt.json`."""
UNSURE = 0.2
"""From here to `SAME` a track of the same clip may be the same person's: in no figure, only counted."""
FOLDERS = "video/enrol"
TRACK, UNLABELLED = "track", "unlabelled"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
TWINS = frozenset({"grok_generated_walkers"})
"""Clips by a generator that drew one face twice, seen by eye (all networks agree): not held against themselves."""
SHOWN_TOO = frozenset({("obama", "ob.jpg"), ("biden_not_in_clip", "ob.jpg"), ("person31", "mrsingh_group.jpg")})
"""Whom pictures without labels show too, seen by eye."""
LEAST_SHARPNESS = 80.0
"""As the api asks of looks to enroll with: faces out of focus are alike, whoever they are."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person, enrolled alone."""

    person: str
    source: str
    """`photos`, `photo 2`, or the track that the templates are from."""
    scene: str
    """Where the person may be: a set, or a clip."""
    vectors: Mapping[str, Vectors]
    """By network, the witness's too: [templates, dimension]."""
    beside: frozenset[str] = frozenset()
    """Of a track: keys of those that were in the picture with it: of other people for certain."""


@dataclass(slots=True)
class Strangers:
    """What is held against everybody enrolled: means of looks, one a row."""

    where: list[str] = field(default_factory=list)
    scenes: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    """Label of the set, `TRACK` or `UNLABELLED`."""
    keys: list[str] = field(default_factory=list)
    """The same for all looks of one track."""
    means: list[bool] = field(default_factory=list)
    """Of several looks, as a vote is; else of one photo."""
    parts: dict[str, list[Vectors]] = field(default_factory=dict)

    def add(  # noqa: PLR0913 - a row
        self, where: str, scene: str, person: str, key: str, vectors: Mapping[str, Vectors], *, mean: bool = False
    ) -> None:
        """Take in a row."""
        self.where.append(where)
        self.scenes.append(scene)
        self.people.append(person)
        self.keys.append(key)
        self.means.append(mean)
        for name, vector in vectors.items():
            self.parts.setdefault(name, []).append(vector)


def scene_of(clip: str) -> str:
    """Return what clips of the same people have in common: their name without the number."""
    return Path(clip).stem.rstrip("0123456789")


# --- enrolled -------------------------------------------------------------------------------------------------


def by_photos(person: str, scene: str, photos: Sequence[Seen]) -> Iterator[Enrolled]:
    """Yield a person with all photos, and with each one alone."""
    stacks = {name: np.stack([photo.enrolled[name] for photo in photos]) for name in photos[0].enrolled}
    yield Enrolled(person, "photos", scene, stacks)
    if len(photos) > 1:
        for place in range(len(photos)):
            yield Enrolled(person, f"photo {place + 1}", scene, {name: one[[place]] for name, one in stacks.items()})


def in_sets(sets: Sequence[FaceSet]) -> Iterator[Enrolled]:
    """Yield everybody of the labelled sets; of pairs the first photos."""
    for one in sets:
        for name, person in one.people.items():
            if person.references:
                yield from by_photos(name, one.name, person.references)


def in_folders(root: Path, eye: Eye) -> Iterator[Enrolled]:
    """Yield the people of the clips, by their photos."""
    for home in sorted({path.parent for path in (root / "video" / "enrol").rglob("*") if path.is_file()}):
        seen = [eye.look(path) for path in sorted(home.iterdir())]
        photos = [faces[0] for faces in seen if faces]
        if photos:
            yield from by_photos(home.name, FOLDERS, photos)


def by_tracks(clip: SeenClip, qualities: Mapping[str, Quality]) -> Iterator[Enrolled]:
    """Yield everybody in a clip, by the looks of each long track."""
    tracks = tracks_of(clip)
    for whole in tracks:
        track = sharp(with_votes(whole, clip, qualities), LEAST_SHARPNESS)
        if len(track) < TEMPLATES:
            continue
        first = next(iter(qualities))
        chosen = [track.rows[place] for place in farthest_apart(clip.embedded[first].vectors[track.rows])]
        vectors = {name: one.vectors[chosen] for name, one in clip.embedded.items()}
        name = f"{Path(clip.name).stem} #{track.track_id}"
        yield Enrolled(name, "track", scene_of(clip.name), vectors, frozenset(beside(whole, tracks)))


def key_of(track: ClipTrack, phase: int) -> str:
    """Return the key of a track."""
    return f"{track.clip} {phase} {track.track_id}"


def beside(one: ClipTrack, tracks: Sequence[ClipTrack]) -> Iterator[str]:
    """Yield the tracks of phase 0 that were in a picture with this one."""
    times = set(one.times)
    for other in tracks:
        if other.track_id != one.track_id and times & set(other.times):
            yield key_of(other, 0)


# --- strangers ------------------------------------------------------------------------------------------------


def add_clip(
    strangers: Strangers, clip: SeenClip, phase: int, crops_every: int, qualities: Mapping[str, Quality]
) -> None:
    """Take in what votes about a clip's tracks would be about, at one phase of the samples."""
    for whole in tracks_of(clip, phase, crops_every):
        track = with_votes(whole, clip, qualities)
        for place, rows in windows(track):
            where = f"{Path(clip.name).stem} {float(track.times[place]):.2f} s, {track.sides[place]:.0f} px"
            vectors = {name: mean_of(one, rows) for name, one in clip.embedded.items()}
            strangers.add(where, scene_of(clip.name), TRACK, key_of(track, phase), vectors, mean=True)


def add_sets(strangers: Strangers, sets: Sequence[FaceSet]) -> None:
    """Take in the labelled sets: each photo, and the mean of each person's."""
    for one in sets:
        for name, person in one.people.items():
            photos = [*person.references, *person.looks]
            for place, photo in enumerate(photos):
                strangers.add(f"{name} {place + 1}", one.name, name, f"{name} {place + 1}", photo.probe)
            if len(photos) >= POLICY.votes:
                means = {
                    each: _mean([photo.probe[each] for photo in photos[: POLICY.window]]) for each in photos[0].probe
                }
                strangers.add(f"{name}, mean", one.name, name, name, means, mean=True)
        for label, look, without in one.bystanders:
            if not without:
                strangers.add(label, one.name, label, label, look.probe)


def add_pictures(strangers: Strangers, root: Path, folder: str, eye: Eye) -> None:
    """Take in every face of pictures without labels."""
    for path in sorted((root / folder).rglob("*")):
        if path.suffix.lower() in PICTURES:
            for place, face in enumerate(eye.look(path)):
                where = f"{path.name} {place + 1}"
                strangers.add(where, folder, UNLABELLED, where, face.probe)


def _mean(vectors: Sequence[Vectors]) -> Vectors:
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0), np.float32)


# --- whose is whose -------------------------------------------------------------------------------------------


def somebody_else(one: Enrolled, strangers: Strangers, known: NDArray[np.float32]) -> tuple[Flags, int]:
    """Return which rows surely show somebody else than one enrolled person, and how many might.

    Args:
        known: the witness's cosine of each row to the person.
    """
    labels, scenes, keys = (np.array(each) for each in (strangers.people, strangers.scenes, strangers.keys))
    groups = np.unique(keys, return_inverse=True)[1]
    alike = (np.bincount(groups, known) / np.bincount(groups))[groups]
    unlabelled = (labels == TRACK) | (labels == UNLABELLED)
    own = np.where(unlabelled, alike >= SAME, (labels == one.person) & (scenes == one.scene))
    possible = (scenes == one.scene) & (labels == TRACK) & (alike >= UNSURE)
    unsure = possible & ~own & ~np.isin(keys, list(one.beside))
    files = np.array([where.rpartition(" ")[0] for where in strangers.where])
    own |= np.isin(files, [file for person, file in SHOWN_TOO if person == one.person]) & (labels == UNLABELLED)
    own |= (scenes == one.scene) & np.array([scene.startswith(tuple(TWINS)) for scene in scenes])
    return ~own & ~unsure, int(unsure.sum())


def own_tracks(one: Enrolled, clip: SeenClip, tracks: Sequence[ClipTrack], phase: int) -> set[TrackId]:
    """Return the tracks of a clip that are the person's, or may be."""
    scene = scene_of(clip.name)
    if scene == one.scene and scene.startswith(tuple(TWINS)):
        return {track.track_id for track in tracks}
    least = UNSURE if scene == one.scene else SAME
    found = set[TrackId]()
    for track in tracks:
        known = clip.embedded[WITNESS].vectors[track.rows] @ one.vectors[WITNESS].T
        if key_of(track, phase) not in one.beside and float(known.max(axis=1).mean()) >= least:
            found.add(track.track_id)
    return found
