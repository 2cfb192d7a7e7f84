"""Bodies about people, their photos and their consents."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.api.http.schemas import Moment, Name, Owner, Page, Strict, shown
from services.api.people.clips import ClipVerdict
from services.api.people.enrollment import Verdict
from services.api.people.filming import Side

_END = "2030-12-31T09:00:00Z"
_STREAM_ID = "sQ3zWx1kPm8Tn5aLd"
_CURSOR = "WzE4OTM0NTYwMDAwMDAsICJzSDZnVWYwbVhqM0R6OG9CaSJd"
_PHOTO: dict[str, Any] = {
    "file": "ann.jpg",
    "verdict": "ok",
    "detail": "it is used",
    "note": "",
    "photo_id": "sV9bYh2cRk7Wq4eJt",
    "thumbnail": "/v1/people/sH6gUf0mXj3Dz8oBi/photos/sV9bYh2cRk7Wq4eJt/thumbnail",
}
_VIDEO: dict[str, Any] = {
    "file": "ann.mp4",
    "verdict": "ok",
    "detail": "it is used",
    "note": "",
    "looks": 10,
    "sides": ["front", "left", "right"],
}
_CONSENT = {"stream_id": _STREAM_ID, "allowed": True, "expires_at": _END, "visible": True}
_PERSON: dict[str, Any] = {
    "person_id": "sH6gUf0mXj3Dz8oBi",
    "owner": "default",
    "name": "Ann",
    "expires_at": _END,
    "expired": False,
    "erasing": False,
    "photos": [_PHOTO],
    "videos": [_VIDEO],
    "consents": [_CONSENT],
}


class PhotoOut(BaseModel):
    """The verdict on one photo."""

    model_config = shown(_PHOTO)

    file: str
    verdict: Verdict
    detail: str = Field(default="", description="The verdict in a plain sentence.")
    note: str = Field(default="", description="What was done to it, e.g. turned upright.")
    photo_id: str | None = Field(default=None, description="Of a photo that is used.")
    thumbnail: str | None = Field(default=None, description="Where the aligned face is: a path, administrators only.")


class VideoOut(BaseModel):
    """The verdict on a video, told once: what is kept of it are looks, each a photo of its own in `photos`."""

    model_config = shown(_VIDEO)

    file: str
    verdict: ClipVerdict
    detail: str = Field(default="", description="The verdict in a plain sentence.")
    note: str = Field(default="", description="What would make a better one.")
    looks: int = Field(default=0, description="How many looks of it are used.")
    sides: list[Side] = Field(default=[], description="Which way the face looks in them, as seen in the picture.")


class EnrollForm(Strict):
    """The fields of an enrollment beside photos and video."""

    name: Name
    owner: Owner = "default"
    expires_at: Moment | None = None


class PersonPatch(Strict):
    """Members to change; the others stay."""

    model_config = shown({"expires_at": _END})

    name: Name | None = None
    expires_at: Moment | None = Field(
        default=None,
        description="When the consent runs out: masked from then on, except where `consents` say another time. "
        "In the past: at once. null: never.",
    )


class ConsentIn(Strict):
    """What a person says about one stream; it counts for more than the person's own `expires_at`."""

    model_config = shown({"allowed": False})

    allowed: bool = Field(default=True, description="false: masked on this stream.")
    expires_at: Moment | None = Field(default=None, description="null: the person's own.")


class ConsentOut(BaseModel):
    """What a person said about one stream."""

    model_config = shown(_CONSENT)

    stream_id: str
    allowed: bool
    expires_at: datetime | None
    visible: bool = Field(description="Whether the person may be seen on this stream now.")


class PersonOut(BaseModel):
    """An enrolled person."""

    model_config = shown(_PERSON)

    person_id: str
    owner: str
    name: str
    expires_at: datetime | None = Field(description="When the consent runs out; null: never.")
    expired: bool
    erasing: bool = Field(default=False, description="What is left of this person is erased as soon as it can be.")
    photos: list[PhotoOut]
    videos: list[VideoOut] = Field(default=[], description="Of the video that has just been sent.")
    consents: list[ConsentOut]


class PersonList(Page):
    """Enrolled people, oldest first."""

    model_config = shown({"people": [_PERSON], "next_cursor": _CURSOR})

    people: list[PersonOut]


class ReindexIn(Strict):
    """Whose templates to make again."""

    model_config = shown({"everybody": False})

    everybody: bool = Field(default=False, description="Also of whom the templates are of the networks of today.")


class ReindexOut(BaseModel):
    """Making templates again from the kept photos."""

    model_config = shown({"state": "running", "reason": "", "waiting": 7, "total": 20, "done": 13, "skipped": []})

    state: Literal["idle", "running", "done", "stopped", "failed"]
    reason: str = Field(default="", description="A plain sentence; empty when all is well.")
    waiting: int = Field(
        description="People whose templates are not of the networks of today: masked until it has run."
    )
    total: int = Field(description="People in this run.")
    done: int = Field(description="Of them finished, the skipped ones too.")
    skipped: list[str] = Field(description="Ids of people of whom no photo can be used any more: enroll them again.")
