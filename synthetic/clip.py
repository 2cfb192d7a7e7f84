"""Clips: a script rendered to a file with picture and sound, and its truth in a JSON file beside it.

Made so that a publisher may send them with `-c copy`, in a loop: closed groups of pictures with a keyframe each second,
no B-frames, and sound that starts with the picture.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import Box
from synthetic import broadcast
from synthetic.broadcast import FLASH_SECONDS, Picture
from synthetic.cast import Person
from synthetic.scene import FaceTruth, Script

SAMPLE_RATE = 48_000
BEEP_HZ = 1000
BEEP_LEVEL = 0.5
_HUM_LEVEL = 0.01  # silence would let an encoder send nothing
_CRF = 20  # a good camera's picture: the oracle needs the faces' detail in its source
TRUTH_SUFFIX = ".truth.json"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is in a clip.

    Attributes:
        first_number: the number of the clip's first frame.
        frames: the faces of each frame, in order.
        cuts: numbers of the frames that begin a scene, the first aside.
    """

    size_wh: tuple[int, int]
    fps: int
    first_number: int
    cuts: tuple[int, ...]
    frames: tuple[tuple[FaceTruth, ...], ...]

    def __contains__(self, number: int) -> bool:
        return 0 <= number - self.first_number < len(self.frames)

    def faces(self, number: int) -> tuple[FaceTruth, ...]:
        """Return the faces of a frame of this clip.

        Raises:
            KeyError: the number belongs to another clip.
        """
        if number not in self:
            raise KeyError(number)
        return self.frames[number - self.first_number]

    def people(self) -> tuple[str, ...]:
        """Return the names of everybody in the clip, sorted."""
        return tuple(sorted({face.person for faces in self.frames for face in faces}))


def truth_path(clip: Path) -> Path:
    """Return where the truth of a clip lies: beside it."""
    return clip.with_suffix(TRUTH_SUFFIX)


def write_clip(path: Path, script: Script, cast: Mapping[str, Person]) -> Truth:
    """Render a script to H.264 and AAC (container by the name's end: .mp4, .flv) and write its truth beside it.

    Raises:
        CastError: somebody in the script is not in the cast.
    """
    pictures = broadcast.render(script, cast)
    return write_pictures(path, pictures, Form(script.size_wh, script.fps, script.frame_count), script.cuts())


@dataclass(frozen=True, slots=True)
class Form:
    """Of a clip that is to be written: pixels, frames a second, and how many."""

    size_wh: tuple[int, int]
    fps: int
    count: int


def write_pictures(path: Path, pictures: Iterable[Picture], form: Form, cuts: tuple[int, ...] = ()) -> Truth:
    """Write pictures with sound to a file, and their truth beside it.

    Args:
        pictures: as many as `form` says, numbered without a hole.
        cuts: numbers of the frames that begin a scene.
    """
    size_wh, fps = form.size_wh, form.fps
    frames, first_number = [], 0
    with av.open(str(path), "w") as container:
        video, audio = _video_stream(container, size_wh, fps), _audio_stream(container)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture.image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(video.encode(frame))
            frames.append(picture.faces)
            first_number = picture.number - index
            if index % fps == 0:
                container.mux(audio.encode(_sound(index // fps, form.count / fps)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    truth = Truth(size_wh, fps, first_number, cuts, tuple(frames))
    save_truth(truth_path(path), truth)
    return truth


def save_truth(path: Path, truth: Truth) -> None:
    """Write a truth as JSON: one list per frame of [person, x1, y1, x2, y2, visible, occluded, weight]."""
    rows = [
        [
            [face.person, *(round(value, 3) for value in (*face.box, face.visible, face.occluded, face.weight))]
            for face in faces
        ]
        for faces in truth.frames
    ]
    head = {"size_wh": truth.size_wh, "fps": truth.fps, "first_number": truth.first_number, "cuts": truth.cuts}
    path.write_text(json.dumps({**head, "frames": rows}, separators=(",", ":")), encoding="utf-8")


def load_truth(path: Path) -> Truth:
    """Read a truth that `save_truth` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    frames = tuple(
        tuple(FaceTruth(name, Box(*edges[:4]), *edges[4:]) for name, *edges in faces) for faces in data["frames"]
    )
    width, height = data["size_wh"]
    return Truth((width, height), data["fps"], data["first_number"], tuple(data["cuts"]), frames)


def read_lumas(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the luma plane (uint8 [H, W]) of every frame of a video file, in order."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield luma_of_frame(frame)


def luma_of_frame(frame: Any) -> NDArray[np.uint8]:
    """Return the luma plane of a decoded planar YUV frame as its own array, uint8 [H, W]."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : frame.width].copy()


def _video_stream(container: Any, size_wh: tuple[int, int], fps: int) -> Any:
    stream = container.add_stream("libx264", rate=fps)
    stream.width, stream.height = size_wh
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, fps)
    gop = f"keyint={fps}:min-keyint={fps}:scenecut=0:open-gop=0:bframes=0"
    stream.options = {"preset": "veryfast", "crf": str(_CRF), "x264-params": gop}
    return stream


def _audio_stream(container: Any) -> Any:
    stream = container.add_stream("aac", rate=SAMPLE_RATE)
    stream.layout = "mono"
    stream.bit_rate = 96_000
    return stream


def _sound(second: int, seconds: float) -> Any:
    """Return the samples of one second of the clip as one frame: a beep, then hum."""
    count = round(min(1.0, seconds - second) * SAMPLE_RATE)
    time_s = np.arange(count) / SAMPLE_RATE
    beep = np.sin(2 * np.pi * BEEP_HZ * time_s) * BEEP_LEVEL * (time_s < FLASH_SECONDS)
    hum = np.sin(2 * np.pi * 110 * time_s) * _HUM_LEVEL
    frame = av.AudioFrame.from_ndarray((beep + hum).astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, second * SAMPLE_RATE
    frame.time_base = Fraction(1, SAMPLE_RATE)
    return frame
