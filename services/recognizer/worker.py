"""Embedding and asking the gallery, beside the loop that answers for every frame."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mosaicast.adapters.embedders import Face
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable, OwnerUnavailable
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.models.errors import ModelError
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId
from mosaicast.pipeline.match import (
    BATCH,
    Answer,
    EmbeddingRequest,
    FaceMatcher,
    Gallery,
    Matching,
    Vector,
    averaged,
    face_in,
)
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger, places
from mosaicast.runtime.metrics import Metrics

__all__ = ["BATCH", "CHECK_S", "LONGEST_RETRY_S", "QUEUE", "Answer", "EmbeddingWorker", "People"]

QUEUE = 64
"""Faces waiting: 0.4 s of work at 6 ms a face; in proportion more where more are taken at once. When it is full the
oldest is dropped, of tracks that are not clear first; its track asks again."""
LONGEST_RETRY_S = 5.0
"""An owner whose templates can't be read is tried again after CHECK_S, twice that, ... up to this."""
CHECK_S = 0.2
"""Between proofs that the gallery is there: a third of what the identity machine trusts it for."""
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class People:
    """An owner's enrolled people, read anew; each with a text that differs whenever the templates do."""

    owner: str
    versions: Mapping[PersonId, str]


class EmbeddingWorker:
    """One thread that embeds faces and asks the galleries; the vectors never leave it.

    The first network embeds every face. The second, ten times as expensive, embeds where a request asks for it and
    the first says yes.

    A gallery that is slow or away blocks this thread only: `gallery_seen_s` grows old, and by that everybody is
    masked.

    Args:
        make_matchers: loads the networks, called once on the worker's thread: the first and, if there is one, the
            second.
        on_event: called on this thread, and by `ask` on the caller's; must not block.
        batch: faces that are taken at once.
    """

    def __init__(
        self,
        make_matchers: Callable[[], Sequence[FaceMatcher]],
        metrics: Metrics,
        on_event: Callable[[Answer | People], None],
        clock: Callable[[], float] = monotonic_s,
        batch: int = BATCH,
    ) -> None:
        self._make_matchers, self._batch = make_matchers, batch
        self._most_waiting = max(QUEUE, QUEUE * batch // BATCH)
        self._metrics, self._on_event, self._clock = metrics, on_event, clock
        self._matching = Matching(self._face, self._embed, self._search)
        self._changed = threading.Condition()
        self._urgent: deque[EmbeddingRequest] = deque()
        self._others: deque[EmbeddingRequest] = deque()
        self._stale: set[str] = set()
        self._known: set[str] = set()
        self._away = False
        self._failing: dict[str, tuple[float, float]] = {}
        """Stale owners whose templates could not be read: when to try again, and how long that pause is."""
        self._seen_s: dict[str, float] = {}
        """By owner: when the gallery was there and what is known of the owner was its newest state."""
        self._check_due_s = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)
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

    def ask(self, requests: Sequence[EmbeddingRequest]) -> None:
        """Queue faces; never blocks."""
        with self._changed:
            for request in requests:
                (self._urgent if request.urgent else self._others).append(request)
            while len(self._urgent) + len(self._others) > self._most_waiting:
                dropped = (self._others or self._urgent).popleft()
                self._metrics.queue_drops.labels("embeddings", "full").inc()
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
        """Have a followed owner's people read anew, before any request that is asked for later."""
        with self._changed:
            if owner in self._known:
                self._stale.add(owner)
                self._failing.pop(owner, None)
                self._changed.notify()

    def gallery_seen_s(self, owner: str) -> float | None:
        """Return when the gallery last proved that it is there and told this owner's newest state; None: it is away."""
        with self._changed:
            return self._seen_s.get(owner)

    def _run(self) -> None:
        try:
            matchers = self._make_matchers()
            self.ready = True
            while not self._stopping:
                self.work(matchers)
        except ModelError as exc:
            self.failure = str(exc)
            _LOG.error("cannot_recognise", error=str(exc))
        except Exception as exc:
            self.failure = type(exc).__name__
            # Its text may hold anything, a vector too.
            _LOG.error("embedding_worker_failed", exception=type(exc).__name__, places=places(exc))
        self.ready = False

    def work(self, matchers: Sequence[FaceMatcher]) -> None:
        """Do one turn: check the galleries if that is due, read stale owners, answer some requests."""
        with self._changed:
            if not (self._stopping or self._urgent or self._others or self._has_news()):
                with self._metrics.timed("wait"):
                    self._changed.wait(max(0.0, self._check_due_s - self._clock()))
        if self._clock() >= self._check_due_s or self._has_news():
            with self._metrics.timed("check"):
                self._keep_up([matcher.gallery for matcher in matchers])
            for matcher in matchers:
                matcher.recent.forget_before(self._clock() - matcher.recent.LIFE_S)
            self._check_due_s = self._clock() + CHECK_S
        requests = self._next()
        if requests:
            for answer in self._matching.answers(matchers, requests):
                self._on_event(answer)

    def _has_news(self) -> bool:
        # What could not be read waits for a check: a gallery that is away is not asked without pause.
        return bool(self._stale - self._failing.keys()) and not self._away

    def _keep_up(self, galleries: Sequence[Gallery]) -> None:
        """Check the galleries, and read the people of owners who changed."""
        try:
            changes = [gallery.check() for gallery in galleries]
            with self._changed:
                if any(changes):
                    self._stale |= self._known
                due = self._due()
            for owner in due:
                self._read(galleries, owner)
            self._note_seen()
        except GalleryUnavailable as exc:
            self._note_away(exc)

    def _due(self) -> list[str]:
        """Return the stale owners to read now; of those that failed one at most, for each may take its time to fail."""
        again = sorted((due_s, owner) for owner, (due_s, _) in self._failing.items() if due_s <= self._clock())
        return sorted(self._stale - self._failing.keys()) + [owner for _, owner in again[:1]]

    def _read(self, galleries: Sequence[Gallery], owner: str) -> None:
        with self._changed:
            self._stale.discard(owner)  # before it is read: a change that comes meanwhile is read again
        try:
            first, *others = [gallery.refresh(owner) for gallery in galleries]
        except OwnerUnavailable as exc:
            for gallery in galleries:  # a copy that one of them still has would look like news at every check
                gallery.forget(owner)
            self._note_failing(owner, exc)
            return
        except GalleryUnavailable:
            with self._changed:
                self._stale.add(owner)
            raise
        with self._changed:
            self._failing.pop(owner, None)
        versions = {person: "/".join([text, *(o.get(person, "") for o in others)]) for person, text in first.items()}
        self._on_event(People(owner, versions))

    def _next(self) -> list[EmbeddingRequest]:
        with self._changed:
            requests: list[EmbeddingRequest] = []
            while len(requests) < self._batch and (self._urgent or self._others):
                requests.append((self._urgent or self._others).popleft())
            self._note_depth()
            return requests

    def _note_depth(self) -> None:
        self._metrics.queue_depth.labels("embeddings").set(len(self._urgent) + len(self._others))

    def _face(self, request: EmbeddingRequest) -> Face | None:
        crop = request.face.crop
        if crop is None:
            return None
        try:
            with self._metrics.timed("decode"):
                return face_in(jpeg, crop, request.face.landmarks)
        except jpeg.JpegError as exc:
            _LOG.warning("no_embedding", stream=request.stream_id, exception=type(exc).__name__)
            return None

    def _embed(self, matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face]]) -> list[Vector | None]:
        embedder, started = matcher.embedder, self._clock()
        try:
            with self._metrics.timed("network"):
                vectors: Sequence[Vector] = list(embedder.embed([face for _, face in faces]).vectors)
        except ModelError as exc:
            _LOG.warning("no_embedding", stream=faces[0][0].stream_id, exception=type(exc).__name__)
            return [None] * len(faces)
        now = self._clock()
        self._metrics.embeddings.labels(embedder.name).inc(len(faces))
        self._metrics.model_seconds.labels(embedder.name).observe(now - started)
        return averaged(matcher, faces, vectors, now)

    def _search(self, gallery: Gallery, owner: OwnerId, vectors: Sequence[Vector]) -> list[list[Match]] | None:
        if not vectors:
            return []
        with self._changed:
            if self._away or owner in self._stale:
                return None  # there is nothing to ask, or what it would say is known to be old
        try:
            with self._metrics.timed("search"):
                return gallery.search(owner, np.stack(vectors))
        except OwnerUnavailable as exc:
            self._note_failing(owner, exc)
            return None
        except GalleryUnavailable as exc:
            self._note_away(exc)
            return None

    def _note_seen(self) -> None:
        with self._changed:
            self._away = False
            self._seen_s.update(dict.fromkeys(self._known - self._stale, self._clock()))

    def _note_failing(self, owner: str, exc: OwnerUnavailable) -> None:
        with self._changed:
            _, pause_s = self._failing.get(owner, (0.0, CHECK_S / 2))
            pause_s = min(LONGEST_RETRY_S, 2 * pause_s)
            self._failing[owner] = self._clock() + pause_s, pause_s
            self._stale.add(owner)
            self._seen_s.pop(owner, None)
        self._metrics.gallery_errors.labels(str(exc)).inc()
        _LOG.warning("owner_gallery_unavailable", owner=owner, error=str(exc))

    def _note_away(self, exc: GalleryUnavailable) -> None:
        with self._changed:
            self._away = True
            self._seen_s.clear()
        self._metrics.gallery_errors.labels(str(exc)).inc()
        _LOG.warning("gallery_unavailable", error=str(exc))
