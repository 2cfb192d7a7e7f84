"""Consents that run out: what a stream's recognizer is told, and telling it when a moment comes."""

import asyncio

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps
from services.api.people import records as people

LONGEST_WAIT_S = 1.0
"""An end that was set while this slept is seen so late at most; the recognizer goes by the moment itself."""
SHORTEST_WAIT_S = 0.02
"""Wall clocks have milliseconds, and a sleep may end a moment early: no busy loop."""
_LOG = get_logger(__name__)


async def keep_consents(deps: Deps) -> None:
    """Tell the other parts whenever a consent has run out, until cancelled."""
    told_ms = 0  # at the start, of all that ever ran out: some did while nobody was there to say so
    while True:
        try:
            told_ms = await asyncio.to_thread(announce_ended, deps, told_ms)
            wait_s = await asyncio.to_thread(_wait_s, deps, told_ms)
        except StorageError as exc:
            _LOG.error("consents_failed", error=str(exc))
            wait_s = LONGEST_WAIT_S
        await asyncio.sleep(wait_s)


def announce_ended(deps: Deps, told_ms: int) -> int:
    """Tell the other parts of consents that ran out since `told_ms`; return until when they know now.

    Raises:
        StorageError: the database is away.
    """
    now_ms = deps.wall_ms()
    for owner in sorted(deps.storage.owners_with_an_end(told_ms, now_ms)):
        people.announce(deps, owner)
    return now_ms


def _wait_s(deps: Deps, told_ms: int) -> float:
    end_ms = deps.storage.next_end_ms(told_ms)
    wait_s = LONGEST_WAIT_S if end_ms is None else (end_ms - deps.wall_ms()) / 1000
    return min(max(wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
