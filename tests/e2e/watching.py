"""What several tests ask of a viewer, and an oracle that keeps the frames on which somebody showed."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from synthetic.following import FollowingOracle
from synthetic.oracle import Judgement, Kind
from synthetic.session import LiveWatch
from tests.e2e.conftest import FPS


def runs_clear(watch: LiveWatch, since_s: float = 0.0) -> bool:
    """Whether the newest 15 frames show the enrolled person; those that came late, all mosaic, say nothing."""
    newest = [seen for seen in watch.sightings(since_s) if seen.number is not None][-FPS:]
    return len(newest) == FPS and all(seen.clear for seen in newest)


class KeepingOracle(FollowingOracle):
    """Keeps frames on which somebody shows in the folder that MOSAICAST_LEAKS names, outside the repository."""

    def judge(self, luma: NDArray[np.uint8]) -> Judgement:
        """Judge one frame by its luma plane, uint8 [H, W]."""
        found = super().judge(luma)
        if found.kind not in (Kind.CLEAN, Kind.FULL_MOSAIC):
            _keep(found, luma)
        return found


def _keep(found: Judgement, luma: NDArray[np.uint8]) -> None:
    folder = os.environ.get("MOSAICAST_LEAKS")
    if folder is not None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path / f"{found.kind.value}-{found.number}-{len(list(path.iterdir()))}.png"), luma)
