"""A small clip with three people, and masks made without the product: the oracle is tested against something else."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic import presets
from synthetic.cast import load_cast
from synthetic.clip import Truth, luma_of_frame, read_lumas, write_clip
from synthetic.oracle import SourceClip

Luma = NDArray[np.uint8]
Mask = Callable[[Luma, Box], None]


def _edges(luma: Luma, box: Box) -> tuple[int, int, int, int]:
    height, width = luma.shape
    return max(0, int(box.x1)), max(0, int(box.y1)), min(width, int(box.x2) + 1), min(height, int(box.y2) + 1)


def mosaic(luma: Luma, box: Box) -> None:
    x1, y1, x2, y2 = _edges(luma, box)
    block = max(2, -(-max(x2 - x1, y2 - y1) // 16) * 2)
    small_wh = max(1, -(-(x2 - x1) // block)), max(1, -(-(y2 - y1) // block))
    small = cv2.resize(luma[y1:y2, x1:x2], small_wh, interpolation=cv2.INTER_AREA)
    luma[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)


def blur(luma: Luma, box: Box) -> None:
    x1, y1, x2, y2 = _edges(luma, box)
    small = cv2.resize(luma[y1:y2, x1:x2], (min(8, x2 - x1), min(8, y2 - y1)), interpolation=cv2.INTER_AREA)
    luma[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)


def solid(luma: Luma, box: Box) -> None:
    x1, y1, x2, y2 = _edges(luma, box)
    luma[y1:y2, x1:x2] = int(luma[y1:y2, x1:x2].mean())


def ellipse(luma: Luma, box: Box) -> None:
    """As deface does it by default: the box grown by 1.3, blurred over half its size, within an ellipse."""
    x1, y1, x2, y2 = _edges(luma, grown(box, 0.15))
    width, height = x2 - x1, y2 - y1
    soft = cv2.blur(luma[y1:y2, x1:x2], (max(1, width // 2), max(1, height // 2)))
    inside = np.zeros((height, width), np.uint8)
    cv2.ellipse(inside, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, (255,), -1)
    luma[y1:y2, x1:x2] = np.where(inside > 0, soft, luma[y1:y2, x1:x2])


def grown(box: Box, share: float) -> Box:
    x, y = box.width * share, box.height * share
    return Box(box.x1 - x, box.y1 - y, box.x2 + x, box.y2 + y)


MASKS: dict[str, Mask] = {"mosaic": mosaic, "blur": blur, "solid": solid, "ellipse": ellipse}


def reencode(lumas: list[Luma], crf: int) -> list[Luma]:
    """Send luma planes through x264 veryfast and back."""
    height, width = lumas[0].shape
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": str(crf), "bf": "0"}
        for luma in lumas:
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = luma
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    data.seek(0)
    with av.open(data) as container:
        return [luma_of_frame(frame) for frame in container.decode(video=0)]


@dataclass(frozen=True)
class Sample:
    """A rendered clip: its file, truth, and decoded luma planes."""

    path: Path
    truth: Truth
    lumas: list[Luma]

    @property
    def source(self) -> SourceClip:
        return SourceClip(self.truth, self.lumas)

    def masked(self, mask: Mask, boxes: Callable[[str, Box], Box | None] = lambda _person, box: box) -> list[Luma]:
        """Return copies of the planes with every face painted; `boxes` says where, or None for nowhere."""
        copies = [luma.copy() for luma in self.lumas]
        for luma, faces in zip(copies, self.truth.frames, strict=True):
            for face in faces:
                box = boxes(face.person, face.box)
                if box is not None:
                    mask(luma, box)
        return copies


@pytest.fixture(scope="session")
def make_sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sample]:
    """Render a sample with two people (who are always in the cast); more with `people`."""

    def make(people: tuple[str, ...] = ("astronaut", "admiral"), *, width: float = 0.11, seconds: float = 1) -> Sample:
        script = replace(presets.small(people, seconds=seconds, face_width=width), first_number=500)
        path = tmp_path_factory.mktemp("clip") / "clip.mp4"
        truth = write_clip(path, script, load_cast())
        return Sample(path, truth, list(read_lumas(path)))

    return make


@pytest.fixture(scope="session")
def sample(make_sample: Callable[..., Sample]) -> Sample:
    """2 s of two people at 640x360, 70 px wide, numbers from 500."""
    return make_sample(seconds=2)
