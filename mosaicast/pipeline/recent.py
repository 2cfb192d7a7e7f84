"""The newest vectors of each track: what is averaged, and what a look is held against. In memory, for seconds."""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.identity import Likeness, View
from mosaicast.core.types import TrackId
from mosaicast.pipeline.ports import Quality

Vector = NDArray[np.float32]


class Asking(Protocol):
    """What is needed of a request."""

    @property
    def stream_id(self) -> str:
        """The stream."""

    @property
    def epoch(self) -> int:
        """Its epoch."""

    @property
    def track_id(self) -> TrackId:
        """The track in it."""

    @property
    def ask(self) -> int:
        """Number of the request; those of one stream rise."""

    @property
    def since(self) -> int:
        """The oldest request of this track whose face is surely the same."""

    @property
    def window(self) -> int:
        """So many of the newest requests since then are averaged, this one included."""

    @property
    def own(self) -> tuple[int, ...]:
        """Requests of this track to hold the face against for longer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How one network saw one face."""

    votes: bool
    clear: bool
    before: Mapping[int, Likeness]
    """How it is like the track's last requests that have a vote."""
    own: bool


class Look(NamedTuple):
    """What one network makes of one request."""

    mean: Vector
    """Of the track's newest vectors, of length 1: to search for."""
    seen: Seen | None
    """None: the network does not tell."""


def view_of(seen: Sequence[Seen | None]) -> View | None:
    """Return what all networks together say of one face; None unless each tells."""
    told = [one for one in seen if one is not None]
    if not told or len(told) < len(seen):
        return None
    votes = all(one.votes for one in told)
    shared = set.intersection(*(set(one.before) for one in told)) if votes else set()
    before = min((one.before[max(shared)] for one in told), default=Likeness.NONE) if shared else Likeness.NONE
    return View(votes, all(one.clear for one in told), before, votes and all(one.own for one in told))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The vector of one request."""

    ask: int
    at_s: float
    vector: Vector
    weight: float
    votes: bool
    linked: bool
    """It is like the one with a vote before it: both may be averaged."""


@dataclass(slots=True)
class _Track:
    newest: deque[_Kept]
    own: dict[int, Vector] = field(default_factory=dict)
    """Those of its person that the gallery confirmed, by request."""


class RecentVectors:
    """The newest vectors of each track that one network made.

    Vectors of strangers live here and nowhere else, and no longer than `LIFE_S`. Those that `Asking.own` names, of a
    track that is clear, live as long as each request of the track names them, and not longer than its other vectors
    once no request comes.

    Args:
        quality: of the network.
    """

    KEPT = 8
    """Of one track: more than any window."""
    TRACKS = 256
    LIFE_S = 0.8
    """Older vectors are not averaged: those before a pause may show another face or pose."""

    def __init__(self, quality: Quality | None = None) -> None:
        self._quality = _Limits.of(quality)
        self._tracks: OrderedDict[tuple[str, int, TrackId], _Track] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracks)

    def look(self, request: Asking, vector: Vector, length: float, now: float) -> Look:
        """Take in the vector of a request, and return what it says.

        Args:
            vector: of length 1.
            length: of the network's raw vector.
            now: seconds, on any one clock.
        """
        self.forget_before(now - self.LIFE_S)
        key = (request.stream_id, request.epoch, request.track_id)
        track = self._tracks.setdefault(key, _Track(deque(maxlen=self.KEPT)))
        self._tracks.move_to_end(key)
        seen = None if self._quality is None else self._seen(track, request, vector, length, now)
        weight, votes = (1.0, True) if seen is None else (length, seen.votes)
        linked = seen is None or max(seen.before.items(), default=(0, Likeness.LIKE))[1] >= Likeness.LIKE
        track.newest.append(_Kept(request.ask, now, vector, weight, votes, linked))
        while len(self._tracks) > self.TRACKS:
            self._tracks.popitem(last=False)
        return Look(_mean(self._same(track, request, now), vector), seen)

    def forget_before(self, time_s: float) -> None:
        """Forget tracks without a request since `time_s`."""
        while self._tracks and next(iter(self._tracks.values())).newest[-1].at_s < time_s:
            self._tracks.popitem(last=False)

    def _seen(self, track: _Track, request: Asking, vector: Vector, length: float, now: float) -> Seen:
        limits = self._quality
        assert limits is not None
        known = {one.ask: one.vector for one in track.newest} | track.own
        track.own = {ask: known[ask] for ask in request.own if ask in known}
        votes = length >= limits.votes_from
        if not votes:
            return Seen(False, False, {}, own=False)
        before = {
            one.ask: limits.likeness(float(vector @ one.vector))
            for one in track.newest
            if one.votes and one.ask >= request.since and now - one.at_s <= self.LIFE_S
        }
        own = any(float(vector @ one) >= limits.like_own for one in track.own.values())
        return Seen(True, length >= limits.clear_from, before, own)

    def _same(self, track: _Track, request: Asking, now: float) -> list[_Kept]:
        """Return what may be averaged: the newest that show the same face, as far as anybody can tell."""
        same: list[_Kept] = []
        for one in reversed(track.newest):
            if one.ask < request.since or now - one.at_s > self.LIFE_S or len(same) == request.window:
                break
            if one.votes:
                same.append(one)
                if not one.linked:
                    break
        return same[::-1]


def _mean(same: Sequence[_Kept], vector: Vector) -> Vector:
    """Return the weighted mean, of length 1; the newest vector where there is nothing to average."""
    if len(same) < 2:
        return vector
    mean = np.average([one.vector for one in same], axis=0, weights=[one.weight for one in same])
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length, np.float32) if length > 0 else vector


@dataclass(frozen=True, slots=True)
class _Limits:
    """A `Quality` that is whole."""

    votes_from: float
    clear_from: float
    like_before: float
    like_own: float

    @classmethod
    def of(cls, quality: Quality | None) -> "_Limits | None":
        """Return it; None where one of the limits was not measured: then none holds."""
        if quality is None:
            return None
        limits = (quality.votes_from, quality.clear_from, quality.like_before, quality.like_own)
        votes_from, clear_from, like_before, like_own = limits
        if votes_from is None or clear_from is None or like_before is None or like_own is None:
            return None
        return cls(votes_from, clear_from, like_before, like_own)

    def likeness(self, cosine: float) -> Likeness:
        """Return how alike two looks are."""
        if cosine >= max(self.like_own, self.like_before):
            return Likeness.SAME
        return Likeness.LIKE if cosine >= self.like_before else Likeness.UNLIKE
