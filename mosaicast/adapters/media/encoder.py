"""x264 settings, in one place."""

import os
from dataclasses import dataclass
from fractions import Fraction

KEYFRAME_S = 2.0
"""At least one keyframe in so many seconds: HLS segments and late viewers start there."""
LONGEST_GROUP_S = 2.4
"""Where frames are so far apart that the next one would come later than this, the keyframe comes early: a segment of
HLS has to round to its target duration of 2 s."""
_CRF = "23"
_BITS_PER_PIXEL = 0.15
"""Ceiling of the bit rate: 4.1 Mbit/s at 720p30. Mosaics are cheap; what is left clear should stay as sent."""
_ONE_THREAD_PIXELS_PER_S = 1920 * 1080 * 30
"""Up to here one core keeps up at veryfast; threads cost CPU and hold frames back."""
TIME_BASE = Fraction(1, 1000)
"""FLV counts milliseconds."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What fixes an encoder: a change of any of it needs a new one."""

    width: int
    height: int
    frame_rate: float
    preset: str
    color_range: int = 0
    color_primaries: int = 2
    color_trc: int = 2
    colorspace: int = 2
    sample_aspect: tuple[int, int] = (1, 1)
    """Width to height of a pixel."""


def encoder_options(video: VideoFormat) -> dict[str, str]:
    """Return libx264's options for live output: nothing looks ahead, so nothing is held back."""
    rate = int(video.width * video.height * min(video.frame_rate, 60.0) * _BITS_PER_PIXEL)
    threads = encoder_threads(video)
    return {
        "preset": video.preset,
        "crf": _CRF,
        "maxrate": str(max(rate, 200_000)),
        "bufsize": str(max(rate, 200_000)),
        "bf": "0",
        "forced-idr": "1",
        "x264-params": ":".join(
            (
                "rc-lookahead=0",
                "sync-lookahead=0",
                "mbtree=0",
                # We place the keyframes: x264 would add one at each change to a full mosaic, and HLS would cut there.
                "scenecut=0",
                f"threads={threads}",
                # Slices cost a few per cent of bits; frame threads would cost a frame of delay each.
                f"sliced-threads={int(threads > 1)}",
            )
        ),
    }


def encoder_threads(video: VideoFormat) -> int:
    """Return how many threads the encoder gets: one while one core is enough."""
    load = video.width * video.height * video.frame_rate / _ONE_THREAD_PIXELS_PER_S
    return 1 if load <= 1 else min(4, os.cpu_count() or 1)
