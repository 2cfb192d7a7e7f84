"""An oracle that judges frames without a readable number too, and keeps those on which somebody showed."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from synthetic.oracle import Judgement, Kind, Oracle, SourceClip, is_leaked

AHEAD = 90
"""Frames from the last number that could be read on: no number is covered for 3 s."""


class KeepingOracle(Oracle):
    """Masks that reach far may cover a frame's number. Such a frame is held against every frame that it may be: a face
    that shows is found in the one that it is, and in any other what is there differs from what should be.

    Frames on which somebody shows are kept in the folder that MOSAICAST_LEAKS names, outside the repository.
    """

    def __init__(self, clips: Sequence[SourceClip], enrolled: Collection[str] = ()) -> None:
        super().__init__(clips, enrolled)
        self._last: int | None = None

    def judge(self, luma: NDArray[np.uint8]) -> Judgement:
        """Judge one frame by its luma plane, uint8 [H, W]."""
        found = super().judge(luma)
        if found.number is not None and found.kind is not Kind.FOREIGN:
            self._last = found.number
        elif found.kind is Kind.UNREADABLE and self._last is not None:
            found = self._judged_after(luma, self._last)
        if found.kind not in (Kind.CLEAN, Kind.FULL_MOSAIC):
            _keep(found, luma)
        return found

    def _judged_after(self, luma: NDArray[np.uint8], last: int) -> Judgement:
        clip = next(clip for clip in self.clips if last in clip.truth)
        for number in _following(clip, last):
            findings = clip.findings(number, luma)
            leaks = tuple(f for f in findings if f.person not in self.enrolled and is_leaked(f.box, f.masked))
            if leaks:
                return Judgement(Kind.LEAK, None, leaks=leaks)
        return Judgement(Kind.CLEAN)


def _following(clip: SourceClip, last: int) -> Iterator[int]:
    first, count = clip.truth.first_number, len(clip.truth.frames)
    return (first + (last - first + ahead) % count for ahead in range(AHEAD))


def _keep(found: Judgement, luma: NDArray[np.uint8]) -> None:
    folder = os.environ.get("MOSAICAST_LEAKS")
    if folder is not None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path / f"{found.kind.value}-{found.number}-{len(list(path.iterdir()))}.png"), luma)
