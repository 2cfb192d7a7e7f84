"""What is kept of an enrolled person, in which order, and who is told."""

from collections.abc import Sequence
from dataclasses import replace

from mosaicast.adapters.database.storage import ADDING, GIVEN_UP, Person, Photo, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.gallery.store import MOST_TEMPLATES
from mosaicast.adapters.media.jpeg import JpegError
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import VaultDamagedError, VaultError, VaultRefusesError
from mosaicast.contracts.messages import MOST_PEOPLE
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps, must_be_told
from services.api.errors import (
    BeingErasedError,
    ModelsBrokenError,
    NothingToCompareError,
    StoreAwayError,
    TooManyLooksError,
    TooManyPeopleError,
    VaultForeignError,
)
from services.api.people.clips import MOST_LOOKS
from services.api.people.enrollment import Judged, KnownFace
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


def add(deps: Deps, person: Person, judged: Sequence[Judged]) -> Person:
    """Keep more pictures of a person who is enrolled, all or none, and make templates of all that are kept.

    Their rows come first, and say that they are not kept yet; what is cut off before they are is erased (`leftovers`).
    From then on they stay, and their templates come as soon as models and gallery answer: see `renewal`.

    Args:
        judged: good ones, at least one.

    Raises:
        BeingErasedError: the person is being erased; nothing is kept.
        StoreAwayError: nothing is kept, or the templates come later; the text says which.
    """
    if deps.vault.refuses is not None:
        raise unavailable(VaultRefusesError(deps.vault.refuses))
    photos = tuple(Photo(one.file, ADDING, new_id()) for one in judged)
    ids = [photo.photo_id or "" for photo in photos]
    if not deps.storage.begin_adding(person.person_id, photos):
        raise BeingErasedError
    try:
        _fill_vault(deps, person.person_id, photos, judged)
        if not deps.storage.end_adding(person.person_id, ids):
            raise BeingErasedError
    except Exception as exc:
        give_up(deps, person.person_id, ids)
        if isinstance(exc, VaultError):
            raise unavailable(exc) from exc
        raise
    try:
        deps.reindexer.again(person.person_id)
    except (GalleryUnavailable, VaultError) as exc:
        raise unavailable(exc, "the looks are kept, and are of use when their templates are made") from exc
    except ModelError as exc:
        raise ModelsBrokenError from exc
    return deps.person(person.person_id)


def known_faces(deps: Deps, person: Person) -> list[KnownFace]:
    """Return what the kept pictures of a person are to the networks of today.

    Raises:
        NothingToCompareError: none of them can be used.
        TooManyLooksError: no more pictures of this person are kept.
        StoreAwayError: they can't be reached.
        ModelError: a model failed.
    """
    ids = [photo.photo_id for photo in person.photos if photo.photo_id is not None and photo.kept]
    if len(ids) + MOST_LOOKS > MOST_TEMPLATES:
        raise TooManyLooksError(len(ids), MOST_TEMPLATES)
    known = []
    for photo_id in ids:
        try:
            known.append(deps.enroller.known(deps.vault.get(person.person_id, photo_item(photo_id))))
        except (VaultDamagedError, JpegError) as exc:
            _LOG.warning("photo_unusable", person=person.person_id, error=str(exc))
        except VaultError as exc:
            raise unavailable(exc) from exc
    usable = [one for one in known if one is not None]
    if not usable:
        raise NothingToCompareError
    return usable


def give_up(deps: Deps, person_id: str, photo_ids: Sequence[str]) -> None:
    """Erase pictures that were to be added; what can't be erased now is known by its row until it is."""
    try:
        deps.storage.give_up_adding(person_id, photo_ids)
        person = deps.storage.person(person_id)
        if person is None:
            deps.vault.erase(person_id)  # all of it is what was added after the person was erased
        else:
            erase_given_up(deps, person)
    except (VaultError, StorageError) as exc:
        _LOG.error("enrollment_left_over", person=person_id, error=str(exc))


def erase_given_up(deps: Deps, person: Person) -> None:
    """Erase the pictures of a person that were given up.

    Raises:
        StorageError, VaultError: some may be left; erase again.
    """
    for photo_id in [photo.photo_id for photo in person.photos if photo.verdict == GIVEN_UP]:
        deps.vault.erase_item(person.person_id, photo_item(photo_id or ""))
        deps.vault.erase_item(person.person_id, thumbnail_item(photo_id or ""))
    deps.storage.forget_given_up(person.person_id)


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
    _fill_vault(deps, person.person_id, person.photos, judged)
    faces = [one.good.vectors for one in judged if one.good is not None]
    deps.templates.keep(person.owner_id, person.person_id, faces)


def _fill_vault(deps: Deps, person_id: str, photos: Sequence[Photo], judged: Sequence[Judged]) -> None:
    for photo, one in zip(photos, judged, strict=True):
        if photo.photo_id is not None and one.good is not None:
            deps.vault.put(person_id, photo_item(photo.photo_id), one.good.photo)
            deps.vault.put(person_id, thumbnail_item(photo.photo_id), one.good.thumbnail)


def _undo(deps: Deps, person: Person) -> None:
    """Erase a failed enrollment; what can't be erased now stays in the database, without consent, until it is."""
    try:
        deps.storage.begin_erasing(person.person_id)
        erase_kept(deps, person)
        deps.storage.delete_person(person.person_id)
    except (GalleryUnavailable, VaultError, StorageError) as exc:
        _LOG.error("enrollment_left_over", person=person.person_id, error=str(exc))
