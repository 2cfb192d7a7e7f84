"""Templates made again from the kept photos, when the networks have changed or the gallery was lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from mosaicast.adapters.database.storage import Person, Storage, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.media.jpeg import JpegError
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import Vault, VaultDamagedError, VaultError
from mosaicast.runtime.logs import get_logger
from services.api.people.enrollment import Enroller
from services.api.people.face_models import Vectors
from services.api.people.items import photo_item
from services.api.people.templates import Templates

RETRY_S = 2.0
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reindexing:
    """How far it is."""

    state: Literal["idle", "running", "done", "stopped", "failed"] = "idle"
    reason: str = ""
    """A plain sentence; empty when all is well."""
    waiting: int = 0
    """People whose templates are not of the networks of today."""
    total: int = 0
    """People in this run."""
    done: int = 0
    """Of them finished, the skipped ones too."""
    skipped: tuple[str, ...] = ()
    """Ids of people who have no photo that can still be used."""


class Reindexer:
    """Makes templates again, person by person, on a thread of its own. Thread-safe.

    Each finished person is noted in the database, so that a run that was cut off goes on where it was.

    Args:
        announce: called with the owner of each person who got new templates.
    """

    def __init__(
        self,
        storage: Storage,
        vault: Vault,
        templates: Templates,
        enroller: Enroller,
        announce: Callable[[str], object],
    ) -> None:
        self._storage, self._vault, self._templates = storage, vault, templates
        self._enroller, self._announce = enroller, announce
        self._lock = threading.Lock()
        self._making = threading.Lock()
        """One person at a time: of two who make the same one's templates, the slower must not win with fewer."""
        self._useless: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._now = Reindexing()

    def start(self, *, everybody: bool) -> bool:
        """Begin; False: it runs already.

        Args:
            everybody: also of whom the templates are of the networks of today.

        Raises:
            StorageError: the database is away.
        """
        if everybody:
            return self.restore(sorted(self._storage.people_ids()))
        return self._begin(self._waiting(), anew=False)

    def renew(self) -> bool:
        """Begin with who waits and has photos of which something may come; False: nobody does, or it runs already.

        Raises:
            StorageError: the database is away.
        """
        hopeful = [person_id for person_id in self._waiting() if person_id not in self._useless]
        return bool(hopeful) and self._begin(hopeful, anew=False)

    def restore(self, ids: list[str]) -> bool:
        """Begin with these people only, whatever was noted of their templates; False: it runs already."""
        return self._begin(ids, anew=True)

    def again(self, person_id: str) -> bool:
        """Make one person's templates again, now; False: no kept photo can be used.

        Raises:
            GalleryUnavailable, VaultError, StorageError, ModelError: it is not done, and the person waits for it.
        """
        return self._again(person_id, anew=True)

    @property
    def useless(self) -> frozenset[str]:
        """Ids of people of whom no kept photo could be used when it was tried last."""
        return self._useless

    def _begin(self, ids: list[str], *, anew: bool) -> bool:
        with self._lock:
            if self._now.state == "running":
                return False
            self._now = Reindexing("running", total=len(ids))
            self._thread = threading.Thread(target=self._run, args=(ids, anew), name="reindex", daemon=True)
            self._thread.start()
        return True

    def progress(self) -> Reindexing:
        """Return how far it is.

        Raises:
            StorageError: the database is away.
        """
        waiting = len(self._waiting())
        with self._lock:
            return replace(self._now, waiting=waiting)

    def stop(self) -> None:
        """End after the person in hand."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _waiting(self) -> list[str]:
        return self._storage.people_without(self._templates.made_with)

    def _run(self, ids: list[str], anew: bool) -> None:
        try:
            for person_id in ids:
                if self._stop.is_set():
                    return self._end("stopped", "the api was stopped; start it again to go on")
                made = self._again(person_id, anew=anew)
                with self._lock:
                    skipped = self._now.skipped if made else (*self._now.skipped, person_id)
                    self._now = replace(self._now, done=self._now.done + 1, skipped=skipped)
        except (GalleryUnavailable, VaultError, StorageError, ModelError) as exc:
            _LOG.error("reindex_failed", error=str(exc))
            return self._end("failed", "the gallery, the photos, the database or the models failed; see the log")
        except Exception as exc:
            _LOG.error("bug", exc_info=exc)
            return self._end("failed", "this is our mistake; it has been logged")
        return self._end("done", "")

    def _end(self, state: Literal["done", "stopped", "failed"], reason: str) -> None:
        with self._lock:
            self._now = replace(self._now, state=state, reason=reason)

    def _again(self, person_id: str, *, anew: bool) -> bool:
        """Make a person's templates again; False: no kept photo can be used.

        Args:
            anew: also if another api has made them meanwhile.
        """
        with self._making:
            made = True
            person = self._storage.person(person_id)
            if person is not None and person.state == "kept" and (anew or self._waits(person)):
                made = self._make(person)
                if made:
                    self._announce(person.owner_id)
            # Others are erased meanwhile, or being erased, or done.
            self._useless = self._useless - {person_id} if made else self._useless | {person_id}
        return made

    def _waits(self, person: Person) -> bool:
        return person.templates != self._templates.made_with

    def _make(self, person: Person) -> bool:
        """Make templates of all kept pictures, until those are all that there are."""
        owner_id, person_id = person.owner_id, person.person_id
        while True:
            kept = _kept(person)
            faces = [face for face in (self._face(person_id, photo_id) for photo_id in kept) if face is not None]
            if not faces:
                return False
            self._templates.keep(owner_id, person_id, faces)
            self._storage.note_templates(person_id, self._templates.made_with)
            now = self._storage.person(person_id)
            if now is None or now.state != "kept":
                self._take_back(owner_id, person_id)
                return True
            if _kept(now) == kept:
                return True
            person = now  # pictures were added meanwhile, perhaps by another api

    def _take_back(self, owner_id: str, person_id: str) -> None:
        """Erase templates of somebody who was erased meanwhile: that may be past the templates. Until it is done."""
        while True:
            try:
                return self._templates.erase(owner_id, person_id)
            except GalleryUnavailable as exc:
                _LOG.error("template_of_an_erased_person_left", person=person_id, error=str(exc))
                if self._stop.wait(RETRY_S):
                    raise

    def _face(self, person_id: str, photo_id: str) -> Vectors | None:
        try:
            return self._enroller.templates_again(self._vault.get(person_id, photo_item(photo_id)))
        except (VaultDamagedError, JpegError) as exc:
            _LOG.warning("photo_unusable", person=person_id, error=str(exc))
            return None


def _kept(person: Person) -> list[str]:
    return [photo.photo_id for photo in person.photos if photo.photo_id is not None and photo.kept]
