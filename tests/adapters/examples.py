"""One realistic message of every topic. Shared by the tests; `python -m tests.adapters.examples` rewrites `golden/`.

The golden bytes are a promise to running deployments: rewrite them only together with a new version of the topic.
"""

from pathlib import Path

from mosaicast.contracts import messages as m
from mosaicast.contracts.codec import encode
from mosaicast.contracts.topics import (
    BY_NAME,
    DEAD_LETTERS,
    DETECTIONS,
    FRAMES,
    GALLERY,
    MEDIA,
    OUTGOING,
    OUTGOING_FACES,
    STATUS,
    STREAMS,
    VERDICTS,
)
from mosaicast.core.types import Box, Reason, Style

GOLDEN = Path(__file__).parent / "golden"

STREAM = "st-7f3a"
FLV = m.TimeBase(1, 1000)
READ_MS = 1_700_000_000_123
FINGERPRINT = bytes(range(144))
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

SPEC = m.StreamSpec(
    stream_id=STREAM,
    owner_id="owner-1",
    revision=3,
    source=m.Source(kind="push"),
    publication=m.Publication(publication_id="17", started_ms=READ_MS),
    policy=m.Policy(style=Style.BLUR, delay_s=1.5, zones=(m.Zone(x=0.0, y=0.9, width=1.0, height=0.1),)),
    panic=True,
    visible_until={"p-1": READ_MS + 60_000, "p-2": 253_402_300_799_999},
)
PACKET = m.MediaPacket(
    stream_id=STREAM,
    epoch=2,
    index=41,
    unit=17,
    since_epoch=1,
    units_since=900,
    track="video",
    pts=1400,
    dts=1367,
    duration=33,
    time_base=FLV,
    keyframe=True,
    codecs=(
        m.CodecParameters(
            track="video",
            codec="h264",
            time_base=FLV,
            extradata=b"\x01\x64\x00\x1f",
            width=1280,
            height=720,
            frame_rate=30.0,
        ),
        m.CodecParameters(
            track="audio", codec="aac", time_base=FLV, extradata=b"\x12\x10", sample_rate=44100, channels=2
        ),
    ),
    data=b"\x00\x00\x00\x02\x65\x88",
    read_ms=READ_MS,
)
FRAME = m.SampledFrame(
    stream_id=STREAM,
    epoch=2,
    seq=14,
    pts=1400,
    time_base=FLV,
    width=1920,
    height=1080,
    scene_cut=True,
    fingerprint=FINGERPRINT,
    detection_threshold=0.25,
    jpeg=JPEG,
    read_ms=READ_MS,
)
FACE = m.FaceDetection(
    box=Box(-3.5, 40.0, 61.25, 128.0),
    score=0.87,
    landmarks=(12.0, 70.0, 40.0, 70.0, 26.0, 88.0, 14.0, 104.0, 39.0, 104.0),
    sharpness=212.5,
    crop=m.FaceCrop(jpeg=JPEG, origin_x=-20.0, origin_y=24.0, scale=1.5),
)
FOUND = m.Detections(
    stream_id=STREAM,
    epoch=2,
    seq=14,
    pts=1400,
    time_base=FLV,
    width=1920,
    height=1080,
    fingerprint=FINGERPRINT,
    after_seq=13,
    model="centerface",
    faces=(FACE, m.FaceDetection(box=Box(900.0, 10.0, 912.0, 25.0), score=0.21, landmarks=(905.0, 15.0) * 5)),
    read_ms=READ_MS,
)
CLEAR_TRACK = m.WireTrack(track_id=4, box=FACE.box, clear=True, reason=Reason.ENROLLED, person_id="person-9")
MASKED_TRACK = m.WireTrack(track_id=5, box=Box(900.0, 10.0, 912.0, 25.0), clear=False, reason=Reason.TOO_SMALL)
VERDICT = m.VerdictMessage(
    stream_id=STREAM,
    epoch=2,
    seq=14,
    pts=1400,
    time_base=FLV,
    width=1920,
    height=1080,
    scene_cut=True,
    fingerprint=FINGERPRINT,
    after_seq=13,
    tracks=(CLEAR_TRACK, MASKED_TRACK),
    read_ms=READ_MS,
)
LEFT = m.OutgoingFrame(
    stream_id=STREAM, epoch=2, index=41, width=1920, height=1080, threshold=0.5, jpeg=JPEG, sent_ms=READ_MS
)
SEEN = m.OutgoingFaces(
    stream_id=STREAM,
    epoch=2,
    index=41,
    faces=(m.OutgoingFace(box=Box(-3.5, 40.0, 61.25, 128.0), score=0.62),),
    sent_ms=READ_MS,
)
CHANGED = m.GalleryChanged(owner_id="owner-1", revision=READ_MS)
REPORT = m.StatusReport(
    service="compositor",
    instance="compositor-0",
    stream_id=STREAM,
    epoch=2,
    state="live",
    reason="",
    counters={"masked": 120, "full_mosaic": 3},
    gauges={"delay_s": 1.02},
    visible=("p-1",),
    at_ms=READ_MS,
)
LETTER = m.DeadLetter(
    topic="frames", partition=2, offset=991, reason="garbage", size_bytes=17, sha256="ab" * 32, at_ms=READ_MS
)

EXAMPLES: dict[str, m.Message] = {
    STREAMS.name: SPEC,
    MEDIA.name: PACKET,
    FRAMES.name: FRAME,
    DETECTIONS.name: FOUND,
    VERDICTS.name: VERDICT,
    OUTGOING.name: LEFT,
    OUTGOING_FACES.name: SEEN,
    GALLERY.name: CHANGED,
    STATUS.name: REPORT,
    DEAD_LETTERS.name: LETTER,
}


def golden(name: str) -> bytes:
    """Return the kept bytes of a topic's example."""
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


def main() -> None:
    """Write the bytes of every example."""
    GOLDEN.mkdir(exist_ok=True)
    for name, message in EXAMPLES.items():
        (GOLDEN / f"{name}.hex").write_text(encode(BY_NAME[name], message).hex("\n", 48) + "\n")


if __name__ == "__main__":
    main()
