"""Bodies about streams. The limits of a policy are the contract's."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from mosaicast.contracts.streams import (
    ANALYSIS_FPS,
    ANSWER_S,
    DETECTION_THRESHOLD,
    MOST_ZONES,
    SETTABLE_DELAY_S,
    Preset,
)
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.types import Style
from services.api.http.schemas import Name, Owner, Page, Strict, shown

Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _looks_ahead(delay_s: float) -> float:
    """Refuse a delay at which a frame would leave before it is known who enters after it."""
    if delay_s < SETTABLE_DELAY_S.least:
        raise ValueError(
            f"at least {SETTABLE_DELAY_S.least} s: masks begin {MaskPolicy().lead_s} s before a face is first seen, "
            f"and the answer takes up to {ANSWER_S} s; with less, frames would leave fully mosaicked"
        )
    return delay_s


Delay = Annotated[
    float,
    Field(
        le=SETTABLE_DELAY_S.most,
        json_schema_extra={"minimum": SETTABLE_DELAY_S.least},
        description="Output runs so far behind input.",
    ),
    AfterValidator(_looks_ahead),
]
Fps = Annotated[float, Field(ge=ANALYSIS_FPS.least, le=ANALYSIS_FPS.most)]
Threshold = Annotated[float, Field(ge=DETECTION_THRESHOLD.least, le=DETECTION_THRESHOLD.most)]

_ZONE = {"x": 0.75, "y": 0.0, "width": 0.25, "height": 0.2}
_POLICY = {
    "style": "mosaic",
    "delay_s": 1.0,
    "zones": [_ZONE],
    "preset": "veryfast",
    "analysis_fps": 10.0,
    "detection_threshold": 0.2,
}
_STREAM: dict[str, Any] = {
    "stream_id": "sQ3zWx1kPm8Tn5aLd",
    "owner": "default",
    "name": "Main square",
    "publish_url": "rtmp://127.0.0.1:1935/live",
    "rtmp_url": "rtmp://127.0.0.1:1935/masked/sQ3zWx1kPm8Tn5aLd",
    "hls_url": "http://127.0.0.1:8080/hls/sQ3zWx1kPm8Tn5aLd.m3u8",
    "watch_url": "http://127.0.0.1:8000/watch/sQ3zWx1kPm8Tn5aLd",
    "publishing": False,
    "panic": False,
    "policy": _POLICY,
}


class SourceIn(Strict):
    """Where the pictures come from."""

    model_config = shown({"kind": "file", "path": "clips/street.mp4"})

    kind: Literal["push", "file"] = Field(
        "push", description="`push`: a publisher (OBS, ffmpeg). `file`: below the operator's media folder."
    )
    path: str | None = Field(None, max_length=1000, examples=["clips/street.mp4"])


class StreamIn(Strict):
    """A stream to create."""

    model_config = shown({"name": "Main square"})

    name: Name
    owner: Owner = "default"
    source: SourceIn = Field(default_factory=lambda: SourceIn(kind="push", path=None))


class ZoneBody(Strict):
    """An always-masked rectangle in fractions of the frame."""

    model_config = shown(_ZONE)

    x: Share
    y: Share
    width: Share
    height: Share


class PolicyBody(BaseModel):
    """How a stream is masked and encoded."""

    model_config = shown(_POLICY)

    style: Style
    delay_s: float
    zones: list[ZoneBody]
    preset: Preset
    analysis_fps: float
    detection_threshold: float


class PolicyPatch(Strict):
    """Members to change; the others stay."""

    model_config = shown({"style": "blur", "zones": [_ZONE]})

    style: Style | None = None
    delay_s: Delay | None = None
    zones: Annotated[list[ZoneBody], Field(max_length=MOST_ZONES)] | None = None
    preset: Preset | None = None
    analysis_fps: Fps | None = None
    detection_threshold: Threshold | None = None


class StreamOut(BaseModel):
    """A stream."""

    model_config = shown(_STREAM)

    stream_id: str
    owner: str
    name: str
    publish_url: str = Field(description="OBS: Settings, Stream, Server.", examples=["rtmp://127.0.0.1:1935/live"])
    rtmp_url: str = Field(description="Where viewers watch.")
    hls_url: str = Field(description="Where browsers watch.")
    watch_url: str | None = Field(
        default=None, description="The page for viewers; null: `MOSAICAST_API__PUBLIC_URL` is not set."
    )
    publishing: bool
    panic: bool
    policy: PolicyBody


class StreamCreated(StreamOut):
    """A stream and its key, shown this once."""

    model_config = shown({**_STREAM, "stream_key": "the-key-that-OBS-is-given"})

    stream_key: str = Field(description="OBS: Settings, Stream, Stream Key. Shown this once; only its hash is kept.")


class StreamList(Page):
    """Streams, oldest first."""

    model_config = shown({"streams": [_STREAM], "next_cursor": "WzE4OTM0NTYwMDAwMDAsICJzUTN6V3gxa1BtOFRuNWFMZCJd"})

    streams: list[StreamOut]
