"""What the api does unasked: says again what is wanted, and heals what the edge could not tell."""

import asyncio

from mosaicast.adapters.database.storage import StorageError, Stream
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps

ANNOUNCE_S = 30.0
"""The embedded broker forgets what is old; on a compacted topic saying it again changes nothing."""
CHECK_S = 5.0
YOUNG_MS = 10_000
"""A publication so young may not be on the edge's page yet."""
_LOG = get_logger(__name__)


async def keep_up(deps: Deps) -> None:
    """Run until cancelled."""
    turn = 0
    while True:
        try:
            await check(deps, announce=turn % round(ANNOUNCE_S / CHECK_S) == 0)
        except StorageError as exc:
            _LOG.error("upkeep_failed", error=str(exc))
        except Exception as exc:
            # One stream that cannot be announced must not end the care for all others.
            _LOG.error("bug", exc_info=exc)
        turn += 1
        await asyncio.sleep(CHECK_S)


async def check(deps: Deps, *, announce: bool) -> None:
    """End publications whose publisher is gone, and announce all streams if asked to."""
    publishers = await deps.edge.publishers()
    streams = await asyncio.to_thread(deps.storage.streams)
    for stream in streams:
        if publishers is not None and stream.stream_id not in publishers and _is_old(stream, deps.wall_ms()):
            ended = await asyncio.to_thread(
                deps.storage.end_publication, stream.stream_id, stream.publication_client or ""
            )
            if ended is not None:
                _LOG.warning("publisher_lost", stream=stream.stream_id)
                await asyncio.to_thread(deps.outbox.tell_stream, stream.stream_id, 0)
    if announce:
        await asyncio.to_thread(deps.outbox.repeat)


def _is_old(stream: Stream, now_ms: int) -> bool:
    return stream.publication is not None and now_ms - stream.publication.started_ms > YOUNG_MS
