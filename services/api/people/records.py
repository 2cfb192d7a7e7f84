"""What is kept of an enrolled person, in which order, and who is told."""

from collections.abc import Sequence
from dataclasses import replace

from mosaicast.adapters.database.storage import Person, Photo, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.vault import VaultError, VaultRefusesError
from mosaicast.contracts.messages import MOST_PEOPLE
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps, must_be_told
from services.api.errors import BeingErasedError, StoreAwayError, TooManyPeopleError, VaultForeignError
from services.api.people.enrollment import Judged
from services.api.people.items import WHOLE, photo_item, thumbnail_item
from services.api.secrets import new_id

_LOG = get_logger(__name__)


def enroll(deps: Deps, person: Person, judged: Sequence[Judged]) -> Person:
    """Keep a person with the good ones of these photos, and tell the others.

    The row comes first, so that no picture and no template is without an owner who can erase it, and says that nobody
    is enrolled yet; that the person may be seen is said last. What is cut off in between is erased: see `leftovers`.

    Raises:
        TooManyPeopleError: the owner has as many as a stream can be told of; nothing is kept.
        StoreAwayError: nothing is kept, or it has no consent and is erased as soon as the stores answer.
    """
    if deps.storage.count_people(person.owner_id) >= MOST_PEOPLE:
        raise TooManyPeopleError(MOST_PEOPLE)
    if deps.vault.refuses is not None:
        raise unavailable(VaultRefusesError(deps.vault.refuses))
    photos = tuple(Photo(j.file, j.verdict, new_id() if j.good else None) for j in judged)
    person = replace(person, photos=photos, state="enrolling")
    deps.storage.create_person(person)
    try:
        _fill(deps, person, judged)
        if not deps.storage.keep_person(person.person_id, deps.templates.made_with):
            raise GalleryUnavailable("given_up")  # it took so long that it was taken for cut off
        deps.vault.put(person.person_id, WHOLE, b"")
    except Exception as exc:
        _undo(deps, person)
        if isinstance(exc, GalleryUnavailable | VaultError):
            raise unavailable(exc) from exc
        raise
    deps.outbox.tell_owner(person.owner_id, 0)
    return replace(person, state="kept")


def changeable(deps: Deps, person_id: str) -> Person:
    """Return a person of whom something may be changed.

    Raises:
        NoSuchPersonError: there is none.
        BeingErasedError: it is too late.
    """
    person = deps.person(person_id)
    if person.state != "kept":
        raise BeingErasedError
    return person


def erase(deps: Deps, person: Person) -> None:
    """Erase a person: consent first, so that whatever fails then, the face is masked; then templates and pictures.

    Raises:
        StoreAwayError, NotToldError: it is tried until it is done, and asking again tells whether it is.
    """
    deps.storage.begin_erasing(person.person_id)
    told = deps.outbox.tell_owner(person.owner_id)
    try:
        erase_kept(deps, person)
    except (GalleryUnavailable, VaultError) as exc:
        raise unavailable(exc, "the consent is ended, but not everything is erased yet") from exc
    # The row stays until the others know: whoever asks again must not hear that there is nothing to do.
    must_be_told(told)
    deps.storage.delete_person(person.person_id)
    deps.outbox.tell_owner(person.owner_id, 0)


def erase_kept(deps: Deps, person: Person) -> None:
    """Erase all templates and pictures of a person.

    Raises:
        GalleryUnavailable, VaultError: some may be left; erase again.
    """
    deps.templates.erase(person.owner_id, person.person_id)
    # None of these photos are in another database's vault: they lie elsewhere, and to forget them is not to erase them.
    elsewhere = deps.vault.refuses is not None and any(photo.photo_id is not None for photo in person.photos)
    if elsewhere or person.person_id in deps.vault.people():
        deps.vault.erase(person.person_id)


def announce(deps: Deps, owner: str) -> None:
    """Have the other parts told that the people of an owner, or their consents, changed."""
    deps.storage.people_changed(owner)
    deps.outbox.tell_owner(owner, 0)


def unavailable(exc: GalleryUnavailable | VaultError, so_far: str = "") -> StoreAwayError:
    """Return what whoever asked is told of a store that fails."""
    what = "the gallery does not answer" if isinstance(exc, GalleryUnavailable) else "the photos can't be reached"
    _LOG.error("people_store_failed", error=str(exc))
    if isinstance(exc, VaultRefusesError):
        return VaultForeignError(f"{so_far}: {exc}" if so_far else str(exc))
    return StoreAwayError(f"{so_far}: {what}; try again" if so_far else f"{what}; try again")


def _fill(deps: Deps, person: Person, judged: Sequence[Judged]) -> None:
    for photo, one in zip(person.photos, judged, strict=True):
        if photo.photo_id is not None and one.good is not None:
            deps.vault.put(person.person_id, photo_item(photo.photo_id), one.good.photo)
            deps.vault.put(person.person_id, thumbnail_item(photo.photo_id), one.good.thumbnail)
    faces = [one.good.vectors for one in judged if one.good is not None]
    deps.templates.keep(person.owner_id, person.person_id, faces)


def _undo(deps: Deps, person: Person) -> None:
    """Erase a failed enrollment; what can't be erased now stays in the database, without consent, until it is."""
    try:
        deps.storage.begin_erasing(person.person_id)
        erase_kept(deps, person)
        deps.storage.delete_person(person.person_id)
    except (GalleryUnavailable, VaultError, StorageError) as exc:
        _LOG.error("enrollment_left_over", person=person.person_id, error=str(exc))
