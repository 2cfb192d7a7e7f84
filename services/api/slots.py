"""How many uploads are read at once, and how slow each may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.api.errors import BusyError


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How long an upload may keep a slot by being slow. Times in seconds; the time that we need does not count."""

    slot_s: float = 10.0
    """So long an upload waits for a slot."""
    stall_s: float = 15.0
    """So long nothing may arrive."""
    grace_s: float = 15.0
    """So much longer than its bytes need at `least_bytes_per_s` all of it may take."""
    least_bytes_per_s: float = 64 * 1024
    """A phone at the edge of its cell; a photo of 5 MB takes 80 s."""
    longest_s: float = 600.0


class Slots:
    """How many uploads are read at once: each holds a photo in memory. Used by one event loop only."""

    def __init__(self, count: int = 2, limits: UploadLimits | None = None) -> None:
        self._free = asyncio.Semaphore(count)
        self.limits = limits or UploadLimits()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot.

        Raises:
            BusyError: none became free.
        """
        try:
            await asyncio.wait_for(self._free.acquire(), self.limits.slot_s)
        except TimeoutError as exc:
            raise BusyError("others are sending photos just now; try again") from exc
        try:
            yield
        finally:
            self._free.release()
