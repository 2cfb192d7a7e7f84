"""One network's opinion on faces: a vector averaged over a track's newest looks, and whom of the gallery it is like."""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.embedders import Embedder
from mosaicast.contracts.messages import FaceDetection
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.types import OwnerId, PersonId, TrackId

Vector = NDArray[np.float32]

_NARROW = ("dlib-resnet", "taguchi-resnet")


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
class Look:
    """One face to recognise."""

    stream_id: str
    epoch: int
    track_id: TrackId
    ask: int
    owner: OwnerId
    face: FaceDetection
    urgent: bool = False
    since: int = 0
    """The oldest ask of this track whose face is surely the same ..."""
    window: int = 1
    """... of which the newest so many, this one included, are averaged."""
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
    """Older looks are not averaged: a burst of them shows one face in one pose, those before a pause maybe not."""

    def __init__(self) -> None:
        self._tracks: OrderedDict[tuple[str, int, TrackId], deque[tuple[int, float, Vector]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracks)

    def averaged(self, look: Look, vector: Vector, now: float) -> Vector:
        """Take in the vector of a look and return the mean, of length 1, that its answer speaks of."""
        self.forget_before(now - self.LIFE_S)
        key = (look.stream_id, look.epoch, look.track_id)
        recent = self._tracks.setdefault(key, deque(maxlen=self.KEPT))
        self._tracks.move_to_end(key)
        recent.append((look.ask, now, vector))
        while len(self._tracks) > self.TRACKS:
            self._tracks.popitem(last=False)
        same = [kept for ask, at_s, kept in recent if ask >= look.since and now - at_s <= self.LIFE_S][-look.window :]
        if len(same) < 2:
            return vector
        mean: Vector = np.mean(same, axis=0, dtype=np.float32)
        length = np.float32(np.linalg.norm(mean))
        return np.asarray(mean / length, np.float32) if length > 0 else vector

    def forget_before(self, time_s: float) -> None:
        """Forget tracks without a look since `time_s`."""
        while self._tracks and next(iter(self._tracks.values()))[-1][1] < time_s:
            self._tracks.popitem(last=False)


@dataclass(slots=True)
class Opinion:
    """A network, its gallery, and what it saw of each track lately."""

    embedder: Embedder
    gallery: Gallery
    recent: RecentVectors = field(default_factory=RecentVectors)


def policy_for(networks: Sequence[str]) -> IdentityPolicy:
    """Return the identity policy with the slack that fits these networks, by their names, the first one first.

    Cosines of dlib's architecture lie close together (strangers' .91, the same person's .95), those of others far
    apart (about 0 and .6): what is a small difference of one is a large one of the other.
    """
    policy = packaged = IdentityPolicy()
    if networks[0] not in _NARROW:
        policy = replace(policy, margin=0.05, stay=-0.05, drop=-0.1)
    if len(networks) < 2:
        return replace(policy, second=None)
    return replace(policy, second_stay=packaged.stay) if networks[1] in _NARROW else policy


def best_similarity(matches: Sequence[Match] | None) -> float:
    """Return how alike the best match is; -1 without one."""
    return max((match.similarity for match in matches or []), default=-1.0)
