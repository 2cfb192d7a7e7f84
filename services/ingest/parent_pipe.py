"""The child's end of the pipe: media waits for a slow parent, samples do not, and nobody waits for ever."""

import os
import select
import socket
import struct
import threading
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

STUCK_AFTER_S = 5.0
"""A parent that reads nothing for so long is stuck; the child ends, and the parent's own supervisor acts."""
SEND_BUFFER_BYTES = 1024 * 1024
"""Asked for; Linux gives twice `net.core.wmem_max` (416 KiB by default): about two keyframes of 720p."""
SAMPLE_PATIENCE_MS = 20
"""How long a sample waits for the pipe to be three quarters empty: less than one frame at 30 a second."""


class ParentGoneError(Exception):
    """The parent closed the pipe or does not read it. The child can only end."""


class ParentPipe:
    """Sends packed messages, from any thread. Overflow: a sample is dropped, a packet waits at most `STUCK_AFTER_S`.

    Args:
        connection: the child's end of a duplex pipe.
    """

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self.counters: Counter[str] = Counter()
        """What was not sent, and why."""
        self._connection = connection
        self._sending = threading.Lock()
        self._writable = select.poll()
        self._writable.register(connection.fileno(), select.POLLOUT)
        with socket.socket(fileno=os.dup(connection.fileno())) as pipe:
            # Options belong to the open pipe, not to this descriptor. The timeout makes a full pipe an error.
            seconds, fraction = divmod(STUCK_AFTER_S, 1.0)
            pipe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(fraction * 1e6)))
            pipe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def send(self, raw: bytes) -> None:
        """Send, waiting while the pipe is full.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        try:
            with self._sending:
                self._connection.send_bytes(raw)
        except OSError as exc:
            raise ParentGoneError(type(exc).__name__) from exc

    def offer(self, raw: bytes) -> bool:
        """Send unless the pipe is busy; return whether it was sent.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        if not self._writable.poll(SAMPLE_PATIENCE_MS):
            return False
        self.send(raw)
        return True

    def receive(self, timeout_s: float) -> bytes | None:
        """Wait at most `timeout_s` for a word of the parent and return it, None without one.

        Raises:
            ParentGoneError: the parent closed the pipe.
        """
        try:
            return self._connection.recv_bytes() if self._connection.poll(max(0.0, timeout_s)) else None
        except (EOFError, OSError) as exc:
            raise ParentGoneError(type(exc).__name__) from exc
