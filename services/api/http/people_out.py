"""People and verdicts as answers."""

from collections.abc import Sequence
from typing import Any

from mosaicast.adapters.database.storage import ADDING, GIVEN_UP, Person, Photo
from mosaicast.core.consents import visible_until
from services.api.http.schemas import to_moment
from services.api.http.schemas_people import ConsentOut, PersonOut, PhotoOut, VideoOut
from services.api.people.clips import JudgedClip
from services.api.people.enrollment import DETAILS, Judged


def person_out(
    person: Person, now_ms: int, judged: Sequence[Judged] | None = None, clip: JudgedClip | None = None
) -> PersonOut:
    """Return a person as an answer.

    Args:
        judged: of an enrollment just made: its sentences and notes.
        clip: the video that came with it.
    """
    shown = [photo for photo in person.photos if photo.verdict not in (ADDING, GIVEN_UP)]
    sayings = [(one.detail, one.note) for one in judged] if judged else [("", "")] * len(shown)
    return PersonOut(
        person_id=person.person_id,
        owner=person.owner_id,
        name=person.name,
        expires_at=None if person.expires_ms is None else to_moment(person.expires_ms),
        expired=visible_until(person.expires_ms, None) <= now_ms,
        erasing=person.state != "kept",
        photos=[_photo(person, photo, *said) for photo, said in zip(shown, sayings, strict=True)],
        videos=[] if clip is None else [clip_out(clip)],
        consents=[consent_out(person, stream_id, now_ms) for stream_id in person.consents or {}],
    )


def consent_out(person: Person, stream_id: str, now_ms: int) -> ConsentOut:
    """Return what a person said about one stream as an answer."""
    said = (person.consents or {})[stream_id]
    return ConsentOut(
        stream_id=stream_id,
        allowed=said.allowed,
        expires_at=None if said.expires_ms is None else to_moment(said.expires_ms),
        visible=visible_until(person.expires_ms, said) > now_ms,
    )


def clip_out(clip: JudgedClip) -> VideoOut:
    """Return the verdict on a video as an answer."""
    return VideoOut(
        file=clip.file, verdict=clip.verdict, detail=clip.detail, note=clip.note, looks=len(clip.looks),
        sides=list(clip.sides),
    )  # fmt: skip


def judged_out(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return the verdicts on photos of which nothing is kept, as part of a problem."""
    return [PhotoOut(file=j.file, verdict=j.verdict, detail=j.detail, note=j.note).model_dump() for j in judged]


def _photo(person: Person, photo: Photo, detail: str, note: str) -> PhotoOut:
    answer = PhotoOut.model_validate({"file": photo.file, "verdict": photo.verdict})
    answer.detail, answer.note, answer.photo_id = detail or DETAILS[answer.verdict], note, photo.photo_id
    if photo.photo_id is not None:
        answer.thumbnail = f"/v1/people/{person.person_id}/photos/{photo.photo_id}/thumbnail"
    return answer
