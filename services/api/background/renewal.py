"""Templates of the networks of today, made from the kept photos unasked: at the first start after networks changed."""

import asyncio
from collections.abc import Sequence

from mosaicast.adapters.database.storage import StorageError
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps

CHECK_S = 3.0
RETRY_S = 30.0
"""After a run that failed: gallery, photos or models are away."""
_LOG = get_logger(__name__)


async def keep_renewed(deps: Deps) -> None:
    """Watch over people whose templates are of other networks than those of today, until cancelled."""
    renewer = Renewer(deps)
    while True:
        try:
            await asyncio.to_thread(renewer.check)
        except StorageError as exc:
            _LOG.warning("templates_not_checked", error=str(exc))
        except Exception as exc:
            _LOG.error("bug", exc_info=exc)
        await asyncio.sleep(CHECK_S)


_MOST_NAMED = 20


class Renewer:
    """Finds who waits for templates, has them made, and tells the status board."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._began_s: float | None = None

    def check(self) -> None:
        """Look once.

        Raises:
            StorageError: the database is away; check again.
        """
        deps = self._deps
        waiting = deps.storage.waiting_by_owner(deps.templates.made_with)
        useless = deps.reindexer.useless
        if useless:  # some of them may have been erased
            useless &= frozenset(deps.storage.people_without(deps.templates.made_with))
        deps.board.note_waiting(waiting, [_of_no_use(sorted(useless))] if useless else [])
        now_s = deps.monotonic_s()
        failed = deps.reindexer.progress().state == "failed"
        if not waiting or (failed and self._began_s is not None and now_s - self._began_s < RETRY_S):
            return
        if deps.reindexer.renew():
            self._began_s = now_s
            _LOG.info("templates_renewed", people=sum(waiting.values()))


def _of_no_use(people: Sequence[str]) -> str:
    named, more = ", ".join(people[:_MOST_NAMED]), len(people) - _MOST_NAMED
    return (
        f"No kept photo of {named}{f' and {more} more' if more > 0 else ''} can be used for the face networks of "
        "today; they stay masked: enroll them anew."
    )
