"""How long things take."""

import statistics
import time
from collections.abc import Callable


def median_ms(
    work: Callable[[], object], times: int = 40, *, warm: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median time of `work`, which ends when its results are here; its first runs are not counted.

    Args:
        times: runs that are counted.
        warm: runs before them.
        clock: `time.process_time` counts what all threads of this process have of the CPU, whoever else uses it.
    """
    for _ in range(warm):
        work()
    taken = []
    for _ in range(times):
        started = clock()
        work()
        taken.append(clock() - started)
    return round(statistics.median(taken) * 1000, 3)
