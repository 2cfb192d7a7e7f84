"""Two shots joined by FFmpeg's filters, and the truth of every face in the join: where it is and how much of it shows.

The truth is measured, not modelled: for each face a second pair of shots, all black but for a white box where the face
is, goes through the same filter. What comes out says for every frame where the face is and its weight, whatever the
filter does: fading, sliding, uncovering bit by bit, averaging neighbours.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import av
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic import broadcast, framecode
from synthetic.broadcast import Picture
from synthetic.cast import Person
from synthetic.clip import luma_of_frame
from synthetic.scene import FaceTruth, Script

FPS = 30
SPARE = 3
"""Frames at the end of the first shot that an `xfade` wants to see and does not show."""
_SHOWN = 0.04
"""Of white: a pixel of a mask counts as a part of the face from here on; the rounding of filters stays below."""
_WHITE, _BLACK, _GREY = 235, 16, 128

Luma = NDArray[np.uint8]
Yuv = NDArray[np.uint8]
"""Planar 4:2:0, uint8 [H * 3 / 2, W]."""


@dataclass(frozen=True, slots=True)
class Join:
    """How two shots are joined.

    Attributes:
        name: of FFmpeg's `xfade` transition; or `tblend`, `framerate`, `minterpolate`, which blend frames at a cut.
        frames: of an `xfade`, how many are blended; 0 is a cut. The others make what they make.
    """

    name: str
    frames: int = 0

    @property
    def source_fps(self) -> int:
        """Frames a second of the shots."""
        return FPS if self.is_xfade else _AT_CUTS[self.name].source_fps

    @property
    def fps(self) -> int:
        """Frames a second of what comes out."""
        return FPS if self.is_xfade else _AT_CUTS[self.name].fps

    @property
    def is_xfade(self) -> bool:
        """Whether the two shots overlap in time."""
        return self.name not in _AT_CUTS

    def __str__(self) -> str:
        """Return a short name."""
        return f"{self.name}-{self.frames}" if self.is_xfade else self.name


class _Filter(NamedTuple):
    """A filter that blends frames of one stream at a cut, with the frame rates before and after it."""

    source_fps: int
    fps: int
    name: str
    arguments: str
    of_masks: tuple[str, str] | None = None
    """Name and arguments for the truth, where it is another."""


# `scene=100` and `scd=none`: they never take a cut for one, as converters without scene detection do.
_BLENDING = "scene=100:interp_start=0:interp_end=255"
_AT_CUTS: Mapping[str, _Filter] = {
    "tblend": _Filter(30, 30, "tblend", "all_mode=average"),
    "framerate": _Filter(24, 30, "framerate", f"fps=30:{_BLENDING}"),
    "framerate-60": _Filter(30, 60, "framerate", f"fps=60:{_BLENDING}"),
    # A morph moves pixels by what it takes for motion, which white boxes do not have: their truth is the plain blend.
    "minterpolate": _Filter(
        10, 30, "minterpolate", "fps=30:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:scd=none",
        ("minterpolate", "fps=30:mi_mode=blend:scd=none"),
    ),
}  # fmt: skip


def joined(
    first: Script, second: Script, join: Join, cast: Mapping[str, Person], *, coded: bool = False
) -> list[Picture]:
    """Return the frames of two shots joined, numbered anew, with the truth about each face.

    Args:
        first, second: scripts of one size; an `xfade` overlaps the end of the first with the beginning of the second.
        coded: with the frame code that a viewer reads. Its cells are half of all that changes between two frames of a
            still shot, so without a viewer they are left out: no real broadcast has them.
    """
    shots = [_shot(replace(script, fps=join.source_fps), cast) for script in (first, second)]
    masks = _face_masks(shots, first.size_wh, join)
    pictures = []
    for number, frame in enumerate(_filtered([[_yuv(seen.image) for seen in shot] for shot in shots], join)):
        image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        if coded:
            framecode.draw(image, first.first_number + number, flash=False)
        faces = tuple(face for mask in masks if (face := mask[number]) is not None)
        pictures.append(Picture(first.first_number + number, image, faces))
    return pictures


def _shot(script: Script, cast: Mapping[str, Person]) -> list[Picture]:
    shot = list(broadcast.render(script, cast))
    strip = framecode.strip_height(script.size_wh[1])
    for picture in shot:
        picture.image[-strip:] = _GREY
    return shot


def _face_masks(
    shots: Sequence[Sequence[Picture]], size_wh: tuple[int, int], join: Join
) -> list[list[FaceTruth | None]]:
    """Return for each face of each shot its truth in every frame that comes out, None where it does not show."""
    blank = [[_grey(size_wh)] * len(shot) for shot in shots]
    base = [luma_of_frame(frame) for frame in _filtered(blank, join, masks=True)]
    found = []
    for index, shot in enumerate(shots):
        for person in sorted({face.person for picture in shot for face in picture.faces}):
            boxes = [next((f for f in picture.faces if f.person == person), None) for picture in shot]
            white = [*blank]
            white[index] = [_boxed(size_wh, face.box if face else None) for face in boxes]
            shown = [luma_of_frame(frame) for frame in _filtered(white, join, masks=True)]
            hidden = max(face.occluded for face in boxes if face)
            area = max(face.box.area / face.visible for face in boxes if face)
            found.append([_truth(person, a, b, area, hidden) for a, b in zip(shown, base, strict=True)])
    return found


def _truth(person: str, shown: Luma, base: Luma, area: float, hidden: float) -> FaceTruth | None:
    weight = np.abs(shown.astype(np.int16) - base.astype(np.int16)) / (_WHITE - _BLACK)
    part = weight > _SHOWN
    if not part.any():
        return None
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    box = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    visible = min(1.0, box.area / area)
    mean_weight = min(1.0, float(weight[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)].mean()))
    return FaceTruth(person, box, visible, hidden, mean_weight)


def _filtered(shots: Sequence[Sequence[Yuv]], join: Join, *, masks: bool = False) -> list[Any]:
    if join.is_xfade:
        return _xfaded(shots, join)
    found = _AT_CUTS[join.name]
    name, arguments = (found.of_masks if masks else None) or (found.name, found.arguments)
    graph, frames = av.filter.Graph(), []
    source = _source(graph, shots[0][0], found.source_fps)
    steady = graph.add("fps", str(found.source_fps))  # the filters ask for a constant rate
    graph.link_nodes(source, steady, graph.add(name, arguments), graph.add("buffersink")).configure()
    for number, picture in enumerate([*shots[0], *shots[1]]):
        source.push(_frame(picture, number, found.source_fps))
        frames += _pulled(graph)
    source.push(None)
    return frames + _pulled(graph)


def _xfaded(shots: Sequence[Sequence[Yuv]], join: Join) -> list[Any]:
    graph = av.filter.Graph()
    offset = Fraction(len(shots[0]) - join.frames - SPARE, FPS)
    sources = [_source(graph, shot[0], FPS) for shot in shots]
    arguments = f"transition={join.name}:duration={(join.frames + 1) / FPS:.6f}:offset={float(offset):.6f}"
    mixer, sink = graph.add("xfade", arguments), graph.add("buffersink")
    for place, source in enumerate(sources):
        steady = graph.add("fps", str(FPS))  # the mixer asks for a constant rate
        source.link_to(steady)
        steady.link_to(mixer, 0, place)
    mixer.link_to(sink)
    graph.configure()
    frames = []
    for number in range(max(len(shot) for shot in shots) + 1):
        for source, shot in zip(sources, shots, strict=True):
            _push(source, _frame(shot[number], number, FPS) if number < len(shot) else None, number == len(shot))
        frames += _pulled(graph)
    for source in sources:
        _push(source, None, True)
    return frames + _pulled(graph)


def _push(source: Any, frame: Any, ends: bool) -> None:
    if frame is None and not ends:
        return
    with contextlib.suppress(av.error.EOFError):  # the mixer has all that it needs of this shot
        source.push(frame)


def _pulled(graph: Any) -> list[Any]:
    frames = []
    while True:
        try:
            frames.append(graph.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames


def _source(graph: Any, picture: Yuv, fps: int) -> Any:
    height, width = picture.shape
    return graph.add_buffer(width=width, height=height * 2 // 3, format="yuv420p", time_base=Fraction(1, fps))


def _frame(picture: Yuv, number: int, fps: int) -> Any:
    frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def _yuv(image: NDArray[np.uint8]) -> Yuv:
    return np.asarray(av.VideoFrame.from_ndarray(image, format="bgr24").to_ndarray(format="yuv420p"), np.uint8)


def _grey(size_wh: tuple[int, int]) -> Yuv:
    picture = np.full((size_wh[1] * 3 // 2, size_wh[0]), _GREY, np.uint8)
    picture[: size_wh[1]] = _BLACK
    return picture


def _boxed(size_wh: tuple[int, int], box: Box | None) -> Yuv:
    picture = _grey(size_wh)
    if box is not None:
        picture[round(box.y1) : round(box.y2), round(box.x1) : round(box.x2)] = _WHITE
    return picture
