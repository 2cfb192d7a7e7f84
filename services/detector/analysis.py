"""From sampled frames to detections, with our JPEG."""

from collections.abc import Sequence

from mosaicast.adapters.detectors import Detector
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.messages import Detections
from mosaicast.pipeline import analyse as part
from mosaicast.pipeline.analyse import LARGEST_FACES, MOST_CROPS, Failure, Job
from mosaicast.pipeline.ports import Timed, untimed

__all__ = ["LARGEST_FACES", "MOST_CROPS", "Failure", "analyse"]


def analyse(detector: Detector, jobs: Sequence[Job], timed: Timed = untimed) -> list[Detections | Failure]:
    """Return the detections of each frame, or why there are none. See `pipeline.analyse`."""
    return part.analyse(detector, jpeg, jobs, timed)
