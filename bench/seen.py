"""What the product's parts see in every frame of a clip, kept in a folder, so that clips are replayed at any phase.

Which frames a live stream's grid of ten samples a second meets is luck; here every frame is found and embedded once,
and each phase of the grid is chosen from them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.replay_parts import read_clip
from mosaicast.adapters.detectors import Detector
from mosaicast.adapters.embedders import Embedded, Embedder, Face, Quality
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.messages import Detections, FaceCrop, FaceDetection
from mosaicast.core.sampling import Sampler, SamplingPolicy
from mosaicast.imaging.types import Picture
from mosaicast.pipeline.analyse import Job, analyse
from mosaicast.pipeline.match import face_in
from mosaicast.pipeline.ports import Reduction

EVERY_FRAME_FPS = 1000.0
_FRAMES = msgspec.msgpack.Decoder(list[Detections])


@dataclass(frozen=True, slots=True)
class SeenClip:
    """One clip."""

    name: str
    frames: list[Detections]
    """Of every frame. In place of a crop's JPEG stands its row in `embedded`, four bytes."""
    embedded: Mapping[str, Embedded]
    """By network, a row for each crop."""

    @property
    def phases(self) -> range:
        """How many first frames may be left out before the grid of samples is the same again."""
        seconds = float(self.frames[-1].time - self.frames[0].time) or 1.0
        return range(max(1, round((len(self.frames) - 1) / seconds / SamplingPolicy().analysis_fps)))


class ClipReader:
    """Sees clips, each once.

    Args:
        embedders: by the name of the column.
        cache: folder; a file for each clip, its name made of the clip's bytes and the models' versions.
    """

    def __init__(self, detector: Detector, embedders: Mapping[str, Embedder], cache: Path) -> None:
        self._detector, self._embedders, self._cache = detector, embedders, cache
        cache.mkdir(parents=True, exist_ok=True)

    def see(self, path: Path) -> SeenClip:
        """Return what is in a clip."""
        held = self._cache / f"{self.key(path)}.npz"
        if not held.is_file():
            part = held.with_suffix(".part")
            with part.open("wb") as file:
                np.savez(file, **cast(Any, packed(self._seen(path))))
            part.replace(held)
        with np.load(held) as arrays:
            return unpacked(path.name, arrays)

    def key(self, path: Path) -> str:
        """Return the name of a clip's file in the cache."""
        versions = ",".join(f"{name}:{one.name}:{one.version}" for name, one in sorted(self._embedders.items()))
        return hashlib.sha256(f"1 {self._detector.name} {versions}".encode() + path.read_bytes()).hexdigest()[:32]

    def _seen(self, path: Path) -> SeenClip:
        rows: dict[str, list[Embedded]] = {name: [] for name in self._embedders}
        frames, count, before = [], 0, -1
        for sample in read_clip(path, EVERY_FRAME_FPS).samples:
            found = analyse(self._detector, jpeg, [Job(sample, crops=True, after_seq=before)])[0]
            assert isinstance(found, Detections), f"{path.name} at {sample.time}: {found}"
            before = found.seq
            faces = [face_in(jpeg, face.crop, face.landmarks) for face in found.faces if face.crop is not None]
            for name, embedder in self._embedders.items():
                rows[name] += [embedder.embed(faces)] if faces else []
            frames.append(numbered(found, count))
            count += len(faces)
        return SeenClip(path.name, frames, {name: together(parts) for name, parts in rows.items()})


def numbered(found: Detections, first: int) -> Detections:
    """Return detections with the number of each crop in place of its JPEG, counted from `first`."""
    faces, row = [], first
    for face in found.faces:
        if face.crop is not None:
            face = msgspec.structs.replace(face, crop=_crop(face.crop, row))  # noqa: PLW2901
            row += 1
        faces.append(face)
    return msgspec.structs.replace(found, faces=tuple(faces))


def _crop(crop: FaceCrop, row: int) -> FaceCrop:
    return msgspec.structs.replace(crop, jpeg=row.to_bytes(4, "big"))


def row_of(face: FaceDetection) -> int | None:
    """Return a face's row in `SeenClip.embedded`; None: it has no crop."""
    return None if face.crop is None else int.from_bytes(face.crop.jpeg, "big")


def together(parts: Sequence[Embedded]) -> Embedded:
    """Return what several runs of a network gave as one."""
    if not parts:
        return Embedded(np.zeros((0, 1), np.float32), np.zeros(0, np.float32))
    return Embedded(np.concatenate([one.vectors for one in parts]), np.concatenate([one.lengths for one in parts]))


def packed(clip: SeenClip) -> dict[str, NDArray[Any]]:
    """Return a clip as arrays."""
    arrays: dict[str, NDArray[Any]] = {"frames": np.frombuffer(msgspec.msgpack.encode(clip.frames), np.uint8)}
    for name, one in clip.embedded.items():
        arrays[f"vectors {name}"], arrays[f"lengths {name}"] = one.vectors.astype(np.float16), one.lengths
    return arrays


def unpacked(name: str, arrays: Mapping[str, NDArray[Any]]) -> SeenClip:
    """Return the clip in these arrays."""
    networks = [key.removeprefix("vectors ") for key in arrays if key.startswith("vectors ")]
    embedded = {
        each: Embedded(arrays[f"vectors {each}"].astype(np.float32), arrays[f"lengths {each}"]) for each in networks
    }
    return SeenClip(name, _FRAMES.decode(arrays["frames"].tobytes()), embedded)


def sampled(frames: Sequence[Detections], first: int = 0, crops_every: int = 1) -> Iterator[Detections]:
    """Yield the frames that ingest samples of a stream that begins at frame `first`, numbered anew.

    Args:
        crops_every: only every so many samples have crops, and the first of each scene.
    """
    sampler, count = Sampler(SamplingPolicy()), 0
    for before, frame in zip([None, *frames[first:]], frames[first:], strict=False):
        decision = sampler.decide(frame.time, scene_cut=frame.scene_cut)
        chosen = [before if decision.previous else None, frame if decision.current else None]
        for one in chosen:
            if one is not None:
                with_crops = count % crops_every == 0 or one.scene_cut
                yield _renumbered(one if with_crops else without_crops(one), count)
                count += 1


def _renumbered(frame: Detections, number: int) -> Detections:
    return msgspec.structs.replace(frame, seq=number, after_seq=number - 1)


def without_crops(frame: Detections) -> Detections:
    """Return detections whose faces were not cut out."""
    faces = tuple(msgspec.structs.replace(face, crop=None, sharpness=0.0) for face in frame.faces)
    return msgspec.structs.replace(frame, faces=faces)


class RowJpeg:
    """Stands in for the JPEG library: a crop is its row's four bytes, and so is its picture."""

    def size_wh(self, data: bytes) -> tuple[int, int]:
        """Return one pixel's size."""
        del data
        return 1, 1

    def decode(self, data: bytes, reduction: Reduction = 1) -> Picture:
        """Return the four bytes as a picture."""
        del reduction
        return np.frombuffer(data, np.uint8).reshape(1, 1, 4)

    def encode(self, picture: Picture, quality: int) -> bytes:
        """Return the four bytes of a picture."""
        del quality
        return picture.tobytes()


class Remembered:
    """Stands in for a network: what it said of each crop when the clip was seen."""

    in_batches = False

    def __init__(self, network: Embedder, embedded: Embedded) -> None:
        self.name, self.version, self.dimension = network.name, network.version, network.dimension
        self.quality: Quality = network.quality
        self.placement = network.placement
        self._embedded = embedded

    def embed(self, faces: Sequence[Face]) -> Embedded:
        """Return the rows that the pictures name."""
        rows = [int.from_bytes(face.picture.tobytes(), "big") for face in faces]
        return Embedded(self._embedded.vectors[rows], self._embedded.lengths[rows])
