"""The face models, in a child: what they take, half a gigabyte, goes back when nobody enrolls."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.models import load as load_registry
from mosaicast.adapters.models.errors import InferenceError, ModelError, ModelUnavailableError
from mosaicast.adapters.models.registry import Model
from mosaicast.imaging.types import Landmarks, Picture
from mosaicast.runtime.children import ChildProcess, ForkServer, Limits
from mosaicast.runtime.sandbox import Access

if TYPE_CHECKING:  # importing them loads the runtime of the models: the child's business
    from mosaicast.adapters.detectors import Detector, RawFace
    from mosaicast.adapters.embedders import Embedded, Embedder

IDLE_S = 60.0
"""The child ends when it had nothing to do for so long; the next photo waits 1 to 2 s for a new one."""
_ANSWER_S = 30.0
"""Loading takes 2 s, a photo 0.2 s: a child that is silent for so long hangs."""
_LIMITS = Limits(open_files=256)

Vectors = tuple[NDArray[np.float32], ...]
"""Of one face: a vector of length 1 for each network, in the order of `FaceModels.networks`."""


@dataclass(frozen=True, slots=True)
class Network:
    """One embedding network."""

    name: str
    version: str
    dimension: int

    @property
    def entry(self) -> Model | None:
        """What the list of models says of it; None: it is not on it."""
        try:
            return load_registry().get(self.name, "embedder")
        except ModelUnavailableError:
            return None


class FaceModels(Protocol):
    """A detector, and the networks that templates are made with. Every method may raise ModelError."""

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks."""

    def find(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture, best first."""

    def find_filmed(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture of a video, best first, looked at as those of a stream are."""

    def embed_largest(self, picture: Picture, threshold: float) -> Vectors | None:
        """Find the largest face in a BGR picture and return its vectors; None: no face that a network can tell."""

    def embed(self, picture: Picture, landmarks: Landmarks) -> Vectors:
        """Return the vectors of the face that has these landmarks in a BGR picture."""

    def nearest_of_crowd(self, vectors: Vectors) -> tuple[float, ...]:
        """Return the cosine of a face to the nearest mean of each network's crowd; -1 where a network has none."""


class LocalModels:
    """`FaceModels` in this process. Belongs to one thread."""

    def __init__(self, detector: "Detector", embedders: "Sequence[Embedder]") -> None:
        self._detector, self._embedders = detector, tuple(embedders)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks."""
        return tuple(Network(own.name, own.version, own.dimension) for own in self._embedders)

    def find(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture, best first."""
        # Square, so that photos of all shapes need one compiled network: each takes 25 MB and 0.15 s.
        side = max(picture.shape[:2])
        square = np.zeros((side, side, 3), np.uint8)
        square[: picture.shape[0], : picture.shape[1]] = picture
        return self.find_filmed(square, threshold)

    def find_filmed(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture of a video, best first, looked at as those of a stream are."""
        return [face for face in self._detector.detect([picture], threshold)[0] if face.score >= threshold]

    def embed_largest(self, picture: Picture, threshold: float) -> Vectors | None:
        """Find the largest face in a BGR picture and return its vectors; None: no face that a network can tell.

        Faces of which a network sees too little are alike to it, whoever they are: they become no template.
        """
        found = self.find(picture, threshold)
        if not found:
            return None
        seen = self._seen(picture, max(found, key=lambda one: one.box.area).landmarks)
        told = all(
            float(one.lengths[0]) > 0 and float(one.lengths[0]) >= (own.quality.votes_from or 0.0)
            for own, one in zip(self._embedders, seen, strict=True)
        )
        return tuple(one.vectors[0] for one in seen) if told else None

    def embed(self, picture: Picture, landmarks: Landmarks) -> Vectors:
        """Return the vectors of the face that has these landmarks in a BGR picture."""
        return tuple(one.vectors[0] for one in self._seen(picture, landmarks))

    def _seen(self, picture: Picture, landmarks: Landmarks) -> "list[Embedded]":
        from mosaicast.adapters.embedders import Face

        return [own.embed([Face(picture, landmarks)]) for own in self._embedders]

    def nearest_of_crowd(self, vectors: Vectors) -> tuple[float, ...]:
        """Return the cosine of a face to the nearest mean of each network's crowd; -1 where a network has none."""
        from mosaicast.adapters.embedders.cohort import cohort_scorer

        crowds = [cohort_scorer(own.name, own.version).cohort for own in self._embedders]
        return tuple(
            -1.0 if crowd is None else float((crowd @ vector).max())
            for crowd, vector in zip(crowds, vectors, strict=True)
        )


def load(networks: Sequence[str], models_dir: Path) -> LocalModels:
    """Load CenterFace, and the networks that recognition asks: who has no template of one of them stays masked.

    Args:
        networks: names of embedders.
        models_dir: where downloads and operators' files lie.

    Raises:
        ModelError: one is missing or broken; the text says what to do.
    """
    from mosaicast.adapters.detectors import make_detector
    from mosaicast.adapters.embedders import make_embedder

    embedders = [make_embedder(name, models_dir=models_dir) for name in networks]
    return LocalModels(make_detector("centerface"), embedders)


def listed(names: Sequence[str], models_dir: Path) -> tuple[Network, ...] | None:
    """Return the networks as the list of models has them, after their files, and the detector's, were held against it.

    To know them no file need be opened then, which takes seconds of CPU.

    Args:
        names: names of embedders.
        models_dir: where downloads and operators' files lie.

    Returns:
        None: one of them is not of those that the set-up brings, and only its file tells what it is.

    Raises:
        ModelError: a file is missing or another one; the text says what to do.
    """
    from mosaicast.adapters.detectors.factory import ENROLLING
    from mosaicast.adapters.models import profile_of
    from mosaicast.adapters.models.registry import Placed

    profile_of(ENROLLING, models_dir, "detector")
    networks = []
    for profile in (profile_of(name, models_dir, "embedder") for name in names):
        if profile.dimension is None or not isinstance(profile.model.source, Placed):
            return None
        networks.append(Network(profile.label, profile.version, profile.dimension))
    return tuple(networks)


class ModelChild:
    """`FaceModels` in a child that is started when it is needed. Thread-safe: one question at a time.

    Args:
        load_models: called in the child; must be picklable.
        access: what it takes to load them. No network: the child sees faces.
        networks: those that it loads, where they are known; None: the child is asked.
    """

    def __init__(
        self,
        fork_server: ForkServer,
        load_models: Callable[[], LocalModels],
        access: Access,
        *,
        networks: tuple[Network, ...] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._fork_server, self._args, self._access = fork_server, (load_models, idle_s), access
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._networks = networks

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks; the child is asked once, if at all.

        Raises:
            ModelError: as every method here: a model is missing or broken, or the child died twice.
        """
        if self._networks is None:
            self._networks = self._ask("networks")
        return self._networks

    def find(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture, best first."""
        found: list[RawFace] = self._ask("find", picture, threshold)
        return found

    def find_filmed(self, picture: Picture, threshold: float) -> "list[RawFace]":
        """Return the faces in a BGR picture of a video, best first, looked at as those of a stream are."""
        found: list[RawFace] = self._ask("find_filmed", picture, threshold)
        return found

    def embed_largest(self, picture: Picture, threshold: float) -> Vectors | None:
        """Find the largest face in a BGR picture and return its vectors; None: no face that a network can tell."""
        vectors: Vectors | None = self._ask("embed_largest", picture, threshold)
        return vectors

    def embed(self, picture: Picture, landmarks: Landmarks) -> Vectors:
        """Return the vectors of the face that has these landmarks in a BGR picture."""
        vectors: Vectors = self._ask("embed", picture, landmarks)
        return vectors

    def nearest_of_crowd(self, vectors: Vectors) -> tuple[float, ...]:
        """Return the cosine of a face to the nearest mean of each network's crowd; -1 where a network has none."""
        nearest: tuple[float, ...] = self._ask("nearest_of_crowd", vectors)
        return nearest

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, *question: Any) -> Any:
        with self._lock:
            try:
                answer = self._exchange(question)
            except (EOFError, OSError):  # it ended for want of work, or died
                self._end()
                answer = self._exchange_anew(question)
        if isinstance(answer, ModelError):
            raise answer
        return answer

    def _exchange_anew(self, question: tuple[Any, ...]) -> Any:
        try:
            return self._exchange(question)
        except (EOFError, OSError) as exc:
            self._end()
            raise InferenceError("the process with the face models died") from exc

    def _exchange(self, question: tuple[Any, ...]) -> Any:
        if self._child is None:
            self._child = self._fork_server.spawn(serve, self._args, name="models", limits=_LIMITS, access=self._access)
        self._child.connection.send(question)
        if not self._child.connection.poll(_ANSWER_S):
            self._end()
            raise InferenceError("the process with the face models does not answer")
        return self._child.connection.recv()

    def _end(self) -> None:
        if self._child is not None:
            self._child.stop(grace_s=0.5)
            self._child = None


def serve(connection: "Connection[Any, Any]", load_models: Callable[[], LocalModels], idle_s: float) -> None:
    """Answer questions until nobody asks any more: the child's life."""
    try:
        models: LocalModels | ModelError = load_models()
    except ModelError as exc:
        models = exc
    while connection.poll(idle_s):
        try:
            what, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(models if isinstance(models, ModelError) else _answer(models, what, arguments))


def _answer(models: LocalModels, what: str, arguments: Sequence[Any]) -> Any:
    try:
        member = getattr(models, what)
        return member(*arguments) if callable(member) else member
    except ModelError as exc:
        return exc
