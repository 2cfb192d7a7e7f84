"""Bodies of requests and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    delay_s: Annotated[float, Field(ge=0.5, le=10.0)] | None = None
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
    verdict: Literal["ok", "no_face", "several_faces", "too_small", "blurred", "unreadable", "too_large"]
    detail: str = ""


class PersonOut(BaseModel):
    """An enrolled person."""

    person_id: str
    owner: str
    name: str
    photos: list[PhotoOut]


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
    rtmp_url: str
    hls_url: str


class StatusOut(BaseModel):
    """All streams as they are now."""

    streams: list[StreamStatus]
    at_ms: int
