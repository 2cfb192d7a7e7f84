"""Made-up people for two made-up networks: vectors that are as alike, and as long, as those of real faces.

A look is a mixture of who it is, of what all faces seen so have in common, and of what changes from moment to moment.
The shares, lengths and limits are those that were measured on clips: two looks of one person .75 alike, neighbouring
ones .95, dark heads .8 alike whoever they are, strangers 0 give or take .15, and some lookalikes just below the rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.embedders.cohort import CohortScorer
from mosaicast.core.identity import Match
from mosaicast.core.types import OwnerId, PersonId
from mosaicast.pipeline.ports import Embedded, Face, Quality
from tests.fakes.gallery import MemoryGallery

Vector = NDArray[np.float32]

DIMENSIONS = (512, 192)
FLOORS = (0.50, 0.55)
QUALITIES = (
    Quality(votes_from=1.85, clear_from=2.1, like_before=0.35, like_own=0.60),
    Quality(votes_from=38.0, clear_from=45.0, like_before=0.35, like_own=0.65),
)
OWNER = OwnerId("owner")


@dataclass(frozen=True)
class Kind:
    """How a face is seen."""

    own: float
    """Share of who it is."""
    shared: float
    """Of what all faces have in common that are seen so."""
    moment: float
    """Of what changes."""
    lengths: tuple[tuple[float, float], tuple[float, float]]
    """Least and most, of each network's raw vectors."""


KINDS = {
    "frontal": Kind(0.85, 0.10, 0.45, ((2.3, 3.2), (50.0, 70.0))),
    "soft": Kind(0.85, 0.10, 0.45, ((1.9, 2.08), (39.5, 44.5))),
    "turned": Kind(0.50, 0.40, 0.60, ((1.9, 2.08), (39.5, 44.5))),
    "dark": Kind(0.25, 0.90, 0.30, ((1.3, 1.6), (24.0, 33.0))),
    "blurred": Kind(0.60, 0.40, 0.60, ((1.6, 2.05), (32.0, 44.0))),
}
PHOTO = 0.8
"""How alike a photo is to who it shows."""
CHANGE = 0.35
"""How much of what changes is new from one look to the next."""


@dataclass
class People:
    """Everybody whom one stream meets, as both networks see them.

    Args:
        seed: of all that is drawn.
    """

    seed: int
    vectors: list[tuple[tuple[Vector, float], ...]] = field(default_factory=list)
    """What each network makes of each picture that was shown: a vector, and its raw length."""

    def __post_init__(self) -> None:
        """Draw what faces that are seen alike have in common."""
        self.rng = np.random.default_rng(self.seed)
        self._who: dict[str, tuple[Vector, ...]] = {}
        self._shared = {kind: tuple(self._unit(size) for size in DIMENSIONS) for kind in KINDS}
        self._moments: dict[str, list[Vector]] = {}

    def draw(self, name: str, alike: Sequence[float] = (0.0, 0.0), to: str = "") -> None:
        """Draw a person, so alike to another in each network."""
        made = [self._unit(size) for size in DIMENSIONS]
        if to:
            pairs = zip(alike, self._who[to], made, strict=True)
            made = [_unit(share * other + np.sqrt(1 - share**2) * own) for share, other, own in pairs]
        self._who[name] = tuple(made)

    def show(self, name: str, kind: str, other: str = "", share: float = 0.0, dim: float = 0.0) -> int:
        """Show a face, or a mixture of two; return the number of the picture.

        Args:
            name: whose face.
            kind: how it is seen.
            other: who is mixed into it, by `share`.
            dim: how far the light has gone out, 0 to 1.
        """
        seen = [self._seen((name, other, share), kind, network, dim) for network in range(len(DIMENSIONS))]
        self.vectors.append(tuple(seen))
        return len(self.vectors) - 1

    def photo(self, name: str, network: int) -> Vector:
        """Return the template of a photo."""
        rest = np.sqrt(1 - PHOTO**2) * self._unit(DIMENSIONS[network])
        return _unit(PHOTO * self._who[name][network] + rest)

    def _seen(self, face: tuple[str, str, float], kind: str, network: int, dim: float) -> tuple[Vector, float]:
        (name, other, share), view, dark = face, KINDS[kind], KINDS["dark"]
        who = self._who[name][network]
        if other:
            who = _unit((1 - share) * who + share * self._who[other][network])
        moment = self._moment(name, network)
        lit = view.own * who + view.shared * self._shared[kind][network] + view.moment * moment
        unlit = dark.own * who + dark.shared * self._shared["dark"][network] + dark.moment * moment
        lengths = [self.rng.uniform(*one.lengths[network]) for one in (view, dark)]
        return _unit((1 - dim) * lit + dim * unlit), float((1 - dim) * lengths[0] + dim * lengths[1])

    def _moment(self, name: str, network: int) -> Vector:
        if name not in self._moments:
            self._moments[name] = [self._unit(size) for size in DIMENSIONS]
        old, new = self._moments[name][network], self._unit(DIMENSIONS[network])
        self._moments[name][network] = _unit(np.sqrt(1 - CHANGE**2) * old + CHANGE * new)
        return self._moments[name][network]

    def _unit(self, size: int) -> Vector:
        return _unit(self.rng.standard_normal(size))


class MadeEmbedder:
    """A network that knows each picture by its number."""

    version, in_batches = "1", False

    def __init__(self, people: People, network: int) -> None:
        self.name, self.dimension = f"made-{network}", DIMENSIONS[network]
        self.quality = QUALITIES[network]
        self._people, self._network = people, network

    def embed(self, faces: Sequence[Face]) -> Embedded:
        seen = [self._people.vectors[number_in(face)][self._network] for face in faces]
        return Embedded(np.stack([vector for vector, _ in seen]), np.array([length for _, length in seen], np.float32))


class MadeGallery(MemoryGallery):
    """Templates of one network, held against its floor."""

    def __init__(self, network: int) -> None:
        super().__init__(DIMENSIONS[network])
        self._score = CohortScorer(FLOORS[network])

    def _matches(self, owner: str, vector: Vector) -> list[Match]:
        best = [
            Match(PersonId(person), float(self._score(vector[None], own).max()))
            for (_, person), own in self.held.items()
        ]
        return sorted(best, key=lambda match: -match.similarity)


class Numbers:
    """Stands in for JPEG: a crop says the number of its picture."""

    def size_wh(self, data: bytes) -> tuple[int, int]:
        return 160, 160

    def decode(self, data: bytes, reduction: int = 1) -> NDArray[np.uint8]:
        return np.frombuffer(data, np.uint8).reshape(1, 1, 3)

    def encode(self, picture: NDArray[np.uint8], quality: int) -> bytes:
        return bytes(picture.tobytes())


def crop_of(number: int) -> bytes:
    """Return the crop that shows a picture."""
    return number.to_bytes(3, "big")


def number_in(face: Face) -> int:
    """Return which picture a face is."""
    return int.from_bytes(face.picture.tobytes(), "big")


def _unit(vector: NDArray[np.floating]) -> Vector:
    return cast(Vector, (vector / np.linalg.norm(vector)).astype(np.float32))
