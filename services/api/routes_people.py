"""People who stay visible: enrol, list, delete."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Form, Query, UploadFile
from numpy.typing import NDArray

from mosaicast.adapters.gallery import GalleryUnavailable
from mosaicast.adapters.model_errors import ModelError
from mosaicast.adapters.storage import Person, Photo
from mosaicast.contracts.messages import GalleryChanged
from mosaicast.contracts.topics import GALLERY
from services.api.deps import Deps, deps_of, require_admin
from services.api.photos import LARGEST_PHOTO_BYTES
from services.api.problems import ProblemError, responses
from services.api.routes_streams import new_id
from services.api.schemas import Owner, PersonList, PersonOut, PhotoOut

MOST_PHOTOS = 20
router = APIRouter(
    prefix="/v1/people", tags=["people"], dependencies=[Depends(require_admin)], responses=responses(401, 422, 503)
)
D = Annotated[Deps, Depends(deps_of)]


@router.post("", status_code=201, responses=responses(413))
def enrol_person(
    name: Annotated[str, Form(min_length=1, max_length=200)],
    photos: list[UploadFile],
    deps: D,
    owner: Annotated[Owner, Form()] = "default",
) -> PersonOut:
    """Enrol a person from 1 to 20 photos; each gets a verdict. At least one must be good."""
    if len(photos) > MOST_PHOTOS:
        raise ProblemError(422, f"at most {MOST_PHOTOS} photos")
    contents = [(photo.filename or "photo", _read(photo)) for photo in photos]
    try:
        verdicts, vectors = deps.enroller.judge(contents)
    except ModelError as exc:
        raise ProblemError(503, "the face models do not work; the operator finds more in the log") from exc
    judged = [PhotoOut(file=v.file, verdict=v.verdict, detail=v.detail) for v in verdicts]
    if not len(vectors):
        first = next(f"{v.file}: {v.detail}" for v in verdicts)
        raise ProblemError(422, f"no photo can be used; {first}", {"photos": [p.model_dump() for p in judged]})
    person = Person(
        person_id=new_id(),
        owner_id=owner,
        name=name,
        created_ms=deps.wall_ms(),
        photos=tuple(Photo(v.file, v.verdict) for v in verdicts),
    )
    _keep(deps, person, vectors)
    return PersonOut(person_id=person.person_id, owner=owner, name=name, photos=judged)


@router.get("")
def list_people(deps: D, owner: Annotated[Owner, Query()] = "default") -> PersonList:
    """List an owner's enrolled people."""
    return PersonList(people=[_out(person) for person in deps.storage.people(owner)])


@router.get("/{person_id}", responses=responses(404))
def get_person(person_id: str, deps: D) -> PersonOut:
    """Show one person."""
    return _out(_found(deps, person_id))


@router.delete("/{person_id}", status_code=204, responses=responses(404))
def delete_person(person_id: str, deps: D) -> None:
    """Un-enrol a person: masked again at once, also on running streams."""
    person = _found(deps, person_id)
    try:
        deps.gallery.delete_person(person.owner_id, person_id)
    except GalleryUnavailable as exc:
        raise ProblemError(503, "the gallery does not answer; try again") from exc
    deps.storage.delete_person(person_id)
    _announce(deps, person.owner_id)


def _read(photo: UploadFile) -> bytes:
    data = photo.file.read(LARGEST_PHOTO_BYTES + 1)
    if len(data) > LARGEST_PHOTO_BYTES:
        raise ProblemError(413, f"a photo has at most {LARGEST_PHOTO_BYTES // 1024**2} MB")
    return data


def _keep(deps: Deps, person: Person, vectors: NDArray[np.float32]) -> None:
    """Keep a person: the database first, so that no template is without an owner who can erase it."""
    deps.storage.create_person(person)
    try:
        deps.gallery.upsert_templates(person.owner_id, person.person_id, vectors)
    except GalleryUnavailable as exc:
        deps.storage.delete_person(person.person_id)
        raise ProblemError(503, "the gallery does not answer; try again") from exc
    _announce(deps, person.owner_id)


def _announce(deps: Deps, owner: str) -> None:
    deps.producer.send(GALLERY, GalleryChanged(owner_id=owner, revision=deps.wall_ms()))


def _found(deps: Deps, person_id: str) -> Person:
    person = deps.storage.person(person_id)
    if person is None:
        raise ProblemError(404, f"there is no person `{person_id[:64]}`")
    return person


def _out(person: Person) -> PersonOut:
    photos = [PhotoOut.model_validate({"file": p.file, "verdict": p.verdict}) for p in person.photos]
    return PersonOut(person_id=person.person_id, owner=person.owner_id, name=person.name, photos=photos)
