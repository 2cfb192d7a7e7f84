"""The only places where time is read. The core takes it as an argument."""

import time


def monotonic_s() -> float:
    """Return monotonic seconds: for deadlines, comparable inside one machine since its start."""
    return time.monotonic()


def wall_ms() -> int:
    """Return wall time in milliseconds since 1970: for people, and for measuring delay across processes."""
    return time.time_ns() // 1_000_000
