"""Embedding and asking the gallery, beside the loop that answers for every frame."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters import jpeg
from mosaicast.adapters.embedders import Embedder, Face
from mosaicast.adapters.gallery import GalleryUnavailable
from mosaicast.adapters.model_errors import ModelError
from mosaicast.contracts.messages import FaceDetection
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId, TrackId
from mosaicast.imaging.crops import map_landmarks
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger
from mosaicast.runtime.metrics import Metrics

QUEUE = 64
"""Faces waiting: 0.4 s of work at 6 ms a face. When it is full the oldest is dropped, of tracks that are not clear
first; its track asks again."""
BATCH = 4
"""Faces taken at once and searched for with one request; few, so that the gallery is checked in between."""
CHECK_S = 0.2
"""Between proofs that the gallery is there: a third of what the identity machine trusts it for."""
_LOG = get_logger(__name__)


class Gallery(Protocol):
    """Where templates are. Every method may raise GalleryUnavailable."""

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return the people most like each vector."""

    def refresh(self, owner: str) -> Mapping[PersonId, str]:
        """Read anew who is enrolled, each with a text that differs whenever the templates do."""

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a look; None: nothing can be said."""

    look: Look
    matches: Sequence[Match] | None


@dataclass(frozen=True, slots=True)
class People:
    """An owner's enrolled people, read anew; each with a text that differs whenever the templates do."""

    owner: str
    versions: Mapping[PersonId, str]


class Looker:
    """One thread that embeds faces and asks the gallery; the vectors never leave it.

    A gallery that is slow or away blocks this thread only: `gallery_seen_s` grows old, and by that everybody is
    masked.

    Args:
        on_event: called on this thread, and by `ask` on the caller's; must not block.
    """

    def __init__(
        self,
        make_embedder: Callable[[], Embedder],
        make_gallery: Callable[[Embedder], Gallery],
        metrics: Metrics,
        on_event: Callable[[Answer | People], None],
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        self._make_embedder, self._make_gallery = make_embedder, make_gallery
        self._metrics, self._on_event, self._clock = metrics, on_event, clock
        self._changed = threading.Condition()
        self._urgent: deque[Look] = deque()
        self._others: deque[Look] = deque()
        self._stale: set[str] = set()
        self._known: set[str] = set()
        self._away = False
        self._seen_s: dict[str, float] = {}
        """By owner: when the gallery was there and what is known of the owner was its newest state."""
        self._check_due_s = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="looker", daemon=True)
        self.ready = False
        self.failure: str | None = None

    def start(self) -> None:
        """Load the model and begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def ask(self, looks: Sequence[Look]) -> None:
        """Queue faces; never blocks."""
        with self._changed:
            for look in looks:
                (self._urgent if look.urgent else self._others).append(look)
            while len(self._urgent) + len(self._others) > QUEUE:
                dropped = (self._others or self._urgent).popleft()
                self._metrics.queue_drops.labels("looks", "full").inc()
                self._on_event(Answer(dropped, None))
            self._note_depth()
            self._changed.notify()

    def follow(self, owner: str) -> None:
        """Have an owner's people read, once; a later change of them is noticed."""
        with self._changed:
            if owner not in self._known:
                self._known.add(owner)
                self._stale.add(owner)
                self._changed.notify()

    def refresh(self, owner: str) -> None:
        """Have a followed owner's people read anew, before any look that is asked for later."""
        with self._changed:
            if owner in self._known:
                self._stale.add(owner)
                self._changed.notify()

    def gallery_seen_s(self, owner: str) -> float | None:
        """Return when the gallery last proved that it is there and told this owner's newest state; None: it is away."""
        with self._changed:
            return self._seen_s.get(owner)

    def _run(self) -> None:
        try:
            embedder = self._make_embedder()
            gallery = self._make_gallery(embedder)
            self.ready = True
            while not self._stopping:
                self.work(embedder, gallery)
        except ModelError as exc:
            self.failure = str(exc)
            _LOG.error("cannot_recognise", error=str(exc))
        except Exception as exc:
            self.failure = type(exc).__name__
            _LOG.exception("looker_failed", error=type(exc).__name__)
        self.ready = False

    def work(self, embedder: Embedder, gallery: Gallery) -> None:
        """Do one turn: check the gallery if that is due, read stale owners, answer some looks."""
        with self._changed:
            if not (self._stopping or self._urgent or self._others or self._has_news()):
                self._changed.wait(max(0.0, self._check_due_s - self._clock()))
        if self._clock() >= self._check_due_s or self._has_news():
            self._keep_up(gallery)
            self._check_due_s = self._clock() + CHECK_S
        looks = self._next()
        if looks:
            self._answer(embedder, gallery, looks)

    def _has_news(self) -> bool:
        # What could not be read waits for the next check: a gallery that is away is not asked without pause.
        return bool(self._stale) and not self._away

    def _keep_up(self, gallery: Gallery) -> None:
        """Check the gallery, and read the people of owners who changed."""
        try:
            changed = gallery.check()
            with self._changed:
                if changed:
                    self._stale |= self._known
                stale = sorted(self._stale)
            for owner in stale:
                self._read(gallery, owner)
            self._note_seen()
        except GalleryUnavailable as exc:
            self._note_away(exc)

    def _read(self, gallery: Gallery, owner: str) -> None:
        with self._changed:
            self._stale.discard(owner)  # before it is read: a change that comes meanwhile is read again
        try:
            people = gallery.refresh(owner)
        except GalleryUnavailable:
            with self._changed:
                self._stale.add(owner)
            raise
        self._on_event(People(owner, people))

    def _next(self) -> list[Look]:
        with self._changed:
            looks: list[Look] = []
            while len(looks) < BATCH and (self._urgent or self._others):
                looks.append((self._urgent or self._others).popleft())
            self._note_depth()
            return looks

    def _note_depth(self) -> None:
        self._metrics.queue_depth.labels("looks").set(len(self._urgent) + len(self._others))

    def _answer(self, embedder: Embedder, gallery: Gallery, looks: Sequence[Look]) -> None:
        vectors = [self._embed(embedder, look) for look in looks]
        for owner in sorted({look.owner for look in looks}):
            own = [(look, vector) for look, vector in zip(looks, vectors, strict=True) if look.owner == owner]
            found = self._search(gallery, owner, [vector for _, vector in own if vector is not None])
            for look, vector in own:
                matches = None if vector is None or found is None else found.pop(0)
                self._on_event(Answer(look, matches))

    def _embed(self, embedder: Embedder, look: Look) -> NDArray[np.float32] | None:
        started = self._clock()
        crop = look.face.crop
        if crop is None:
            return None
        try:
            landmarks = map_landmarks(look.face.landmarks, crop.origin_x, crop.origin_y, crop.scale)
            vector = embedder.embed([Face(jpeg.decode(crop.jpeg), landmarks)])[0]
        except (ModelError, jpeg.JpegError) as exc:
            _LOG.warning("no_embedding", stream=look.stream_id, error=type(exc).__name__)
            return None
        self._metrics.embeddings.labels(embedder.name).inc()
        self._metrics.model_seconds.labels(embedder.name).observe(self._clock() - started)
        return vector if np.any(vector) else None  # zeros: the landmarks span no face

    def _search(
        self, gallery: Gallery, owner: OwnerId, vectors: Sequence[NDArray[np.float32]]
    ) -> list[list[Match]] | None:
        if not vectors:
            return []
        with self._changed:
            if self._away or owner in self._stale:
                return None  # there is nothing to ask, or what it would say is known to be old
        try:
            return gallery.search(owner, np.stack(vectors))
        except GalleryUnavailable as exc:
            self._note_away(exc)
            return None

    def _note_seen(self) -> None:
        with self._changed:
            self._away = False
            self._seen_s.update(dict.fromkeys(self._known - self._stale, self._clock()))

    def _note_away(self, exc: GalleryUnavailable) -> None:
        with self._changed:
            self._away = True
            self._seen_s.clear()
        self._metrics.gallery_errors.labels(str(exc)).inc()
        _LOG.warning("gallery_unavailable", error=str(exc))
