"""An oracle that judges frames whose number a mask covers."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synthetic.clip import Truth
from synthetic.oracle import Judgement, Kind, Oracle, SourceClip, is_leaked

AHEAD_S = 3.0
"""From the last number that could be read on: no number is covered for longer."""


class FollowingOracle(Oracle):
    """Masks that reach far may cover a frame's number. Such a frame is held against every frame that it may be: a face
    that shows is found in the one that it is, and in any other what is there differs from what should be.
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
            return self._judged_after(luma, self._last)
        return found

    def _judged_after(self, luma: NDArray[np.uint8], last: int) -> Judgement:
        clip = next(clip for clip in self.clips if last in clip.truth)
        for number in _following(clip.truth, last):
            findings = clip.findings(number, luma)
            leaks = tuple(f for f in findings if f.person not in self.enrolled and is_leaked(f.box, f.masked))
            if leaks:
                return Judgement(Kind.LEAK, None, leaks=leaks)
        return Judgement(Kind.CLEAN)


def _following(truth: Truth, last: int) -> Iterator[int]:
    first, count = truth.first_number, len(truth.frames)
    return (first + (last - first + ahead) % count for ahead in range(round(AHEAD_S * truth.fps)))
