"""An oracle that keeps the frames on which somebody showed, to be looked at."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.synthetic.oracle import Judgement, Kind, Oracle


class KeepingOracle(Oracle):
    """Keeps them in the folder that MOSAICAST_LEAKS names, outside the repository; nowhere without it."""

    def judge(self, luma: NDArray[np.uint8]) -> Judgement:
        """Judge one frame by its luma plane, uint8 [H, W]."""
        found = super().judge(luma)
        folder = os.environ.get("MOSAICAST_LEAKS")
        if folder is not None and found.kind in (Kind.LEAK, Kind.UNREADABLE, Kind.FOREIGN):
            path = Path(folder)
            path.mkdir(parents=True, exist_ok=True)
            name = f"{found.kind.value}-{found.number}-{len(list(path.iterdir()))}.png"
            cv2.imwrite(str(path / name), luma)
        return found
