"""What is sent to enroll somebody: a form, read part by part, each photo and the video judged as it comes."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from mosaicast.adapters.media.clip import LARGEST_CLIP_BYTES, ClipError
from mosaicast.adapters.media.clips import check_size as check_clip_size
from mosaicast.adapters.media.photo_file import PhotoError
from mosaicast.adapters.media.photos import LARGEST_PHOTO_BYTES, check_size
from mosaicast.adapters.models.errors import ModelError
from services.api.deps import Deps
from services.api.errors import ModelsBrokenError, MomentPassedError, PhotoCountError
from services.api.http.schemas import to_ms
from services.api.http.schemas_people import EnrollForm
from services.api.http.uploads import Part, read_parts
from services.api.people.clips import ClipRefusedError, JudgedClip
from services.api.people.enrollment import GoodFace, Judged, KnownFace, PhotosRefusedError, PhotosTooLargeError
from services.api.people.filming import Seen
from services.api.people.naming import too_many

MOST_PHOTOS = 20
VIDEO = "video"
"""Name of the part with the video; every other file is a photo."""
_FILE = {"type": "string", "format": "binary"}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 200},
                        "owner": {"type": "string", "default": "default"},
                        "expires_at": {"type": "string", "format": "date-time"},
                        "photos": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MOST_PHOTOS},
                        VIDEO: _FILE,
                    },
                    "examples": [
                        {
                            "name": "Ann",
                            "expires_at": "2030-12-31T09:00:00Z",
                            "photos": ["(bytes of ann1.jpg)"],
                            VIDEO: "(bytes of ann.mp4)",
                        }
                    ],
                }
            }
        },
    }
}
"""Written out, because the form is read part by part and not by the framework: see `uploads`."""
CLIP_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [VIDEO],
                    "properties": {VIDEO: _FILE},
                    "examples": [{VIDEO: "(bytes of ann.mp4)"}],
                }
            }
        },
    }
}


@dataclass
class Sent:
    """What a form held."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[Judged] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    """Names of photos beyond the most."""
    clip: str = ""
    """Name of the video."""
    seen: Seen | JudgedClip | None = None
    """What was seen in it."""
    clips: int = 0


async def read_form(request: Request, deps: Deps) -> Sent:
    """Return what is sent, photos and video looked at one by one.

    Raises:
        ProblemError: see `uploads.read_parts`.
        ModelsBrokenError: they can't be looked at.
        PhotoCountError: there are too many.
    """
    sent = Sent()
    async for part in read_parts(request, _largest, deps.uploads.limits):
        if part.file is None:
            sent.fields[part.name] = part.text
        elif part.name == VIDEO:
            sent.clips += 1
            if sent.clips == 1:
                sent.clip = part.file or VIDEO
                sent.seen = await run_in_threadpool(_followed, deps, sent.clip, part)
        elif len(sent.photos) == MOST_PHOTOS:
            sent.more.append(part.file or "photo")
        else:
            sent.photos.append(await run_in_threadpool(_judged, deps, part))
    if sent.more:
        raise PhotoCountError(_too_many(sent.photos, sent.more))
    if sent.clips > 1:
        raise PhotoCountError("send one video")
    return sent


def read_fields(fields: dict[str, str], deps: Deps) -> EnrollForm:
    """Return the fields of an enrollment.

    Raises:
        RequestValidationError: one is missing, unknown, or beyond its limits.
        MomentPassedError: the consent ends before it begins.
    """
    try:
        form = EnrollForm.model_validate(fields)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in errors]) from exc
    if form.expires_at is not None and to_ms(form.expires_at) <= deps.wall_ms():
        raise MomentPassedError
    return form


def settled(deps: Deps, sent: Sent) -> tuple[list[Judged], JudgedClip | None]:
    """Return the verdicts on all that becomes rows, photos and looks of the video, and the one on the video.

    Raises:
        PhotosRefusedError, ClipRefusedError: nothing can be used.
        PhotosDisagreeError: no group of the photos is the largest.
        PhotoCountError: nothing was sent.
        ModelsBrokenError: the models do not work.
    """
    try:
        photos = deps.enroller.settle(sent.photos)
        known = [one.good for one in photos if one.good is not None]
        clip = settled_clip(deps, sent, known)
    except ModelError as exc:
        raise ModelsBrokenError from exc
    if not photos and clip is None:
        raise PhotoCountError(f"send 1 to {MOST_PHOTOS} photos, as files named `photos`, or a video, named `{VIDEO}`")
    looks = () if clip is None else clip.looks
    if not known and not looks:
        raise ClipRefusedError(clip, photos) if clip is not None else _refused(photos)
    return [*photos, *looks], clip


def settled_clip(deps: Deps, sent: Sent, known: "list[GoodFace] | list[KnownFace]") -> JudgedClip | None:
    """Return the verdict on the video; None: there is none.

    Raises:
        ModelError: a model failed.
    """
    if isinstance(sent.seen, Seen):
        return deps.clips.settle(sent.clip, sent.seen, known)
    return sent.seen


def _largest(name: str) -> int:
    return LARGEST_CLIP_BYTES if name == VIDEO else LARGEST_PHOTO_BYTES


def _judged(deps: Deps, part: Part) -> Judged:
    file = part.file or "photo"
    try:
        check_size(part.size)
        return deps.enroller.judge(file, part.content)
    except PhotoError as exc:
        return Judged(file, exc.fault, exc.detail)
    except ModelError as exc:
        raise ModelsBrokenError from exc


def _followed(deps: Deps, file: str, part: Part) -> Seen | JudgedClip:
    try:
        check_clip_size(part.size)
        return deps.clips.follow(file, part.content)
    except ClipError as exc:
        return JudgedClip(file, exc.fault, exc.detail)
    except ModelError as exc:
        raise ModelsBrokenError from exc


def _refused(photos: list[Judged]) -> PhotosRefusedError:
    return (PhotosTooLargeError if all(one.verdict == "too_large" for one in photos) else PhotosRefusedError)(photos)


def _too_many(judged: list[Judged], more: list[str]) -> str:
    faults = [(one.file, one.verdict) for one in judged if one.verdict != "ok"]
    return too_many(MOST_PHOTOS, faults, [*(one.file for one in judged), *more])
