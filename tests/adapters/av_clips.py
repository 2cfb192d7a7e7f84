"""Small clips made at test time: moving squares with sound, in any container."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 30
SAMPLE_RATE = 48_000


def picture(number: int, size_wh: tuple[int, int], scene: int = 0) -> NDArray[np.uint8]:
    """Return RGB [H, W, 3]: a textured scene (another for each `scene`) with a square that moves."""
    width, height = size_wh
    rng = np.random.default_rng(scene)
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    image = coarse[np.arange(height)[:, None] * 9 // height, np.arange(width)[None, :] * 16 // width].copy()
    side = height // 4
    left = (number * 3) % (width - side)
    image[side : 2 * side, left : left + side] = 255
    return image


def make_clip(
    path: Path,
    *,
    frames: int = 45,
    size_wh: tuple[int, int] = (320, 180),
    b_frames: int = 0,
    audio: bool = True,
    video: bool = True,
    cut_at: int | None = None,
    container_format: str | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    keyframe_every: int = 15,
    x264: str = "",
) -> Path:
    """Write a clip and return its path."""
    with av.open(str(path), "w", format=container_format) as output:
        stream = None
        if video:
            stream = output.add_stream(codec, rate=RATE)
            stream.width, stream.height, stream.pix_fmt = *size_wh, pixel_format
            stream.options = {"bf": str(b_frames), "g": str(keyframe_every), "preset": "ultrafast", "sc_threshold": "0"}
            stream.options |= {"x264-params": x264} if x264 else {}
        sound = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if audio else None
        for number in range(frames):
            if stream is not None:
                scene = int(cut_at is not None and number >= cut_at)
                frame = av.VideoFrame.from_ndarray(picture(number, size_wh, scene), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                output.mux(stream.encode(frame))
            if sound is not None:
                output.mux(sound.encode(_tone(number)))
        for track in (stream, sound):
            if track is not None:
                output.mux(track.encode(None))
    return path


def concatenated_flv(path: Path, first: Path, second: Path) -> Path:
    """Write two FLV files as one stream, as a player sees it when the publisher comes back with another encoder."""
    path.write_bytes(first.read_bytes() + second.read_bytes()[13:])  # without the second file's header
    return path


def retimed_flv(path: Path, clip: Path, at_ms: Callable[[int], int], *, shown_later_ms: int = 0) -> Path:
    """Copy an FLV with other decoding times for its video.

    Args:
        at_ms: the new time of the video tag at an old time, milliseconds.
        shown_later_ms: added to the time from decoding to showing of all frames but the first.
    """
    data = bytearray(clip.read_bytes())
    at = 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if data[at] == 9:
            old = int.from_bytes(data[at + 4 : at + 7], "big")
            data[at + 4 : at + 7] = at_ms(old).to_bytes(3, "big")
            if shown_later_ms and data[at + 12] == 1 and old > 0:
                later = int.from_bytes(data[at + 13 : at + 16], "big") + shown_later_ms
                data[at + 13 : at + 16] = later.to_bytes(3, "big")
        at += 11 + size + 4
    path.write_bytes(data)
    return path


def _tone(number: int) -> av.AudioFrame:
    count = SAMPLE_RATE // RATE
    times = (np.arange(count) + number * count) / SAMPLE_RATE
    frame = av.AudioFrame.from_ndarray(
        np.sin(times * 440 * 2 * np.pi).astype(np.float32)[None, :] * 0.1, format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, number * count, Fraction(1, SAMPLE_RATE)
    return frame
