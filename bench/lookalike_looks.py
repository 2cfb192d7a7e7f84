"""Tracks of clips as rows of vectors: what a vote is about, whose a track is, and templates taken from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.seen import SeenClip, row_of, sampled
from mosaicast.adapters.embedders import Embedded, Quality
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.tracking import Tracker
from mosaicast.core.types import MediaTime, TrackId
from mosaicast.pipeline.recent import RecentVectors

Vectors = NDArray[np.float32]

POLICY = IdentityPolicy()
TEMPLATES = 10
"""Looks of a track that are enrolled."""
SHORTEST = 3
"""Looks: a shorter track has no three votes."""


@dataclass(slots=True)
class ClipTrack:
    """The looks of one track that may have a vote."""

    clip: str
    track_id: TrackId
    times: list[MediaTime] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """In the clip's `embedded`."""
    sides: list[float] = field(default_factory=list)
    """The shorter side of each box, pixels."""
    sharpness: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


def tracks_of(
    clip: SeenClip, first: int = 0, crops_every: int = 1, smallest_px: float = POLICY.smallest_face_px
) -> list[ClipTrack]:
    """Return the tracks of one phase, as the recognizer follows them."""
    tracker, found = Tracker(), dict[TrackId, ClipTrack]()
    for frame in sampled(clip.frames, first, crops_every):
        boxes, scores = [face.box for face in frame.faces], [face.score for face in frame.faces]
        for one in tracker.update(frame.time, boxes, scores, scene_cut=frame.scene_cut):
            row, side = row_of(frame.faces[one.index]), min(one.box.width, one.box.height)
            if row is None or side < smallest_px:
                continue
            track = found.setdefault(one.track_id, ClipTrack(clip.name, one.track_id))
            track.times.append(frame.time)
            track.rows.append(row)
            track.sides.append(side)
            track.sharpness.append(frame.faces[one.index].sharpness)
    return [track for track in found.values() if len(track) >= SHORTEST]


def with_votes(track: ClipTrack, clip: SeenClip, qualities: Mapping[str, Quality]) -> ClipTrack:
    """Return a track without the looks that have no vote in one of the networks."""
    good = np.ones(len(track), bool)
    for name, quality in qualities.items():
        if quality.votes_from is not None:
            good &= clip.embedded[name].lengths[track.rows] >= quality.votes_from
    least = max((quality.sharp_from or 0.0 for quality in qualities.values()), default=0.0)
    return sharp(chosen(track, np.flatnonzero(good)), least)


def sharp(track: ClipTrack, least: float) -> ClipTrack:
    """Return a track without its looks that are less sharp."""
    return chosen(track, np.flatnonzero(np.array(track.sharpness) >= least))


def chosen(track: ClipTrack, places: Iterable[int]) -> ClipTrack:
    """Return a track with these of its looks."""
    found = ClipTrack(track.clip, track.track_id)
    for place in places:
        found.times.append(track.times[place])
        found.rows.append(track.rows[place])
        found.sides.append(track.sides[place])
        found.sharpness.append(track.sharpness[place])
    return found


def windows(track: ClipTrack) -> Iterator[tuple[int, list[int]]]:
    """Yield what votes are about: the number of the newest look, and the rows of all that are averaged."""
    for end in range(SHORTEST, len(track) + 1):
        start = max(0, end - POLICY.window)
        since = float(track.times[end - 1]) - RecentVectors.LIFE_S
        rows = [row for row, time in zip(track.rows[start:end], track.times[start:end], strict=True) if time >= since]
        if len(rows) >= SHORTEST:
            yield end - 1, rows


def mean_of(embedded: Embedded, rows: Sequence[int]) -> Vectors:
    """Return the mean of some looks' raw vectors, of length 1: longer ones count for more."""
    weighted = embedded.vectors[list(rows)] * embedded.lengths[list(rows), None]
    mean = weighted.mean(axis=0)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0), np.float32)


def farthest_apart(vectors: Vectors, count: int = TEMPLATES) -> list[int]:
    """Return the rows of so many vectors that lie far apart: each next one is least like those before it.

    The first is the one most like the mean of all.
    """
    if not len(vectors):
        return []
    mean = vectors.mean(axis=0)
    picked = [int((vectors @ mean).argmax())]
    while len(picked) < min(count, len(vectors)):
        nearest = (vectors @ vectors[picked].T).max(axis=1)
        nearest[picked] = np.inf
        picked.append(int(nearest.argmin()))
    return picked
