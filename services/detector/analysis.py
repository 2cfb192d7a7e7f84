"""From sampled frames to detections, with our JPEG."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from mosaicast.adapters.detectors import Detector
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.messages import Detections
from mosaicast.pipeline import analyse as part
from mosaicast.pipeline.analyse import LARGEST_FACES, MOST_CROPS, Failure, Job
from mosaicast.pipeline.ports import Over, Timed, untimed

__all__ = ["LARGEST_FACES", "MOST_CROPS", "Failure", "analyse", "threads"]


def analyse(
    detector: Detector, jobs: Sequence[Job], timed: Timed = untimed, over: Over = map
) -> list[Detections | Failure]:
    """Return the detections of each frame, or why there are none. See `pipeline.analyse`."""
    return part.analyse(detector, jpeg, jobs, timed, over)


@contextmanager
def threads(count: int) -> Iterator[Over]:
    """Yield what does a thing to several items at once, on so many threads; on the caller's own for one.

    OpenCV lets go of the interpreter while it reads or writes a JPEG, so they really run beside each other.
    """
    if count == 1:
        yield map
        return
    with ThreadPoolExecutor(count, "jpeg") as pool:
        yield pool.map
