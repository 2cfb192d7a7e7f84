"""Bodies about what happens now."""

from typing import Any

from pydantic import BaseModel, Field

from mosaicast.contracts.situations import StreamState
from services.api.http.schemas import Page, shown
from services.api.refusals import Word

_FRAMES = {
    "ingested": 1800,
    "clear": 1200,
    "masked": 560,
    "full_mosaic": 30,
    "dropped": 4,
    "dropped_by_reason": {"late": 4},
}
_VISIBLE = {"person_id": "sH6gUf0mXj3Dz8oBi", "name": "Ann"}
_REFUSED: dict[str, Any] = {
    "address": "192.0.2.7",
    "why": "unknown_key",
    "reason": "This stream key is not known.",
    "times": 3,
    "last_ms": 1893455990000,
}
_EDGE: dict[str, Any] = {"refused": [_REFUSED]}
_STREAM: dict[str, Any] = {
    "stream_id": "sQ3zWx1kPm8Tn5aLd",
    "name": "Main square",
    "state": "live",
    "reason": "",
    "latency_ms": 1044.0,
    "behind_ms": 1000.0,
    "fps": 30.0,
    "frames": _FRAMES,
    "tracks": {"clear": 1.0, "masked": 2.0},
    "visible": [_VISIBLE],
    "guard_trips": 0,
    "refused": [],
    "rtmp_url": "rtmp://127.0.0.1:1935/masked/sQ3zWx1kPm8Tn5aLd",
    "hls_url": "http://127.0.0.1:8080/hls/sQ3zWx1kPm8Tn5aLd.m3u8",
}


class FrameCounts(BaseModel):
    """What became of the frames since the parts started."""

    model_config = shown(_FRAMES)

    ingested: int = 0
    clear: int = 0
    masked: int = 0
    full_mosaic: int = 0
    dropped: int = 0
    dropped_by_reason: dict[str, int] = {}


class VisiblePerson(BaseModel):
    """An enrolled person who is seen now."""

    model_config = shown(_VISIBLE)

    person_id: str
    name: str


class RefusedPublisher(BaseModel):
    """Publishers from one address that were refused for one reason, in the last ten minutes."""

    model_config = shown(_REFUSED)

    address: str = Field(description="Where they came from; a proxy's own address if one is before the edge.")
    why: Word = Field(description="The reason, for programs.")
    reason: str = Field(description="The reason in a sentence (docs/reference/states.md).")
    times: int
    last_ms: int = Field(description="When it was the last time, in wall milliseconds since 1970.")


class EdgeStatus(BaseModel):
    """What happened at the edge that belongs to no stream."""

    model_config = shown(_EDGE)

    refused: list[RefusedPublisher] = Field(
        default=[], description="Publishers of whom nobody knows which stream they meant, the newest first."
    )


class StreamStatus(BaseModel):
    """One stream as it is now."""

    model_config = shown(_STREAM)

    stream_id: str
    name: str
    state: StreamState
    reason: str = Field(description="The sentence of the state (docs/reference/states.md); empty when all is well.")
    latency_ms: float | None = Field(description="From ingest's read to the push of the masked frame, median.")
    behind_ms: float | None = Field(
        default=None,
        description="How long after the source has shown it a picture leaves now: the set delay, and more where the "
        "way from the source has become longer. Also while the source stands still, when `latency_ms` speaks of its "
        "last pictures.",
    )
    fps: float
    frames: FrameCounts
    tracks: dict[str, float] = Field(description="Faces now: `clear`, `masked`, and masked ones by reason.")
    visible: list[VisiblePerson] = Field(description="Enrolled people who are seen now.")
    guard_trips: int = Field(description="How often the output guard saw a face without a mask in what went out.")
    refused: list[RefusedPublisher] = Field(
        default=[], description="Publishers that tried this stream and were refused, the newest first."
    )
    rtmp_url: str
    hls_url: str


class StatusOut(Page):
    """The streams as they are now, oldest first."""

    model_config = shown({"streams": [_STREAM], "problems": [], "edge": _EDGE, "at_ms": 1893456000000})

    streams: list[StreamStatus]
    problems: list[str] = Field(default=[], description="What the operator must mend, in plain sentences.")
    edge: EdgeStatus = EdgeStatus()
    at_ms: int
