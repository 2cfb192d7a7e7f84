"""Enrollments and erasures that were cut off are erased to the end, and the three places of people are compared."""

import asyncio

from mosaicast.adapters.binding import enrolled
from mosaicast.adapters.database.storage import ADDING, Person, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.vault import VaultError
from mosaicast.core.holdings import Differences, compare
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps
from services.api.people import records
from services.api.people.items import WHOLE, thumbnail_item

CHECK_S = 5.0
ENROLLING_MS = 60_000
"""Writing an enrollment down takes a second, 20 s when every store is as slow as it may be; older ones were cut off."""
_LOG = get_logger(__name__)


async def keep_clean(deps: Deps) -> None:
    """Compare once, as soon as all stores answer, and finish what was cut off, until cancelled."""
    leftovers = Leftovers(deps)
    while True:
        try:
            await asyncio.to_thread(leftovers.check)
        except (StorageError, GalleryUnavailable, VaultError) as exc:
            _LOG.warning("leftovers_not_checked", error=str(exc))
        except Exception as exc:
            _LOG.error("bug", exc_info=exc)
        await asyncio.sleep(CHECK_S)


class Leftovers:
    """Finds enrollments and erasures that were cut off, erases what they left, and logs it.

    It erases nobody whom the database does not know.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._compared = False
        self._adding_since_s: dict[str, float] = {}
        """When pictures that are being added to a person were seen first, monotonic."""
        self._in_doubt: set[str] = set()

    def check(self) -> None:
        """Look once.

        Raises:
            StorageError, GalleryUnavailable, VaultError: not everything could be done; check again.
        """
        failed: GalleryUnavailable | VaultError | None = None
        for person in self._deps.storage.unfinished():
            if not self._is_at_work(person) and not self._was_kept(person):
                try:
                    self._finish(person)
                except (GalleryUnavailable, VaultError) as exc:
                    failed = exc
        if failed is not None:
            raise failed
        self._check_adding()
        if not self._compared:
            self._say(self.differences())
            self._compared = True

    def differences(self) -> Differences:
        """Compare vault, gallery and database.

        Raises:
            StorageError, GalleryUnavailable, VaultError: one can't be read.
        """
        in_vault, in_gallery = self._deps.vault.people(), self._deps.templates.everybody()
        return compare(in_vault, in_gallery, enrolled(self._deps.storage))

    def _check_adding(self) -> None:
        """Finish what was cut off while pictures were added: to its end if all of them are kept, else to nothing."""
        deps, now_s = self._deps, self._deps.monotonic_s()
        people = deps.storage.adding()
        self._adding_since_s = {one.person_id: self._adding_since_s.get(one.person_id, now_s) for one in people}
        for person in people:
            ids = [photo.photo_id for photo in person.photos if photo.verdict == ADDING and photo.photo_id is not None]
            if now_s - self._adding_since_s[person.person_id] < ENROLLING_MS / 1000:
                continue
            # The thumbnail is written last. A database that was copied in between may not know what came after.
            whole = bool(ids) and all(deps.vault.has(person.person_id, thumbnail_item(one)) for one in ids)
            if not (whole and deps.storage.end_adding(person.person_id, ids)):
                records.give_up(deps, person.person_id, ids)
            _LOG.info("adding_finished", person=person.person_id, kept=whole)

    def _is_at_work(self, person: Person) -> bool:
        return person.state == "enrolling" and 0 <= self._deps.wall_ms() - person.created_ms < ENROLLING_MS

    def _was_kept(self, person: Person) -> bool:
        """Whether the enrollment came to its end after all, and this database is a copy that was made before."""
        kept = person.state == "enrolling" and self._deps.vault.has(person.person_id, WHOLE)
        if kept and person.person_id not in self._in_doubt:
            self._in_doubt.add(person.person_id)
            _LOG.warning("enrollment_in_doubt", person=person.person_id, help="enroll anew, or delete the person")
        return kept

    def _finish(self, person: Person) -> None:
        deps = self._deps
        if person.state == "enrolling":
            deps.storage.begin_erasing(person.person_id)
        records.erase_kept(deps, person)
        # As long as the end of the consent was not told, whoever asks again must find something to ask for.
        if deps.outbox.tell_owner(person.owner_id, 0):
            deps.storage.delete_person(person.person_id)
            deps.outbox.tell_owner(person.owner_id, 0)
            _LOG.info("leftover_erased", person=person.person_id, was=person.state)

    def _say(self, differences: Differences) -> None:
        if differences.any:
            _LOG.warning("people_differ", help="mosaicast doctor", **differences.counts)
        else:
            _LOG.info("people_agree")
