"""What is kept of an enrolled person, in which order, and who is told."""

from collections.abc import Sequence
from dataclasses import replace

from mosaicast.adapters.gallery import GalleryUnavailable
from mosaicast.adapters.storage import Person, Photo
from mosaicast.adapters.vault import VaultError
from mosaicast.contracts.messages import MOST_PEOPLE, GalleryChanged
from mosaicast.contracts.topics import GALLERY
from mosaicast.runtime.logs import get_logger
from services.api.deps import Deps
from services.api.enrolment import Judged
from services.api.problems import ProblemError
from services.api.routes_streams import new_id

_LOG = get_logger(__name__)


def photo_item(photo_id: str) -> str:
    """Return the name in the vault of what is kept of a photo."""
    return f"{photo_id}-photo"


def thumbnail_item(photo_id: str) -> str:
    """Return the name in the vault of the aligned face."""
    return f"{photo_id}-thumbnail"


def enrol(deps: Deps, person: Person, judged: Sequence[Judged]) -> Person:
    """Keep a person with the good ones of these photos, and tell the others.

    The database comes first, so that no picture and no template is without an owner who can erase it; the note that
    there are templates comes last, so that `reindex` finishes what was cut off.

    Raises:
        ProblemError: 503; 422 if the owner has as many as a stream can be told of; nothing is kept.
    """
    if deps.storage.count_people(person.owner_id) >= MOST_PEOPLE:
        raise ProblemError(422, f"this owner has {MOST_PEOPLE} people, and can't have more")
    person = replace(person, photos=tuple(Photo(j.file, j.verdict, new_id() if j.good else None) for j in judged))
    deps.storage.create_person(person)
    try:
        _fill(deps, person, judged)
    except Exception as exc:
        _undo(deps, person)
        if isinstance(exc, GalleryUnavailable | VaultError):
            raise unavailable(exc) from exc
        raise
    deps.storage.note_templates(person.person_id, deps.templates.made_with)
    announce(deps, person.owner_id)
    return person


def erase(deps: Deps, person: Person) -> None:
    """Erase a person: consent first, so that whatever fails then, the face is masked; then templates and pictures.

    Raises:
        ProblemError: 503; erase again.
    """
    deps.storage.set_expiry(person.person_id, 0)
    for stream_id in person.consents or {}:
        deps.storage.delete_consent(person.person_id, stream_id)
    announce(deps, person.owner_id)
    try:
        deps.templates.erase(person.owner_id, person.person_id)
        deps.vault.erase(person.person_id)
    except (GalleryUnavailable, VaultError) as exc:
        raise unavailable(exc, "the consent is ended, but not everything is erased yet") from exc
    deps.storage.delete_person(person.person_id)
    announce(deps, person.owner_id)


def announce(deps: Deps, owner: str) -> bool:
    """Tell the other parts that the people of an owner, or their consents, changed; False: they could not be told."""
    told = [deps.producer.send(GALLERY, GalleryChanged(owner_id=owner, revision=deps.wall_ms()))]
    told += [deps.announce(stream) for stream in deps.storage.touch_streams(owner)]
    return all(told)


def unavailable(exc: GalleryUnavailable | VaultError, so_far: str = "") -> ProblemError:
    """Return the 503 of a store that fails."""
    what = "the gallery does not answer" if isinstance(exc, GalleryUnavailable) else "the photos can't be reached"
    _LOG.error("people_store_failed", error=str(exc))
    return ProblemError(503, f"{so_far}: {what}; try again" if so_far else f"{what}; try again")


def drop_orphans(deps: Deps) -> None:
    """Erase pictures of people whom the database does not know: what a crash in the middle left behind.

    Raises:
        VaultError, StorageError: not everything was looked at.
    """
    kept = deps.vault.people()  # first: whoever is enrolled meanwhile is in the database before the vault
    for person_id in kept - deps.storage.people_ids():
        deps.vault.erase(person_id)


def _fill(deps: Deps, person: Person, judged: Sequence[Judged]) -> None:
    for photo, one in zip(person.photos, judged, strict=True):
        if photo.photo_id is not None and one.good is not None:
            deps.vault.put(person.person_id, photo_item(photo.photo_id), one.good.photo)
            deps.vault.put(person.person_id, thumbnail_item(photo.photo_id), one.good.thumbnail)
    faces = [one.good.vectors for one in judged if one.good is not None]
    deps.templates.keep(person.owner_id, person.person_id, faces)


def _undo(deps: Deps, person: Person) -> None:
    try:
        deps.vault.erase(person.person_id)
    except VaultError as exc:
        _LOG.error("people_store_failed", error=str(exc))
    deps.storage.delete_person(person.person_id)
