"""What is told of a video that somebody sent to be enrolled with. Nothing here decodes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mosaicast.core.types import MediaTime

LOOKED_AT_S = 30
"""Media time from the first picture on that is looked at. Ten looks from all sides take a person ten seconds."""
SHOWN_SIDE = 1920
"""The pictures that are handed on are at most so long: faces are looked for at 736, and the streams are no larger."""
LONGEST_CPU_S = 45.0
"""After so much of CPU what was read so far is enough. Half a minute of 3840x2160 in H.264 takes 25 s."""
READ = "MP4, MOV, MKV, WebM or AVI"
BROKEN = f"it is damaged, not all of it is there, or it is no video that is read; send an {READ}"

LARGEST_CLIP_BYTES = 100 * 1024 * 1024
"""Half a minute of a phone's 1080p has 65 MB. It lies in the memory of this process and of the child."""

ClipFault = Literal["unreadable", "too_large"]


class ClipError(Exception):
    """The file is no video that we can use: the sender's fault; the text says why."""

    def __init__(self, fault: ClipFault, detail: str) -> None:
        super().__init__(detail)
        self.fault, self.detail = fault, detail


@dataclass(frozen=True, slots=True)
class ClipSample:
    """One picture of a video."""

    time: MediaTime
    """Since the first one."""
    picture: NDArray[np.uint8]
    """BGR [H, W, 3], upright, at most `SHOWN_SIDE` long."""
    cut: bool = False
    """Another scene begins here."""
    mixed: bool = False
    """It may be a mixture of two shots: whose face it shows nobody knows."""


HEADER = np.dtype([*((name, "<u4") for name in ("kind", "height", "width", "flags")), ("time_us", "<i8")])
"""Each message of a child begins with this: plain numbers, for unpickling would run what a taken-over child sends."""
SAMPLE, END = 0, 1
FAULTS: tuple[ClipFault, ...] = ("unreadable", "too_large")
"""A kind from 2 on names a fault by its place in here, and a sentence follows. After a sample come its pixels."""
CUT, MIXED = 1, 2
