"""An api that enrolls: real face models and vault, a gallery in memory, photographs that ship inside packages."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.media.clip import ClipSample
from mosaicast.adapters.media.clip_file import read as read_clip
from mosaicast.adapters.media.photo_file import Decoded, read
from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks, Picture
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.settings import RecognitionSettings
from services.api.deps import Deps
from services.api.people.clips import ClipJudge
from services.api.people.enrollment import Enroller
from services.api.people.face_models import LocalModels, Network, Vectors, load
from services.api.people.filming import Filmed
from services.api.people.records import announce
from services.api.people.reindex import Reindexer
from services.api.people.templates import Gallery, Templates
from synthetic.cast import load_cast
from tests.fakes.gallery import MemoryGallery
from tests.services.api.fakes import Desk


class Remembering(LocalModels):
    """Networks that look once at each picture: most tests enroll the same two photographs."""

    def __init__(self, models: LocalModels) -> None:
        super().__init__(models._detector, models._embedders)
        self._known: dict[Any, Any] = {}

    def find(self, picture: Picture, threshold: float) -> list[RawFace]:
        return list(self._once("find", picture, threshold, super().find))

    def embed(self, picture: Picture, landmarks: Landmarks) -> Vectors:
        return tuple(vector.copy() for vector in self._once("embed", picture, landmarks, super().embed))

    def _once(self, what: str, picture: Picture, given: Any, ask: Callable[[Picture, Any], Any]) -> Any:
        asked = what, sha256(picture.tobytes()).digest(), picture.shape, given
        if asked not in self._known:
            self._known[asked] = ask(picture, given)
        return self._known[asked]


@cache
def models() -> LocalModels:
    """The product's models, loaded once for all tests."""
    return Remembering(load(RecognitionSettings().networks, Path()))


@cache
def portrait(name: str) -> NDArray[np.uint8]:
    """A photograph with one face: astronaut, admiral."""
    return load_cast()[name].photo


def jpeg(picture: NDArray[np.uint8], **options: Any) -> bytes:
    """Return BGR as JPEG; `exif` is an orientation."""
    orientation = options.pop("exif", None)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    data = io.BytesIO()
    Image.fromarray(picture[:, :, ::-1]).save(data, "JPEG", quality=92, **options)
    return data.getvalue()


def variant(name: str, **change: float) -> NDArray[np.uint8]:
    """The portrait as another photo of the same person: `light` scales, `turn_deg` rolls it a little."""
    picture = portrait(name)
    height, width = picture.shape[:2]
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), change.get("turn_deg", 0.0), 1.0)
    picture = np.asarray(cv2.warpAffine(picture, turned, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray((picture * change.get("light", 1.0)).clip(0, 255), np.uint8)


class LocalDecoder:
    """Reads photos in the test's process; the child has tests of its own."""

    def decode(self, data: bytes, part: Box | None = None) -> Decoded:
        return read(data, part)


class LocalFilmed:
    """Reads videos in the test's process; the child has tests of its own."""

    def samples(self, data: bytes) -> Iterator[ClipSample]:
        return read_clip(data)


@dataclass
class PeopleDesk(Desk):
    """An api that can enroll."""

    galleries: dict[str, Any] = field(
        default_factory=lambda: {n.name: MemoryGallery(n.dimension) for n in models().networks}
    )
    wrap: Callable[[Network], Network] = lambda network: network
    make_models: Callable[[], LocalModels] = models
    filmed: Filmed = field(default_factory=LocalFilmed)

    def make_deps(self) -> Deps:
        deps, local = super().make_deps(), self.make_models()
        held: dict[Network, Gallery] = {self.wrap(n): self.galleries[n.name] for n in local.networks}
        templates, enroller = Templates(held), Enroller(LocalDecoder(), local)
        clips = ClipJudge(self.filmed, local, enroller, monotonic_s)
        reindexer = Reindexer(self.storage, deps.vault, templates, enroller, lambda owner: announce(self.deps, owner))
        return replace(deps, templates=templates, enroller=enroller, reindexer=reindexer, clips=clips)

    def enroll(self, *photos: bytes | tuple[str, bytes], video: bytes | None = None, **fields: str) -> httpx.Response:
        """Ask to enroll Ann from photos, and a video."""
        named = [photo if isinstance(photo, tuple) else (f"{i}.jpg", photo) for i, photo in enumerate(photos)]
        files = [("photos", photo) for photo in named] + ([("video", ("a.mp4", video))] if video is not None else [])
        return self.admin.post("/v1/people", data={"name": "Ann", **fields}, files=files)

    def enrolled(self, *photos: bytes, **fields: str) -> dict[str, Any]:
        """Enroll Ann and return the answer."""
        answer = self.enroll(*(photos or (jpeg(portrait("astronaut")),)), video=None, **fields)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def nothing_is_kept(self) -> bool:
        """Whether neither database nor gallery nor vault has anybody."""
        held = any(gallery.held for gallery in self.galleries.values())
        return not (held or self.deps.vault.people() or self.storage.people_ids())
