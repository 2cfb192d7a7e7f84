"""A broker that lost its data: its topics are made again, and what is wanted of every stream is said again at once."""

import asyncio
from typing import Protocol

from mosaicast.adapters.database.storage import StorageError
from mosaicast.adapters.kafka import BusError
from mosaicast.runtime.logs import get_logger
from services.api.background import upkeep
from services.api.deps import Deps

CHECK_S = 3.0
TIMES = 3
"""How often it is said: for a moment after topics were made, nobody can send to them yet."""
_LOG = get_logger(__name__)


class Topics(Protocol):
    """The topics on the broker."""

    def restore(self) -> bool:
        """Return whether topics were missing, and were made."""


async def keep_topics(deps: Deps, topics: Topics) -> None:
    """Run until cancelled."""
    times = 0
    while True:
        try:
            if await asyncio.to_thread(topics.restore):
                _LOG.warning("topics_lost")
                times = TIMES
            if times:
                times -= 1
                await upkeep.check(deps, announce=True)
        except (BusError, StorageError) as exc:
            _LOG.error("topics_not_restored", error=str(exc))
        except Exception as exc:
            _LOG.error("bug", exc_info=exc)
        await asyncio.sleep(CHECK_S)
