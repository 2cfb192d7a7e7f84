"""The child that decodes a video of a stranger's."""

import resource
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mosaicast.adapters.media.clip import CUT, END, FAULTS, HEADER, LARGEST_CLIP_BYTES, MIXED, SAMPLE, ClipError
from mosaicast.adapters.media.clip_file import read
from mosaicast.adapters.media.opening import limit_libraries

GROWTH_BYTES = 1280 * 1024 * 1024
"""What it may map beyond what it has at its start: the file, the pictures that a decoder of 3840x2160 with 10 bits
holds back (16 of 25 MB), the samples that wait (16 of 6 MB)."""


def work(connection: "Connection[Any, Any]") -> None:
    """Read the video that is sent, and send its samples."""
    limit_libraries()
    _limit_growth()
    try:
        for sample in read(connection.recv_bytes(LARGEST_CLIP_BYTES)):
            flags = CUT * sample.cut + MIXED * sample.mixed
            head = (SAMPLE, *sample.picture.shape[:2], flags, round(sample.time * 1_000_000))
            connection.send_bytes(np.array([head], HEADER).tobytes() + sample.picture.tobytes())
    except ClipError as exc:
        fault = np.array([(2 + FAULTS.index(exc.fault), 0, 0, 0, 0)], HEADER)
        connection.send_bytes(fault.tobytes() + exc.detail.encode())
        return
    connection.send_bytes(np.array([(END, 0, 0, 0, 0)], HEADER).tobytes())


def _limit_growth() -> None:
    mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = mapped_pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
