"""Embedding and asking the gallery, beside the loop that answers for every frame."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
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
from mosaicast.core.types import OwnerId, TrackId
from mosaicast.imaging.crops import map_landmarks
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger
from mosaicast.runtime.metrics import Metrics

QUEUE = 64
"""Faces waiting; the oldest is dropped when it is full: its track asks again."""
_IDLE_S = 0.5
_LOG = get_logger(__name__)


class Gallery(Protocol):
    """Where templates are."""

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:
        """Return the people most like each vector. Raises GalleryUnavailable."""

    def refresh(self, owner: str) -> None:
        """Read an owner's templates anew. Raises GalleryUnavailable."""


@dataclass(frozen=True, slots=True)
class Look:
    """One face to recognise."""

    stream_id: str
    epoch: int
    track_id: TrackId
    owner: OwnerId
    face: FaceDetection


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a look; None: the gallery is away or the face can't be embedded."""

    look: Look
    matches: Sequence[Match] | None


class Looker:
    """One thread that embeds faces and asks the gallery; the vectors never leave it.

    Args:
        on_answer: called on this thread.
    """

    def __init__(
        self,
        make_embedder: Callable[[], Embedder],
        make_gallery: Callable[[Embedder], Gallery],
        metrics: Metrics,
        on_answer: Callable[[Answer], None],
        on_refreshed: Callable[[str], None],
    ) -> None:
        self._make_embedder, self._make_gallery = make_embedder, make_gallery
        self._metrics = metrics
        self._on_answer, self._on_refreshed = on_answer, on_refreshed
        self._changed = threading.Condition()
        self._looks: deque[Look] = deque(maxlen=QUEUE)
        self._stale: set[str] = set()
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
                if len(self._looks) == QUEUE:
                    self._metrics.queue_drops.labels("looks", "full").inc()
                self._looks.append(look)
            self._metrics.queue_depth.labels("looks").set(len(self._looks))
            self._changed.notify()

    def refresh(self, owner: str) -> None:
        """Have an owner's templates read anew, before any look that is asked for later."""
        with self._changed:
            self._stale.add(owner)
            self._changed.notify()

    def _run(self) -> None:
        try:
            embedder = self._make_embedder()
            gallery = self._make_gallery(embedder)
            self.ready = True
            while not self._stopping:
                self._work(embedder, gallery)
        except ModelError as exc:
            self.failure = str(exc)
            _LOG.error("cannot_recognise", error=str(exc))
        except Exception as exc:
            self.failure = type(exc).__name__
            _LOG.exception("looker_failed", error=type(exc).__name__)
        self.ready = False

    def _work(self, embedder: Embedder, gallery: Gallery) -> None:
        with self._changed:
            if not (self._looks or self._stale):
                self._changed.wait(_IDLE_S)
            stale, self._stale = self._stale, set()
            look = self._looks.popleft() if self._looks else None
        for owner in stale:
            self._refresh(gallery, owner)
        if look is not None:
            self._on_answer(Answer(look, self._matches(embedder, gallery, look)))

    def _refresh(self, gallery: Gallery, owner: str) -> None:
        try:
            gallery.refresh(owner)
        except GalleryUnavailable as exc:
            self._unavailable(exc)
            with self._changed:
                self._stale.add(owner)
            return
        self._on_refreshed(owner)

    def _matches(self, embedder: Embedder, gallery: Gallery, look: Look) -> Sequence[Match] | None:
        started = monotonic_s()
        crop = look.face.crop
        if crop is None:
            return None
        try:
            picture = jpeg.decode(crop.jpeg)
            landmarks = map_landmarks(look.face.landmarks, crop.origin_x, crop.origin_y, crop.scale)
            vectors = embedder.embed([Face(picture, landmarks)])
            self._metrics.embeddings.labels(embedder.name).inc()
            self._metrics.model_seconds.labels(embedder.name).observe(monotonic_s() - started)
            with self._changed:
                if look.owner in self._stale:  # what we have is known to be old
                    return None
            return gallery.search(look.owner, vectors)[0]
        except GalleryUnavailable as exc:
            self._unavailable(exc)
            return None
        except (ModelError, jpeg.JpegError) as exc:
            _LOG.warning("no_embedding", stream=look.stream_id, error=type(exc).__name__)
            return None

    def _unavailable(self, exc: GalleryUnavailable) -> None:
        self._metrics.gallery_errors.labels(str(exc)).inc()
        _LOG.warning("gallery_unavailable", error=str(exc))
