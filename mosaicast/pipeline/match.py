"""Whom faces are like: a network makes a vector, averages it over a track's newest ones, and searches its gallery."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.contracts.messages import FaceCrop, FaceDetection
from mosaicast.core.identity import Match, View
from mosaicast.core.types import OwnerId, PersonId, TrackId
from mosaicast.imaging.crops import map_landmarks
from mosaicast.pipeline.ports import Embedded, Embedder, Face, Jpeg
from mosaicast.pipeline.recent import Look, RecentVectors, Seen, Vector, view_of

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
    own: tuple[int, ...] = ()
    """Requests of this track that were confirmed as its person: the face is held against those, and those are kept."""


class FaceMatcher:
    """A network, its gallery, and what it saw of each track lately."""

    def __init__(self, embedder: Embedder, gallery: Gallery) -> None:
        self.embedder, self.gallery = embedder, gallery
        self.recent = RecentVectors(embedder.quality)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; None: nothing can be said."""

    request: EmbeddingRequest
    matches: Sequence[Match] | None
    second: Sequence[Match] | None = None
    """Of the second network; None: not asked, or no answer."""
    view: View | None = None
    """How well all networks saw the face; None: one of them does not tell."""


class _Found(NamedTuple):
    """What one network says of a face."""

    matches: Sequence[Match] | None = None
    seen: Seen | None = None


ReadFace = Callable[[EmbeddingRequest], Face | None]
"""Returns the face to embed; None: it can't be read."""
Embed = Callable[[FaceMatcher, Sequence[tuple[EmbeddingRequest, Face]]], "list[Look | None]"]
"""Returns what the network sees in each face, averaged; None: there is none."""
Search = Callable[[Gallery, OwnerId, Sequence[Vector]], "list[list[Match]] | None"]
"""Returns the people most like each vector; None: the gallery gives no answer."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Asks the first network about every face, and the second where a request wants it and the first says so much as
    the request needs."""

    read_face: ReadFace
    embed: Embed
    search: Search

    def answers(self, matchers: Sequence[FaceMatcher], requests: Sequence[EmbeddingRequest]) -> Iterator[Answer]:
        """Yield what becomes of each request, those first that need no second network."""
        faces = [(request, self.read_face(request)) for request in requests]
        found = self._matches(matchers[0], faces)
        asked = [
            request.second_from is not None
            and len(matchers) > 1
            and best_similarity(first.matches) >= request.second_from
            for request, first in zip(requests, found, strict=True)
        ]
        for request, first, asks in zip(requests, found, asked, strict=True):
            if not asks:
                view = view_of([first.seen]) if len(matchers) == 1 else None
                yield Answer(request, first.matches, view=view)
        again = [(*one, first) for one, first, asks in zip(faces, found, asked, strict=True) if asks]
        for part in _parts(len(again), together=bool(again) and matchers[1].embedder.in_batches):
            group = again[part]
            seconds = self._matches(matchers[1], [(request, face) for request, face, _ in group])
            for (request, _, first), second in zip(group, seconds, strict=True):
                yield Answer(request, first.matches, second.matches, view_of([first.seen, second.seen]))

    def _matches(self, matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face | None]]) -> list[_Found]:
        """Return for each face whom it is like, and how it was seen."""
        looks: list[Look | None] = [None] * len(faces)
        shown = [(place, request, face) for place, (request, face) in enumerate(faces) if face is not None]
        for part in _parts(len(shown), together=matcher.embedder.in_batches):
            group = shown[part]
            embedded = self.embed(matcher, [(request, face) for _, request, face in group])
            for (place, _, _), look in zip(group, embedded, strict=True):
                looks[place] = look
        answers = [_Found()] * len(faces)
        for owner in sorted({request.owner for request, _ in faces}):
            rows = [
                (place, look)
                for place, ((request, _), look) in enumerate(zip(faces, looks, strict=True))
                if request.owner == owner and look is not None
            ]
            found = self.search(matcher.gallery, owner, [look.mean for _, look in rows]) or []
            for (place, look), matches in zip(rows, found, strict=False):  # none was found: no answers
                answers[place] = _Found(matches, look.seen)
        return answers


def averaged(
    matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face]], embedded: Embedded, now: float
) -> list[Look | None]:
    """Return what each request speaks of: the mean of its track's newest vectors; None: its landmarks span no face.

    Args:
        embedded: these faces, in order.
        now: seconds, on any one clock.
    """
    return [
        matcher.recent.look(request, vector, _counted(matcher, request, float(length)), now) if np.any(vector) else None
        for (request, _), vector, length in zip(faces, embedded.vectors, embedded.lengths, strict=True)
    ]


def _counted(matcher: FaceMatcher, request: EmbeddingRequest, length: float) -> float:
    """Return the raw length that counts: 0, which has no vote, of a face that is not sharp enough."""
    sharp_from = matcher.embedder.quality.sharp_from
    return length if sharp_from is None or request.face.sharpness >= sharp_from else 0.0


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
