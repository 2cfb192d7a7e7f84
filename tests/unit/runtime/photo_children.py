"""What runs in children of the tests; a module of its own, because a child imports all that is around it."""

import os
import signal
import struct
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mosaicast.adapters.media import photos
from mosaicast.adapters.media.photo_file import PhotoError, read
from mosaicast.core.types import Box


def die(_: object) -> None:
    os.abort()


def lie(connection: "Connection[Any, Any]") -> None:
    connection.recv_bytes()
    connection.recv_bytes()
    connection.send_bytes(np.array([(0, 1000, 1000, 0, (0, 0, 1000, 1000))], photos._HEADER).tobytes() + b"short")


def pickle(connection: "Connection[Any, Any]") -> None:
    connection.recv_bytes()
    connection.recv_bytes()
    connection.send(("ok", 1000, 1000, False))


def stall(connection: "Connection[Any, Any]") -> None:
    """Announce a long answer, and send no more of it."""
    connection.recv_bytes()
    connection.recv_bytes()
    os.write(connection.fileno(), struct.pack("!i", 1000))
    signal.pause()


def peak(connection: "Connection[Any, Any]") -> None:
    """Do the child's work, and tell its peak memory after the answer."""
    photos._limit_growth()
    try:
        part, data = np.frombuffer(connection.recv_bytes(), np.float64), connection.recv_bytes()
        fault = str(read(data, Box(*part.tolist()) if part.any() else None).picture.shape)
    except PhotoError as exc:
        fault = exc.fault
    lines = Path("/proc/self/status").read_text().splitlines()
    connection.send((fault, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))))
