"""People who stay visible: enroll, list, change, delete; the faces of their photos; templates made again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.database.storage import Mark, Person
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import VaultError
from services.api.deps import Deps, must_be_told
from services.api.errors import ModelsBrokenError, NoSuchPhotoError, PhotoCountError
from services.api.http import enrolling, kinds, paging
from services.api.http.depends import D, require_admin
from services.api.http.people_out import person_out
from services.api.http.problems import COMMON, responses
from services.api.http.schemas import Owner, to_ms
from services.api.http.schemas_people import PersonList, PersonOut, PersonPatch, ReindexIn, ReindexOut
from services.api.people import records as people
from services.api.people.clips import ClipRefusedError, JudgedClip
from services.api.people.items import thumbnail_item
from services.api.secrets import new_id

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
    kinds.MODELS_BROKEN, kinds.BUSY, kinds.VIDEO_REFUSED,
)  # fmt: skip
_ADDS = responses(
    *COMMON, *_STORES, kinds.NO_SUCH_PERSON, kinds.BEING_ERASED, kinds.NOTHING_TO_COMPARE, kinds.NOT_READABLE,
    kinds.TOO_SLOW, kinds.TOO_LARGE, kinds.FORM_WANTED, kinds.PHOTO_COUNT, kinds.VIDEO_REFUSED, kinds.TOO_MANY_LOOKS,
    kinds.MODELS_BROKEN, kinds.BUSY,
)  # fmt: skip


@router.post("", status_code=201, responses=_ENROLLS, openapi_extra=enrolling.FORM, operation_id="enrol_person")
async def enroll_person(request: Request, deps: D) -> PersonOut:
    """Enroll a person from 1 to 20 photos, a video, or both. Used is the largest group of photos that shows one person.

    A photo is a JPEG, PNG, WebP, HEIC, AVIF, TIFF or BMP, judged at its full size. A video is an MP4, MOV, MKV, WebM or
    AVI of at most 100 MB, of which the first 30 seconds are looked at: one that shows the person of the photos, or
    nobody but that person, gives up to ten looks from several sides. Each gets a verdict; the video itself is not kept.
    `expires_at` says when the consent runs out. Two enrollments are read at once: 503 after a wait for one of them, 408
    for a sender that is too slow.
    """
    async with deps.uploads.slot():
        sent = await enrolling.read_form(request, deps)
        form = enrolling.read_fields(sent.fields, deps)
        judged, clip = await run_in_threadpool(enrolling.settled, deps, sent)
    person = Person(
        person_id=new_id(),
        owner_id=form.owner,
        name=form.name,
        created_ms=deps.wall_ms(),
        expires_ms=to_ms(form.expires_at) if form.expires_at else None,
    )
    kept = await run_in_threadpool(people.enroll, deps, person, judged)
    return person_out(kept, deps.wall_ms(), judged, clip)


@router.post(
    "/{person_id}/looks",
    status_code=201,
    responses=_ADDS,
    openapi_extra=enrolling.CLIP_FORM,
    operation_id="add_looks",
)
async def add_looks(person_id: str, request: Request, deps: D) -> PersonOut:
    """Add up to ten looks, from several sides, of a video that shows this person, as its kept photos do.

    The video is as one to enroll with. Others may be in it: used is the face that agrees with what is kept.
    """
    person = await run_in_threadpool(people.changeable, deps, person_id)
    async with deps.uploads.slot():
        sent = await enrolling.read_form(request, deps)
        clip = await run_in_threadpool(_clip_of, deps, person, sent)
        changed = await run_in_threadpool(people.add, deps, person, clip.looks)
    return person_out(changed, deps.wall_ms(), clip=clip)


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


def _clip_of(deps: Deps, person: Person, sent: enrolling.Sent) -> JudgedClip:
    try:
        known = people.known_faces(deps, person)
        clip = enrolling.settled_clip(deps, sent, known)
    except ModelError as exc:
        raise ModelsBrokenError from exc
    if clip is None or sent.photos:
        raise PhotoCountError(f"send one video, as a file named `{enrolling.VIDEO}`, and nothing else")
    if not clip.looks:
        raise ClipRefusedError(clip)
    return clip
