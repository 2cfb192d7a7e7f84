"""Measures the models: `python -m bench.models [--json FILE]` prints a table, and writes the same as JSON.

Speed on one core, of each embedder by precision; agreement of the rebuilt embedder with dlib; and recall. Recall by
size is made from photographs inside packages; with MOSAICAST_DATA set, recall on its 200 WIDER FACE pictures is added.
"""

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from skimage import data

from bench.make_cohort import packaged
from bench.timing import median_ms
from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.detectors.width import WIDTH
from mosaicast.adapters.embedders import Face, dlib_resnet, make_embedder
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.models import profile_of
from mosaicast.adapters.models.agreement import least_cosine
from mosaicast.adapters.models.placement import Precision
from mosaicast.core.types import Box
from mosaicast.imaging.crops import crop_square, sharpness
from mosaicast.imaging.types import Picture
from synthetic.pictures import known_picture

THRESHOLD = 0.2
MARGIN = 0.15
"""The delay line grows a box by this much on each side."""
WIDTHS = (640, WIDTH, 832)
PRECISIONS: tuple[Precision, ...] = ("auto", "f32")
LANDMARKS = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)


def main() -> None:
    """Measure everything and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench/out/models.json"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {**speed(), **embedding(), **per_face(), **recall_by_size(), **wider()}
    for name, value in results.items():
        print(f"{name:<48} {value}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def astronaut() -> Picture:
    """The photograph, BGR 512x512; its face is at (179, 62) to (271, 178)."""
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def broadcast(side: int) -> Picture:
    """A 720p frame with the astronaut, the whole photograph `side` pixels wide."""
    frame = np.full((720, 1280, 3), 90, np.uint8)
    photo = cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    frame[40 : 40 + side, 500 : 500 + side] = photo[:680]
    return frame


def speed() -> dict[str, Any]:
    """Milliseconds of each step of the detector on a 720p frame."""
    results: dict[str, Any] = {}
    coded = jpeg.encode(broadcast(600), 85)
    whole = jpeg.decode(coded)
    for width in WIDTHS:
        picture = jpeg.decode(coded, 2) if width == 640 else whole
        for precision in PRECISIONS:
            detector = CenterFace(width, precision)
            label = f"centerface {width} wide, {precision} ({detector.precision})"
            results[f"{label} ms"] = median_ms(partial(detector.detect, [picture], THRESHOLD))
    results["decode 720p halved ms"] = median_ms(lambda: jpeg.decode(coded, 2))
    results["decode 720p whole ms"] = median_ms(lambda: jpeg.decode(coded))
    crop = crop_square(whole, Box(700, 110, 810, 250))
    assert crop is not None
    results["crop, sharpness, encode ms"] = median_ms(
        lambda: (crop_square(whole, Box(700, 110, 810, 250)), sharpness(crop.picture), jpeg.encode(crop.picture, 90))
    )
    return results


def chips() -> list[Picture]:
    """Aligned faces and places without one, uint8 [150, 150, 3] BGR; also from the data folder, if it is there."""
    photo, random = astronaut(), np.random.default_rng(0)
    face = dlib_resnet.align(Face(photo, LANDMARKS))
    assert face is not None
    corners = random.integers(0, 512 - 150, (12, 2)).tolist()
    found = [face, *(np.ascontiguousarray(photo[y : y + 150, x : x + 150]) for y, x in corners)]
    detector = CenterFace(precision="f32")
    for path in sorted(data_files("faces/kr_enrol_50", "ref_01.jpg"))[:25]:
        picture = known_picture(path)
        for raw in detector.detect([picture], 0.5)[0][:1]:
            chip = dlib_resnet.align(Face(picture, raw.landmarks))
            found += [] if chip is None else [chip]
    return found


def embedding() -> dict[str, Any]:
    """Milliseconds of an embedding, and its cosine to dlib's own."""
    results: dict[str, Any] = {}
    samples, reference = chips(), dlib_vectors(chips())
    for precision in PRECISIONS:
        embedder = DlibResnet(precision)
        label = f"dlib resnet {precision} ({embedder.precision})"
        results[f"{label} ms"] = median_ms(partial(embedder.embed_chip, samples[0]))
        if reference is not None:
            vectors = np.stack([embedder.embed_chip(chip) for chip in samples])
            results[f"{label} least cosine to dlib"] = round(float((vectors * reference).sum(axis=1).min()), 7)
    results["chips compared with dlib"] = len(samples) if reference is not None else 0
    return results


def per_face() -> dict[str, Any]:
    """CPU milliseconds of a face, aligned and embedded, and faces a second of one core: each packaged network."""
    results: dict[str, Any] = {}
    faces = [Face(picture, LANDMARKS) for picture in (astronaut(), np.ascontiguousarray(astronaut()[:, ::-1]))]
    for name, plain in packaged().items():
        for precision in PRECISIONS:
            embedder = make_embedder(name, models_dir=Path(), precision=precision)
            label = f"{name} {precision} ({embedder.placement.precision})"
            ms = median_ms(partial(embedder.embed, faces[:1]), warm=5, clock=time.process_time)
            cosine = least_cosine(embedder.embed(faces).vectors, plain.embed(faces).vectors)
            results[f"{label} CPU ms a face"] = ms
            results[f"{label} faces a second of a core"] = round(1000 / ms, 1)
            results[f"{label} least cosine to f32"] = round(cosine, 6)
    return results


def dlib_vectors(samples: list[Picture]) -> NDArray[np.float64] | None:
    """Return dlib's vectors of length 1, or None where dlib is not installed."""
    try:
        import dlib
    except ImportError:
        return None
    net = dlib.face_recognition_model_v1(str(profile_of("dlib-resnet").path))
    rgb = [np.ascontiguousarray(chip[:, :, ::-1]) for chip in samples]
    vectors: NDArray[np.float64] = np.array([net.compute_face_descriptor(chip) for chip in rgb])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def recall_by_size() -> dict[str, Any]:
    """Share of places in a 720p frame at which a face of this height is found and covered."""
    results = {}
    for width in WIDTHS:
        detector = CenterFace(width)
        for height in (16, 20, 24, 28, 32):
            found = [covered(truth, boxes_of(detector, frame)) for frame, truth in placed(height, halved=width == 640)]
            results[f"face of {height} px in 720p, {width} wide: covered"] = round(sum(found) / len(found), 3)
    return results


def placed(height: int, *, halved: bool) -> list[tuple[Picture, Box]]:
    """Two people, one also mirrored, with faces of this height at several places before two backgrounds, in 720p."""
    random = np.random.default_rng(height)
    grounds = [cv2.GaussianBlur(cv2.resize(data.coffee()[:, :, ::-1], (1280, 720)), (0, 0), 3)]
    grounds += [cv2.resize(data.rocket()[:, :, ::-1], (1280, 720))]
    frames = []
    for number in range(24):
        photo, face = people()[number % 3]
        scale = height / face.height
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        frame = grounds[number % 2].copy()
        y, x = random.integers(0, (720 - photo.shape[0], 1280 - photo.shape[1])).tolist()
        frame[y : y + photo.shape[0], x : x + photo.shape[1]] = photo
        truth = Box(x + face.x1 * scale, y + face.y1 * scale, x + face.x2 * scale, y + face.y2 * scale)
        seen = jpeg.decode(jpeg.encode(np.asarray(frame, np.uint8), 85), 2 if halved else 1)
        frames.append((seen, Box(*(one * seen.shape[1] / 1280 for one in truth))))
    return frames


def people() -> list[tuple[Picture, Box]]:
    """Photographs that ship inside packages, each with its face."""
    hopper = known_picture(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    mirrored = np.ascontiguousarray(astronaut()[:, ::-1])
    return [
        (astronaut(), Box(179, 62, 271, 179)),
        (np.asarray(hopper, np.uint8), Box(173, 122, 356, 340)),
        (mirrored, Box(512 - 271, 62, 512 - 179, 179)),
    ]


def boxes_of(detector: CenterFace, picture: Picture) -> list[Box]:
    """Return the boxes at the threshold that decides masking."""
    return [face.box for face in detector.detect([picture], THRESHOLD)[0]]


def covered(truth: Box, boxes: list[Box]) -> bool:
    """Whether some box, grown by the delay line's margin, covers 90 % of the true one."""
    return any(shared(truth, grown(box)) >= 0.9 * truth.area for box in boxes)


def grown(box: Box) -> Box:
    """Return the box with MARGIN of its size more on each side."""
    x, y = box.width * MARGIN, box.height * MARGIN
    return Box(box.x1 - x, box.y1 - y, box.x2 + x, box.y2 + y)


def shared(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    return max(0.0, width) * max(0.0, height)


def matched(truth: Box, boxes: list[Box]) -> bool:
    """Whether some box has an intersection over union of 0.5 with the true one."""
    return any(shared(truth, box) >= 0.5 * (truth.area + box.area - shared(truth, box)) for box in boxes)


def wider() -> dict[str, Any]:
    """Recall on WIDER FACE at low resolution: faces of 20 px and more as the pictures are."""
    files = data_files("faces/wider_val_200", "annotations.json")
    if not files:
        return {"WIDER-200": "not measured: MOSAICAST_DATA is not set"}
    known = json.loads(files[0].read_text())["images"]
    records = [record for record in known if (files[0].parent / record["file"]).is_file()]
    results: dict[str, Any] = {"WIDER-200 pictures there": f"{len(records)} of {len(known)}"}
    for precision in PRECISIONS:
        detector = CenterFace(precision=precision)
        faces = [one for record in records for one in judged(detector, files[0].parent, record)]
        label = f"WIDER-200 {precision} ({detector.precision})"
        for low, high in ((20, 30), (30, 60), (60, 10_000), (20, 10_000)):
            part = [one for one in faces if low <= one[0] < high]
            name = f"{label} {low}-{high if high < 10_000 else ''} px, {len(part)} faces"
            results[f"{name}: IoU .5"] = round(sum(one[1] for one in part) / len(part), 4)
            results[f"{name}: covered"] = round(sum(one[2] for one in part) / len(part), 4)
    return results


def judged(detector: CenterFace, folder: Path, record: dict[str, Any]) -> list[tuple[float, bool, bool]]:
    """Return height, matched and covered of each true face that the official protocol counts."""
    boxes = boxes_of(detector, known_picture(folder / record["file"]))
    faces = []
    for face in record["faces"]:
        x, y, width, height = face["box_xywh"]
        truth = Box(x, y, x + width, y + height)
        if face["subset"] != "ignore":
            faces.append((height, matched(truth, boxes), covered(truth, boxes)))
    return faces


def data_files(folder: str, name: str) -> list[Path]:
    """Return the files of this name below a part of the data folder; none if it is not there."""
    root = os.environ.get("MOSAICAST_DATA")
    return sorted((Path(root) / folder).rglob(name)) if root else []


if __name__ == "__main__":
    main()
