"""From sampled frames to detections: decode, find faces, cut them out. No answer is a Failure, never nobody."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mosaicast.contracts.messages import Detections, FaceCrop, FaceDetection, SampledFrame
from mosaicast.core.types import Box
from mosaicast.imaging.crops import crop_square, sharpness, stretched
from mosaicast.imaging.types import Landmarks, Picture
from mosaicast.pipeline.errors import JpegError, ModelError
from mosaicast.pipeline.ports import Detector, Jpeg, Over, RawFace, Reduction, Timed, untimed

SMALLEST_CROP_PX = 32
"""Source pixels of a box's shorter side; a face below cannot be recognised, so it is masked without a crop."""
FINE_PX = 100
"""A box this long fills a crop (160 px / 1.6): cut from the reduced picture it is as good as from the whole one."""
MOST_CROPS = 12
"""A frame; the largest faces. Each costs 0.2 ms here, 8 kB on the bus and 6 ms to embed."""
CROP_QUALITY = 90
LARGEST_FACES = 2000
"""What the contract allows."""

Reason = Literal["bad_picture", "model", "too_many", "bug"]


class Job(NamedTuple):
    """One frame to analyse now."""

    frame: SampledFrame
    crops: bool
    """Cut every face out that is large enough, whatever it costs."""
    after_seq: int = -1
    """Number of the frame of this epoch whose detections go out before; -1: none do, or another instance's."""


class Failure(NamedTuple):
    """Why a frame has no detections."""

    reason: Reason
    detail: str


class _View(NamedTuple):
    """A decoded picture, perhaps smaller than the source."""

    picture: Picture
    scale_x: float
    """Picture pixels per source pixel."""
    scale_y: float


def analyse(
    detector: Detector, jpeg: Jpeg, jobs: Sequence[Job], timed: Timed = untimed, over: Over = map
) -> list[Detections | Failure]:
    """Return the detections of each frame, or why there are none. Boxes are in source pixels.

    Args:
        detector: of the calling thread.
        jpeg: reads the frames and writes the crops.
        jobs: of any streams.
        timed: measures the parts of it.
        over: reads JPEGs, and cuts faces out, of several frames; in threads perhaps.
    """
    with timed("decode"):
        views = list(over(lambda job: _viewed(job.frame, detector, jpeg), jobs))
    whole = [place for place, view in enumerate(views) if isinstance(view, _View)]
    threshold = min((jobs[place].frame.detection_threshold for place in whole), default=1.0)
    with timed("network"):
        found = dict(zip(whole, _found(detector, [_picture(views[place]) for place in whole], threshold), strict=True))

    def answered(place: int) -> Detections | Failure:
        return _answer(detector.name, jpeg, jobs[place], views[place], found.get(place))

    with timed("crop"):
        return list(over(answered, range(len(jobs))))


def _viewed(frame: SampledFrame, detector: Detector, jpeg: Jpeg) -> _View | Failure:
    try:
        width, height = jpeg.size_wh(frame.jpeg)
        return _view(frame, jpeg, _reduction(width, detector.input_size(width, height)[0]))
    except JpegError as exc:
        return Failure("bad_picture", str(exc))


def _view(frame: SampledFrame, jpeg: Jpeg, reduction: Reduction) -> _View:
    picture = jpeg.decode(frame.jpeg, reduction)
    return _View(picture, picture.shape[1] / frame.width, picture.shape[0] / frame.height)


def _reduction(width: int, needed: int) -> Reduction:
    """Return how much a picture may be reduced while it is decoded, so that the model misses nothing."""
    choices: tuple[Reduction, ...] = (8, 4, 2)
    return next((choice for choice in choices if width >= choice * needed), 1)


def _picture(view: _View | Failure) -> Picture:
    if isinstance(view, Failure):
        raise AssertionError("failures have no picture")
    return view.picture


def _found(detector: Detector, pictures: list[Picture], threshold: float) -> list[list[RawFace] | Failure]:
    """Run the model; if a batch fails, each of its pictures alone, so that one stream's does not harm another's."""
    try:
        return list(detector.detect(pictures, threshold)) if pictures else []
    except ModelError as exc:
        if len(pictures) == 1:
            return [Failure("model", str(exc))]
        return [_found(detector, [picture], threshold)[0] for picture in pictures]


def _answer(
    model: str, jpeg: Jpeg, job: Job, view: _View | Failure, faces: list[RawFace] | Failure | None
) -> Detections | Failure:
    if isinstance(view, Failure):
        return view
    if faces is None or isinstance(faces, Failure):
        return faces or Failure("bug", "the model gave no answer")
    faces = [face for face in faces if face.score >= job.frame.detection_threshold]
    if len(faces) > LARGEST_FACES:
        return Failure("too_many", f"{len(faces)} faces")
    try:
        return _message(model, job, _described(job, jpeg, view, faces))
    except (JpegError, ValueError) as exc:  # ValueError: the contract refuses NaN and inverted boxes
        return Failure("bad_picture" if isinstance(exc, JpegError) else "model", str(exc))


def _message(model: str, job: Job, faces: tuple[FaceDetection, ...]) -> Detections:
    frame = job.frame
    return Detections(**frame.header(), after_seq=job.after_seq, model=model, faces=faces, read_ms=frame.read_ms)


def _described(job: Job, jpeg: Jpeg, view: _View, faces: list[RawFace]) -> tuple[FaceDetection, ...]:
    """Bring faces to source pixels and cut out those that the recognizer can use, in the detector's order."""
    source = [_to_source(face, view) for face in faces]
    chosen = _croppable(source)
    coarse = {place for place in chosen if _long(faces[place].box) < FINE_PX}
    reduced = view.picture.shape[:2] != jpeg.size_wh(job.frame.jpeg)[::-1]
    if coarse and reduced and job.crops:
        view = _view(job.frame, jpeg, 1)
    elif coarse and reduced:
        chosen -= coarse
    return tuple(_detection(face, jpeg, view if place in chosen else None) for place, face in enumerate(source))


def _to_source(face: RawFace, view: _View) -> RawFace:
    scale = np.array([view.scale_x, view.scale_y] * 5)
    a, b, c, d, e, f, g, h, i, j = (float(number) for number in np.asarray(face.landmarks) / scale)
    landmarks: Landmarks = (a, b, c, d, e, f, g, h, i, j)
    return RawFace(Box(*(float(number) for number in np.asarray(face.box) / scale[:4])), face.score, landmarks)


def _croppable(faces: list[RawFace]) -> set[int]:
    """Return the places of the largest faces that are large enough."""
    large = [place for place, face in enumerate(faces) if min(face.box.width, face.box.height) >= SMALLEST_CROP_PX]
    return set(sorted(large, key=lambda place: -faces[place].box.area)[:MOST_CROPS])


def _long(box: Box) -> float:
    return max(box.width, box.height)


def _detection(face: RawFace, jpeg: Jpeg, view: _View | None) -> FaceDetection:
    crop, sharp = (None, 0.0) if view is None else _crop(face, jpeg, view)
    return FaceDetection(box=face.box, score=face.score, landmarks=face.landmarks, sharpness=sharp, crop=crop)


def _crop(face: RawFace, jpeg: Jpeg, view: _View) -> tuple[FaceCrop | None, float]:
    x, y = view.scale_x, view.scale_y
    box = face.box
    cut = crop_square(view.picture, Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y))
    if cut is None:
        return None, 0.0
    # Where the source's pixels are not square, a crop has them too: places in it are told with one scale.
    crop = FaceCrop(
        jpeg=jpeg.encode(stretched(cut.picture, x / y), CROP_QUALITY),
        origin_x=cut.origin_x / x,
        origin_y=cut.origin_y / y,
        scale=cut.scale * x,
    )
    return crop, sharpness(cut.picture)
