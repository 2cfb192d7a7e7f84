"""Templates that the gallery lost while they were needed: made again from the kept photos, unasked."""

import asyncio

from mosaicast.adapters.database.storage import StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps

CHECK_S = 3.0
RETRY_S = 60.0
"""Between tries for one owner: photos that can't be used any more must not keep the models busy."""
_LOG = get_logger(__name__)


async def keep_templates(deps: Deps) -> None:
    """Watch over the people of live streams until cancelled."""
    restorer = Restorer(deps)
    while True:
        try:
            await asyncio.to_thread(restorer.check)
        except (StorageError, GalleryUnavailable) as exc:
            # Nothing was lost that could be told now; who is away is reported by the recognizer.
            _LOG.warning("templates_not_checked", error=str(exc))
        except Exception as exc:
            _LOG.error("bug", exc_info=exc)
        await asyncio.sleep(CHECK_S)


class Restorer:
    """Finds people who may be seen on a live stream and whose templates are lost."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._tried_s: dict[str, float] = {}

    def check(self) -> None:
        """Look once, and have templates made again.

        Raises:
            StorageError, GalleryUnavailable: it can't be told; check again.
        """
        now_s = self._deps.monotonic_s()
        self._tried_s = {owner: tried_s for owner, tried_s in self._tried_s.items() if now_s - tried_s < RETRY_S}
        for owner, missing in self._missing().items():
            if owner not in self._tried_s and self._deps.reindexer.restore(sorted(missing)):
                self._tried_s[owner] = now_s
                _LOG.warning("templates_lost", owner=owner, people=len(missing))

    def _missing(self) -> dict[str, frozenset[str]]:
        """Return who is missing, by owner; the templates of nobody else are read."""
        deps = self._deps
        visible: dict[str, set[str]] = {}
        for stream in deps.storage.streams():
            if stream.publication is not None:
                people = deps.storage.visible_people(stream.owner_id, stream.stream_id, deps.wall_ms())
                visible.setdefault(stream.owner_id, set()).update(people)
        # Whoever is being enrolled, or waits for newer networks, never had templates of these.
        without = deps.storage.people_without(deps.templates.made_with)
        expected = {owner: frozenset(people) - frozenset(without) for owner, people in visible.items()}
        missing = {owner: people - deps.templates.people(owner) for owner, people in expected.items() if people}
        return {owner: people for owner, people in missing.items() if people}
