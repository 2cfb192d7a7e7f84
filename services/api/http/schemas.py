"""Bodies of requests and answers."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from mosaicast.core.timeline import MaskPolicy
from services.api.people.enrolment import Verdict

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Main square"])]
Owner = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.\-]{1,64}$",
        description="Whose it is. People stay visible on the streams of their own owner only.",
        examples=["default"],
    ),
]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _written_out(value: object) -> object:
    """Refuse what the library would take too: numbers of seconds or milliseconds, dates without a time."""
    if not isinstance(value, str) or not _RFC_3339.match(value):
        raise ValueError(
            "a date and time with its zone is wanted, as 2030-12-31T18:00:00+09:00 or 2030-12-31T09:00:00Z"
        )
    return value


def _since_1970(value: datetime) -> datetime:
    if value < _EPOCH:
        raise ValueError("it is before 1970")
    return value


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_since_1970),
    Field(description="Date and time with its zone (RFC 3339).", examples=["2030-12-31T18:00:00+09:00"]),
]


def to_ms(moment: datetime) -> int:
    """Return wall milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def to_moment(ms: int) -> datetime:
    """Return the moment of wall milliseconds since 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


ANSWER_S = 0.45
"""Within this a frame's verdict is at the compositor: 0.1 s until the next sample, the rest for the networks. With 0.3,
frames of somebody who takes an enrolled person's place left before the next re-check told."""
LEAST_DELAY_S = round(MaskPolicy().lead_s + ANSWER_S, 3)


def _looks_ahead(delay_s: float) -> float:
    """Refuse a delay at which a frame would leave before it is known who enters after it."""
    if delay_s < LEAST_DELAY_S:
        raise ValueError(
            f"at least {LEAST_DELAY_S} s: masks begin {MaskPolicy().lead_s} s before a face is first seen, and the "
            f"answer takes up to {ANSWER_S} s; with less, frames would leave fully mosaicked"
        )
    return delay_s


Delay = Annotated[
    float,
    Field(le=10.0, json_schema_extra={"minimum": LEAST_DELAY_S}, description="Output runs so far behind input."),
    AfterValidator(_looks_ahead),
]


class Strict(BaseModel):
    """A request body: unknown members are a mistake of the sender."""

    model_config = ConfigDict(extra="forbid")


class SourceIn(Strict):
    """Where the pictures come from."""

    kind: Literal["push", "file"] = Field(
        "push", description="`push`: a publisher (OBS, ffmpeg). `file`: below the operator's media folder."
    )
    path: str | None = Field(None, max_length=1000, examples=["clips/street.mp4"])


class StreamIn(Strict):
    """A stream to create."""

    name: Name
    owner: Owner = "default"
    source: SourceIn = Field(default_factory=lambda: SourceIn(kind="push", path=None))


class ZoneBody(Strict):
    """An always-masked rectangle in fractions of the frame."""

    x: Share
    y: Share
    width: Share
    height: Share


class PolicyBody(BaseModel):
    """How a stream is masked and encoded."""

    style: Literal["mosaic", "blur", "solid"]
    delay_s: float
    zones: list[ZoneBody]
    preset: Literal["superfast", "veryfast", "faster", "fast", "medium"]
    analysis_fps: float
    detection_threshold: float


class PolicyPatch(Strict):
    """Members to change; the others stay."""

    style: Literal["mosaic", "blur", "solid"] | None = None
    delay_s: Delay | None = None
    zones: Annotated[list[ZoneBody], Field(max_length=64)] | None = None
    preset: Literal["superfast", "veryfast", "faster", "fast", "medium"] | None = None
    analysis_fps: Annotated[float, Field(ge=4.0, le=30.0)] | None = None
    detection_threshold: Annotated[float, Field(ge=0.05, le=0.6)] | None = None


class StreamOut(BaseModel):
    """A stream."""

    stream_id: str
    owner: str
    name: str
    publish_url: str = Field(description="OBS: Settings, Stream, Server.", examples=["rtmp://127.0.0.1:1935/live"])
    rtmp_url: str = Field(description="Where viewers watch.")
    hls_url: str = Field(description="Where browsers watch.")
    publishing: bool
    panic: bool
    policy: PolicyBody


class StreamCreated(StreamOut):
    """A stream and its key, shown this once."""

    stream_key: str = Field(description="OBS: Settings, Stream, Stream Key. Shown this once; only its hash is kept.")


class StreamList(BaseModel):
    """All streams."""

    streams: list[StreamOut]


class PhotoOut(BaseModel):
    """The verdict on one photo."""

    file: str
    verdict: Verdict
    detail: str = Field(default="", description="The verdict in a plain sentence.")
    note: str = Field(default="", description="What was done to it, e.g. turned upright.")
    photo_id: str | None = Field(default=None, description="Of a photo that is used.")
    thumbnail: str | None = Field(default=None, description="Where the aligned face is: a path, administrators only.")


class EnrolForm(Strict):
    """The fields of an enrolment beside the photos."""

    name: Name
    owner: Owner = "default"
    expires_at: Moment | None = None


class PersonPatch(Strict):
    """Members to change; the others stay."""

    name: Name | None = None
    expires_at: Moment | None = Field(
        default=None,
        description="When the consent runs out: masked from then on, except where `consents` say another time. "
        "In the past: at once. null: never.",
    )


class ConsentIn(Strict):
    """What a person says about one stream; it counts for more than the person's own `expires_at`."""

    allowed: bool = Field(default=True, description="false: masked on this stream.")
    expires_at: Moment | None = Field(default=None, description="null: the person's own.")


class ConsentOut(BaseModel):
    """What a person said about one stream."""

    stream_id: str
    allowed: bool
    expires_at: datetime | None
    visible: bool = Field(description="Whether the person may be seen on this stream now.")


class PersonOut(BaseModel):
    """An enrolled person."""

    person_id: str
    owner: str
    name: str
    expires_at: datetime | None = Field(description="When the consent runs out; null: never.")
    expired: bool
    erasing: bool = Field(default=False, description="What is left of this person is erased as soon as it can be.")
    photos: list[PhotoOut]
    consents: list[ConsentOut]


class ReindexIn(Strict):
    """Whose templates to make again."""

    everybody: bool = Field(default=False, description="Also of whom the templates are of the networks of today.")


class ReindexOut(BaseModel):
    """Making templates again from the kept photos."""

    state: Literal["idle", "running", "done", "stopped", "failed"]
    reason: str = Field(default="", description="A plain sentence; empty when all is well.")
    waiting: int = Field(
        description="People whose templates are not of the networks of today: masked until it has run."
    )
    total: int = Field(description="People in this run.")
    done: int = Field(description="Of them finished, the skipped ones too.")
    skipped: list[str] = Field(description="Ids of people of whom no photo can be used any more: enrol them again.")


class PersonList(BaseModel):
    """The enrolled people."""

    people: list[PersonOut]


class FrameCounts(BaseModel):
    """What became of the frames since the parts started."""

    ingested: int = 0
    clear: int = 0
    masked: int = 0
    full_mosaic: int = 0
    dropped: int = 0
    dropped_by_reason: dict[str, int] = {}


class VisiblePerson(BaseModel):
    """An enrolled person who is seen now."""

    person_id: str
    name: str


class StreamStatus(BaseModel):
    """One stream as it is now."""

    stream_id: str
    name: str
    state: Literal["waiting", "starting", "live", "stopped", "quarantined", "refused", "ended", "error"]
    reason: str = Field(description="A plain sentence; empty when all is well.")
    latency_ms: float | None = Field(description="From ingest's read to the push of the masked frame, median.")
    fps: float
    frames: FrameCounts
    tracks: dict[str, float] = Field(description="Faces now: `clear`, `masked`, and masked ones by reason.")
    visible: list[VisiblePerson] = Field(description="Enrolled people who are seen now.")
    guard_trips: int = Field(description="How often the output guard saw a face without a mask in what went out.")
    rtmp_url: str
    hls_url: str


class StatusOut(BaseModel):
    """All streams as they are now."""

    streams: list[StreamStatus]
    problems: list[str] = Field(default=[], description="What the operator must mend, in plain sentences.")
    at_ms: int
