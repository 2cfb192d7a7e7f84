"""The oracle: given the clip that was published and a frame that came back, which faces show?

A pixel counts as masked if the frame differs from the source there by more than the detail that a mask would have
removed: energy of (output - source) against energy of (source - its own coarse version), both over a small window. An
encoder's noise is far below that, a mosaic of at most 8 blocks, a blur from 8x8 averages and a solid box are above.
Where the source has no detail nothing can be told and nothing can be recognised: such pixels do not count.

Calibrated on 168 faces, 20 to 125 px wide, re-encoded by x264 veryfast at crf 23 and 28: clear faces measure 0.00 to
0.41 masked, exactly covered ones 0.91 to 1.00. Then tried on 2355 others (demo and bench scripts, both crf): all clear
ones are found, none of those exactly under a mosaic, blur or solid is; of masks 30 % beside their face 5 and 12 are
missed, all on faces partly out of the picture. `tests/unit/synthetic/test_oracle.py` repeats it on a sample.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic import framecode
from synthetic.clip import Truth, load_truth, read_lumas, truth_path
from synthetic.scene import FaceTruth

MIN_FACE_PX = 20
MASKED_SHARE = 0.9
"""A face with less of its box masked has leaked."""
CLEAR_SHARE = 0.25
"""A face with at most so much of its box masked is clear: 0.1, and room for what an encoder does to a small face."""
MIN_WEIGHT = 0.2
"""A face of which less shows in a blend of two pictures is not judged. Measured on six people over six pairs of places:
at 0.2 a network's cosine with the unblended face is 0.25 (0.36 at the 90th percentile), below every threshold, and
the detector sees a third of the faces; at 0.3 it is 0.40 (0.56) and most are seen. Who has the other picture too, free
of the face, can subtract it, and then a tenth is enough: no rule on single frames is meant against that."""
MAX_OCCLUDED = 0.1
"""Faces further behind other people are not judged: what covers them is no mask, nor what shows theirs."""

_COARSE_SHARE = 5  # detail is what a box filter of 1/5 of the face's width removes
_WINDOW_SHARE = 8  # energies are means over 1/8 of the face's width
_GONE = 0.5  # masked: the difference has more than half the energy of the detail
_MIN_DETAIL = 4.0  # luma levels (rms); below it encoder noise decides
_MAJORITY_SHARE = 6  # a pixel goes with the majority of 1/6 of the face's width around it: masks come in one piece
_MARGIN_SHARE = 0.2  # kept around a source face, for the filters

_TILES_DOWN = 45  # global mosaic: the frame in tiles of 1/45 of its height
_TILE_DETAIL = 3.0  # luma levels (rms)
_MAX_DETAILED_SHARE = 0.4  # the grid lines of a mosaic of 16 by 16 blocks touch 32 % of the tiles, a clear frame 47 %
_MAX_DETAILED_PATCHES = 2  # 3x3 tiles that all have detail: none in a mosaic, where lines only cross


class Kind(StrEnum):
    """What a frame that came back is."""

    CLEAN = "clean"  # readable, and every face that must be masked is
    LEAK = "leak"  # at least one face shows that must not
    FULL_MOSAIC = "full_mosaic"  # no number, and no detail anywhere
    UNREADABLE = "unreadable"  # no number, yet detail: nobody knows what it shows
    FOREIGN = "foreign"  # a number that belongs to none of the clips


@dataclass(frozen=True, slots=True)
class FaceFinding:
    """How much of one face is masked in one frame."""

    number: int
    person: str
    box: Box
    visible: float
    masked: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the oracle says about one frame.

    Attributes:
        number: its frame number, or None if it cannot be read.
        leaks: faces that show and must not.
        enrolled: faces of enrolled people in full view, whether they show or not.
    """

    kind: Kind
    number: int | None = None
    flash: bool = False
    leaks: tuple[FaceFinding, ...] = ()
    enrolled: tuple[FaceFinding, ...] = ()


def masked_fraction(source: NDArray[np.uint8], output: NDArray[np.uint8], box: Box) -> float:
    """Return how much of a face is masked, 0 to 1.

    Args:
        source: luma plane as published, uint8 [H, W].
        output: luma plane as it came back, same size.
        box: the face, in pixels.

    A face without any detail in the source counts as masked.
    """
    x1, y1, x2, y2 = _margin_edges(box, source.shape)
    inner = Box(box.x1 - x1, box.y1 - y1, box.x2 - x1, box.y2 - y1)
    return _masked_in_patch(source[y1:y2, x1:x2], output[y1:y2, x1:x2], inner)


def is_leaked(box: Box, masked: float) -> bool:
    """Return whether a face, this much of it masked, counts as leaked (enrolled or not)."""
    return box.width >= MIN_FACE_PX and masked < MASKED_SHARE


def is_clear(masked: float) -> bool:
    """Return whether a face, this much of it masked, is to be seen."""
    return masked <= CLEAR_SHARE


def is_fully_mosaicked(luma: NDArray[np.uint8]) -> bool:
    """Return whether a frame shows nothing but a few blocks, or a blur: no spot of 3 by 3 tiles has detail."""
    height, width = luma.shape
    tile = max(4, height // _TILES_DOWN)
    exact = luma[: height // tile * tile, : width // tile * tile].astype(np.float32)
    energy = (exact - cv2.blur(exact, (5, 5))) ** 2
    tiles = cv2.resize(energy, (width // tile, height // tile), interpolation=cv2.INTER_AREA)
    detailed = (tiles > _TILE_DETAIL**2).astype(np.uint8)
    patches = cv2.erode(detailed, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return bool(detailed.mean() < _MAX_DETAILED_SHARE and patches.sum() <= _MAX_DETAILED_PATCHES)


@dataclass(frozen=True, slots=True)
class _SourceFace:
    truth: FaceTruth
    corner_xy: tuple[int, int]
    patch: NDArray[np.uint8]


class SourceClip:
    """A published clip: its truth, and the luma of its faces as its viewers would decode them without us."""

    def __init__(self, truth: Truth, lumas: Sequence[NDArray[np.uint8]]) -> None:
        """Keep the faces of the frames. `lumas` are the clip's decoded frames in order.

        Raises:
            ValueError: the clip has another number of frames than its truth.
        """
        self.truth = truth
        self._faces = [
            [_source_face(luma, face) for face in faces] for luma, faces in zip(lumas, truth.frames, strict=True)
        ]

    @classmethod
    def load(cls, path: Path) -> "SourceClip":
        """Decode a clip that lies beside its truth. Takes about 2 ms a frame at 720p."""
        return cls(load_truth(truth_path(path)), list(read_lumas(path)))

    def findings(self, number: int, luma: NDArray[np.uint8]) -> tuple[FaceFinding, ...]:
        """Measure every face of a frame that can be judged: wide enough and in front."""
        luma = self._in_source_size(luma)
        return tuple(
            _finding(number, face, luma)
            for face in self._faces[number - self.truth.first_number]
            if _counts(face.truth)
        )

    def _in_source_size(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        width, height = self.truth.size_wh
        if luma.shape == (height, width):
            return luma
        return np.asarray(cv2.resize(luma, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


class Oracle:
    """Judges frames of one masked stream.

    Args:
        clips: what was published, in the order of publication; their ranges of numbers must not overlap.
        enrolled: people whom the stream's owner enrolled: they may show, and should.

    Raises:
        ValueError: two clips share frame numbers.
    """

    def __init__(self, clips: Sequence[SourceClip], enrolled: Collection[str] = ()) -> None:
        ranges = sorted((c.truth.first_number, c.truth.first_number + len(c.truth.frames)) for c in clips)
        if any(late[0] < early[1] for early, late in pairwise(ranges)):
            raise ValueError("two clips share frame numbers: give each script its own first_number")
        self.clips = tuple(clips)
        self.enrolled = frozenset(enrolled)

    def judge(self, luma: NDArray[np.uint8]) -> Judgement:
        """Judge one frame by its luma plane, uint8 [H, W]."""
        code = framecode.read(luma)
        if code is None:
            return Judgement(Kind.FULL_MOSAIC if is_fully_mosaicked(luma) else Kind.UNREADABLE)
        clip = next((clip for clip in self.clips if code.number in clip.truth), None)
        if clip is None:
            return Judgement(Kind.FOREIGN, code.number, code.flash)
        findings = clip.findings(code.number, luma)
        leaks = tuple(one for one in findings if one.person not in self.enrolled and is_leaked(one.box, one.masked))
        shown = tuple(
            one for one in findings if one.person in self.enrolled and one.visible > 0.99 and one.weight > 0.99
        )
        return Judgement(Kind.LEAK if leaks else Kind.CLEAN, code.number, code.flash, leaks, shown)


def _counts(face: FaceTruth) -> bool:
    return face.box.width >= MIN_FACE_PX and face.occluded <= MAX_OCCLUDED and face.weight >= MIN_WEIGHT


def _finding(number: int, face: _SourceFace, luma: NDArray[np.uint8]) -> FaceFinding:
    x, y = face.corner_xy
    height, width = face.patch.shape
    box = face.truth.box
    inner = Box(box.x1 - x, box.y1 - y, box.x2 - x, box.y2 - y)
    masked = _masked_in_patch(face.patch, luma[y : y + height, x : x + width], inner)
    return FaceFinding(number, face.truth.person, box, face.truth.visible, masked, face.truth.weight)


def _source_face(luma: NDArray[np.uint8], truth: FaceTruth) -> _SourceFace:
    x1, y1, x2, y2 = _margin_edges(truth.box, luma.shape)
    return _SourceFace(truth, (x1, y1), luma[y1:y2, x1:x2].copy())


def _margin_edges(box: Box, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    margin_x, margin_y = box.width * _MARGIN_SHARE, box.height * _MARGIN_SHARE
    return (
        max(0, int(box.x1 - margin_x)),
        max(0, int(box.y1 - margin_y)),
        min(shape[1], int(np.ceil(box.x2 + margin_x))),
        min(shape[0], int(np.ceil(box.y2 + margin_y))),
    )


def _masked_in_patch(source: NDArray[np.uint8], output: NDArray[np.uint8], box: Box) -> float:
    coarse, window = _odd(box.width / _COARSE_SHARE, 5), _odd(box.width / _WINDOW_SHARE, 3)
    original = source.astype(np.float32)
    detail = cv2.blur((original - cv2.blur(original, (coarse, coarse))) ** 2, (window, window))
    change = cv2.blur((original - output.astype(np.float32)) ** 2, (window, window))
    face = np.s_[max(0, round(box.y1)) : round(box.y2), max(0, round(box.x1)) : round(box.x2)]
    telling = detail[face] > _MIN_DETAIL**2
    gone = telling & (change[face] > _GONE * detail[face])
    if not telling.any():
        return 1.0
    reach = _odd(box.width / _MAJORITY_SHARE, 3)
    votes, voters = _local_mean(gone, reach), _local_mean(telling, reach)
    judged = voters > 0.1
    return float((votes[judged] > 0.5 * voters[judged]).mean())


def _local_mean(flags: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(flags.astype(np.float32), (size, size), borderType=cv2.BORDER_REPLICATE))


def _odd(size: float, least: int) -> int:
    return max(least, round(size)) | 1
