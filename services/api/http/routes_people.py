"""People who stay visible: enroll, list, change, delete; the faces of their photos; templates made again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.database.storage import Mark, Person
from mosaicast.adapters.media.photo_file import PhotoError
from mosaicast.adapters.media.photos import LARGEST_PHOTO_BYTES, check_size
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import VaultError
from services.api.deps import Deps, must_be_told
from services.api.errors import (
    ModelsBrokenError,
    MomentPassedError,
    NoSuchPhotoError,
    PhotoCountError,
)
from services.api.http import kinds, paging
from services.api.http.depends import D, require_admin
from services.api.http.people_out import person_out
from services.api.http.problems import COMMON, responses
from services.api.http.schemas import Owner, to_ms
from services.api.http.schemas_people import EnrollForm, PersonList, PersonOut, PersonPatch, ReindexIn, ReindexOut
from services.api.http.uploads import Part, read_parts
from services.api.people import records as people
from services.api.people.enrollment import Judged, PhotosRefusedError, PhotosTooLargeError
from services.api.people.items import thumbnail_item
from services.api.people.naming import too_many
from services.api.secrets import new_id

MOST_PHOTOS = 20
router = APIRouter(
    prefix="/v1/people", tags=["people"], dependencies=[Depends(require_admin)], responses=responses(*COMMON)
)
gallery = APIRouter(
    prefix="/v1/gallery", tags=["people"], dependencies=[Depends(require_admin)], responses=responses(*COMMON)
)
_STORES = (kinds.STORE_AWAY, kinds.VAULT_FOREIGN)
_ENROLLS = responses(
    *COMMON, *_STORES, kinds.NOT_READABLE, kinds.TOO_SLOW, kinds.TOO_LARGE, kinds.PHOTOS_TOO_LARGE, kinds.FORM_WANTED,
    kinds.MOMENT_PASSED, kinds.PHOTO_COUNT, kinds.PHOTOS_REFUSED, kinds.PHOTOS_DISAGREE, kinds.TOO_MANY_PEOPLE,
    kinds.MODELS_BROKEN, kinds.BUSY,
)  # fmt: skip
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["name", "photos"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 200},
                        "owner": {"type": "string", "default": "default"},
                        "expires_at": {"type": "string", "format": "date-time"},
                        "photos": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MOST_PHOTOS,
                        },
                    },
                    "examples": [
                        {"name": "Ann", "expires_at": "2030-12-31T09:00:00Z", "photos": ["(bytes of ann1.jpg)"]}
                    ],
                }
            }
        },
    }
}
"""Written out, because the form is read part by part and not by the framework: see `uploads`."""


@router.post("", status_code=201, responses=_ENROLLS, openapi_extra=_FORM, operation_id="enrol_person")
async def enroll_person(request: Request, deps: D) -> PersonOut:
    """Enroll a person from 1 to 20 photos; each gets a verdict. Used is the largest group that shows one person.

    A photo is a JPEG, PNG, WebP, HEIC, AVIF, TIFF or BMP, judged at its full size.
    `expires_at` says when the consent runs out. Two enrollments are read at once: 503 after a wait for one of them, 408
    for a sender that is too slow.
    """
    fields: dict[str, str] = {}
    judged: list[Judged] = []
    more: list[str] = []
    async with deps.uploads.slot():
        async for part in read_parts(request, LARGEST_PHOTO_BYTES, deps.uploads.limits):
            if part.file is None:
                fields[part.name] = part.text
            elif len(judged) == MOST_PHOTOS:
                more.append(part.file or "photo")
            else:
                judged.append(await run_in_threadpool(_judged, deps, part))
        if more:
            raise PhotoCountError(_too_many(judged, more))
        form = _form(fields, deps)
        judged = await run_in_threadpool(_settled, deps, judged)
    person = Person(
        person_id=new_id(),
        owner_id=form.owner,
        name=form.name,
        created_ms=deps.wall_ms(),
        expires_ms=to_ms(form.expires_at) if form.expires_at else None,
    )
    kept = await run_in_threadpool(people.enroll, deps, person, judged)
    return person_out(kept, deps.wall_ms(), judged)


@router.get("", operation_id="list_people")
def list_people(
    deps: D,
    owner: Annotated[Owner, Query()] = "default",
    limit: paging.Limit = None,
    cursor: paging.Cursor = None,
) -> PersonList:
    """List an owner's enrolled people, oldest first."""
    now_ms = deps.wall_ms()
    found = deps.storage.people(owner, paging.read(cursor), paging.one_more(limit))
    listed, next_cursor = paging.cut(found, limit, lambda person: Mark(person.created_ms, person.person_id))
    return PersonList(people=[person_out(person, now_ms) for person in listed], next_cursor=next_cursor)


@router.get("/{person_id}", responses=responses(*COMMON, kinds.NO_SUCH_PERSON), operation_id="get_person")
def get_person(person_id: str, deps: D) -> PersonOut:
    """Show one person."""
    return person_out(deps.person(person_id), deps.wall_ms())


@router.patch(
    "/{person_id}",
    responses=responses(*COMMON, kinds.NO_SUCH_PERSON, kinds.BEING_ERASED, kinds.NOT_TOLD),
    operation_id="change_person",
)
def change_person(person_id: str, body: PersonPatch, deps: D) -> PersonOut:
    """Change the name, or when the consent runs out: masked from then on, also on running streams."""
    person = people.changeable(deps, person_id)
    if body.name is not None:
        deps.storage.rename_person(person_id, body.name)
    if "expires_at" in body.model_fields_set:
        deps.storage.set_expiry(person_id, to_ms(body.expires_at) if body.expires_at else None)
        must_be_told(deps.outbox.tell_owner(person.owner_id))
    return get_person(person_id, deps)


@router.delete(
    "/{person_id}",
    status_code=204,
    responses=responses(*COMMON, *_STORES, kinds.NO_SUCH_PERSON, kinds.NOT_TOLD),
    operation_id="delete_person",
)
def delete_person(person_id: str, deps: D) -> None:
    """Un-enroll a person and erase photos and templates: masked again at once, also on running streams.

    503 says what is not done yet: it is tried until it is, and asking again tells whether it is.
    """
    people.erase(deps, deps.person(person_id))


@router.get(
    "/{person_id}/photos/{photo_id}/thumbnail",
    response_class=Response,
    responses={
        **responses(*COMMON, *_STORES, kinds.NO_SUCH_PERSON, kinds.NO_SUCH_PHOTO),
        200: {"content": {"image/jpeg": {}}, "description": "JPEG, 112 x 112."},
    },
    operation_id="get_thumbnail",
)
def get_thumbnail(person_id: str, photo_id: str, deps: D) -> Response:
    """Return the aligned face of a good photo."""
    person = deps.person(person_id)
    if photo_id not in [photo.photo_id for photo in person.photos]:
        raise NoSuchPhotoError
    try:
        picture = deps.vault.get(person_id, thumbnail_item(photo_id))
    except VaultError as exc:
        raise people.unavailable(exc) from exc
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(picture, media_type="image/jpeg", headers=headers)


@gallery.post("/reindex", status_code=202, operation_id="start_reindex")
def start_reindex(deps: D, body: ReindexIn | None = None) -> ReindexOut:
    """Make templates again from the kept photos, in the background, of whoever has none of the networks of today.

    While it runs, asking again changes nothing; after a restart, it goes on where it was.
    """
    deps.reindexer.start(everybody=body is not None and body.everybody)
    return ReindexOut.model_validate(deps.reindexer.progress(), from_attributes=True)


@gallery.get("/reindex", operation_id="get_reindex")
def get_reindex(deps: D) -> ReindexOut:
    """Show how far it is."""
    return ReindexOut.model_validate(deps.reindexer.progress(), from_attributes=True)


def _judged(deps: Deps, part: Part) -> Judged:
    file = part.file or "photo"
    try:
        check_size(part.size)
        return deps.enroller.judge(file, part.content)
    except PhotoError as exc:
        return Judged(file, exc.fault, exc.detail)
    except ModelError as exc:
        raise ModelsBrokenError from exc


def _too_many(judged: list[Judged], more: list[str]) -> str:
    faults = [(one.file, one.verdict) for one in judged if one.verdict != "ok"]
    return too_many(MOST_PHOTOS, faults, [*(one.file for one in judged), *more])


def _settled(deps: Deps, judged: list[Judged]) -> list[Judged]:
    try:
        settled = deps.enroller.settle(judged)
    except ModelError as exc:
        raise ModelsBrokenError from exc
    if not settled:
        raise PhotoCountError(f"send 1 to {MOST_PHOTOS} photos, as files named `photos`")
    if all(one.good is None for one in settled):
        raise (PhotosTooLargeError if all(one.verdict == "too_large" for one in settled) else PhotosRefusedError)(
            settled
        )
    return settled


def _form(fields: dict[str, str], deps: Deps) -> EnrollForm:
    try:
        form = EnrollForm.model_validate(fields)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in errors]) from exc
    if form.expires_at is not None and to_ms(form.expires_at) <= deps.wall_ms():
        raise MomentPassedError
    return form
