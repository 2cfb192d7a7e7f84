"""Whom faces are like: a network makes a vector, averages it over a track's newest ones, and searches its gallery."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.contracts.messages import FaceCrop, FaceDetection
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId, TrackId
from mosaicast.imaging.crops import map_landmarks
from mosaicast.pipeline.ports import Embedder, Face, Jpeg

Vector = NDArray[np.float32]

BATCH = 4
"""Faces taken at once and searched for with one request; few, so that live the gallery is checked in between."""


class Gallery(Protocol):
    """Where one network's templates are. Every method may raise GalleryUnavailable."""

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return the people most like each vector."""

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""

    def forget(self, owner: str) -> None:
        """Let go of what was read of an owner; never fails."""

    def check(self) -> bool:
        """Make sure that the store is there; True: it may have changed."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One face to recognise."""

    stream_id: str
    epoch: int
    track_id: TrackId
    ask: int
    owner: OwnerId
    face: FaceDetection
    urgent: bool = False
    since: int = 0
    """The oldest request of this track whose face is surely the same."""
    window: int = 1
    """So many of the newest requests since then are averaged, this one included."""
    second_from: float | None = None
    """Ask the second network if the first one's best match reaches this; None: do not."""


class RecentVectors:
    """The newest vectors of each track, in memory for seconds: what is averaged, and nothing else.

    Vectors of strangers live here and nowhere else, and no longer than this.
    """

    KEPT = 8
    """Of one track: more than any window."""
    TRACKS = 256
    LIFE_S = 0.8
    """Older vectors are not averaged: those before a pause may show another face or pose."""

    def __init__(self) -> None:
        self._tracks: OrderedDict[tuple[str, int, TrackId], deque[tuple[int, float, Vector]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracks)

    def averaged(self, request: EmbeddingRequest, vector: Vector, now: float) -> Vector:
        """Take in the vector of a request and return the mean to search for, of length 1."""
        self.forget_before(now - self.LIFE_S)
        key = (request.stream_id, request.epoch, request.track_id)
        recent = self._tracks.setdefault(key, deque(maxlen=self.KEPT))
        self._tracks.move_to_end(key)
        recent.append((request.ask, now, vector))
        while len(self._tracks) > self.TRACKS:
            self._tracks.popitem(last=False)
        same = [kept for ask, at_s, kept in recent if ask >= request.since and now - at_s <= self.LIFE_S][
            -request.window :
        ]
        if len(same) < 2:
            return vector
        mean: Vector = np.mean(same, axis=0, dtype=np.float32)
        length = np.float32(np.linalg.norm(mean))
        return np.asarray(mean / length, np.float32) if length > 0 else vector

    def forget_before(self, time_s: float) -> None:
        """Forget tracks without a request since `time_s`."""
        while self._tracks and next(iter(self._tracks.values()))[-1][1] < time_s:
            self._tracks.popitem(last=False)


@dataclass(slots=True)
class FaceMatcher:
    """A network, its gallery, and what it saw of each track lately."""

    embedder: Embedder
    gallery: Gallery
    recent: RecentVectors = field(default_factory=RecentVectors)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; None: nothing can be said."""

    request: EmbeddingRequest
    matches: Sequence[Match] | None
    second: Sequence[Match] | None = None
    """Of the second network; None: not asked, or no answer."""


ReadFace = Callable[[EmbeddingRequest], Face | None]
"""Returns the face to embed; None: it can't be read."""
Embed = Callable[[FaceMatcher, Sequence[tuple[EmbeddingRequest, Face]]], "list[Vector | None]"]
"""Returns the vector of each face, averaged; None: there is none."""
Search = Callable[[Gallery, OwnerId, Sequence[Vector]], "list[list[Match]] | None"]
"""Returns the people most like each vector; None: the gallery gives no answer."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Asks the first network about every face, and the second, ten times as expensive, where a request wants it and
    the first says yes."""

    read_face: ReadFace
    embed: Embed
    search: Search

    def answers(self, matchers: Sequence[FaceMatcher], requests: Sequence[EmbeddingRequest]) -> Iterator[Answer]:
        """Yield what becomes of each request, those first that need no second network."""
        faces = [(request, self.read_face(request)) for request in requests]
        found = self._matches(matchers[0], faces)
        asked = [
            request.second_from is not None and len(matchers) > 1 and best_similarity(matches) >= request.second_from
            for request, matches in zip(requests, found, strict=True)
        ]
        for request, matches, asks in zip(requests, found, asked, strict=True):
            if not asks:
                yield Answer(request, matches)
        again = [(*one, matches) for one, matches, asks in zip(faces, found, asked, strict=True) if asks]
        for part in _parts(len(again), together=bool(again) and matchers[1].embedder.in_batches):
            group = again[part]
            seconds = self._matches(matchers[1], [(request, face) for request, face, _ in group])
            for (request, _, matches), second in zip(group, seconds, strict=True):
                yield Answer(request, matches, second)

    def _matches(
        self, matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face | None]]
    ) -> list[Sequence[Match] | None]:
        """Return for each face whom it is like; None: no answer."""
        vectors: list[Vector | None] = [None] * len(faces)
        shown = [(place, request, face) for place, (request, face) in enumerate(faces) if face is not None]
        for part in _parts(len(shown), together=matcher.embedder.in_batches):
            group = shown[part]
            embedded = self.embed(matcher, [(request, face) for _, request, face in group])
            for (place, _, _), vector in zip(group, embedded, strict=True):
                vectors[place] = vector
        answers: list[Sequence[Match] | None] = [None] * len(faces)
        for owner in sorted({request.owner for request, _ in faces}):
            rows = [
                (place, vector)
                for place, ((request, _), vector) in enumerate(zip(faces, vectors, strict=True))
                if request.owner == owner and vector is not None
            ]
            found = self.search(matcher.gallery, owner, [vector for _, vector in rows]) or []
            for (place, _), matches in zip(rows, found, strict=False):  # none was found: no answers
                answers[place] = matches
        return answers


def averaged(
    matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face]], vectors: Sequence[Vector], now: float
) -> list[Vector | None]:
    """Return what each request speaks of: the mean of its track's newest vectors; None: its landmarks span no face.

    Args:
        vectors: of these faces, in order; zeros where the landmarks span none.
        now: seconds, on any one clock.
    """
    return [
        matcher.recent.averaged(request, vector, now) if np.any(vector) else None
        for (request, _), vector in zip(faces, vectors, strict=True)
    ]


def face_in(jpeg: Jpeg, crop: FaceCrop, landmarks: Sequence[float]) -> Face:
    """Return the face to embed in a crop.

    Args:
        jpeg: reads the crop.
        landmarks: in pixels of the source.

    Raises:
        JpegError: the crop does not decode.
    """
    return Face(jpeg.decode(crop.jpeg), map_landmarks(landmarks, crop.origin_x, crop.origin_y, crop.scale))


def best_similarity(matches: Sequence[Match] | None) -> float:
    """Return how alike the best match is; -1 without one."""
    return max((match.similarity for match in matches or []), default=-1.0)


def _parts(count: int, *, together: bool) -> list[slice]:
    """Return one slice of all, or one of each."""
    if together:
        return [slice(0, count)] if count else []
    return [slice(place, place + 1) for place in range(count)]
