"""Every message round-trips, its bytes are kept, and every rule of strictness rejects."""

import math
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaicast.contracts import messages as m
from mosaicast.contracts.analysis import FrameHeader
from mosaicast.contracts.codec import decode, encode, key_of
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.topics import (
    BY_NAME,
    DETECTIONS,
    FRAMES,
    GALLERY,
    MEDIA,
    STATUS,
    STREAMS,
    TOPICS,
    VERDICTS,
    Topic,
)
from mosaicast.core.epochs import LARGEST_EPOCH
from mosaicast.core.types import Box, Reason, Style
from tests.adapters.examples import EXAMPLES, FACE, FOUND, FRAME, MASKED_TRACK, PACKET, SPEC, VERDICT, golden

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def raw(topic: Topic[Any]) -> dict[str, Any]:
    """Return the example of a topic as plain data, to be spoilt."""
    plain: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(EXAMPLES[topic.name]))
    return plain


def sealed(topic: Topic[Any], payload: object, *, name: str | None = None, version: int | None = None) -> bytes:
    """Return the bytes of an envelope around anything."""
    return msgspec.msgpack.encode((name or topic.name, topic.version if version is None else version, payload))


def rejected(topic: Topic[Any], value: bytes) -> ContractError:
    with pytest.raises(ContractError) as caught:
        decode(topic, value)
    return caught.value


@each_topic
def test_round_trip(topic: Topic[Any]) -> None:
    message = EXAMPLES[topic.name]
    assert decode(topic, encode(topic, message)) == message


@each_topic
def test_bytes_are_those_of_running_deployments(topic: Topic[Any]) -> None:
    assert encode(topic, EXAMPLES[topic.name]) == golden(topic.name)
    assert decode(topic, golden(topic.name)) == EXAMPLES[topic.name]


@each_topic
def test_key(topic: Topic[Any]) -> None:
    assert key_of(topic, EXAMPLES[topic.name]) == raw(topic)[topic.key]


@each_topic
def test_rejects_an_unknown_field(topic: Topic[Any]) -> None:
    assert rejected(topic, sealed(topic, {**raw(topic), "surprise": 1})).reason == "invalid"


@each_topic
def test_rejects_each_missing_required_field(topic: Topic[Any]) -> None:
    required = [field.encode_name for field in msgspec.structs.fields(topic.schema) if field.required]
    assert required
    for name in required:
        payload = {key: value for key, value in raw(topic).items() if key != name}
        assert rejected(topic, sealed(topic, payload)).reason == "invalid"


@each_topic
def test_rejects_each_field_of_a_wrong_type(topic: Topic[Any]) -> None:
    for name in raw(topic):
        assert rejected(topic, sealed(topic, {**raw(topic), name: {"not": ["this"]}})).reason == "invalid"


@each_topic
def test_rejects_another_version(topic: Topic[Any]) -> None:
    for version in (0, topic.version + 1):
        assert rejected(topic, sealed(topic, raw(topic), version=version)).reason == "unknown_version"


@each_topic
def test_rejects_another_topics_envelope(topic: Topic[Any]) -> None:
    other = next(name for name in BY_NAME if name != topic.name)
    assert rejected(topic, sealed(topic, raw(topic), name=other)).reason == "wrong_topic"


@each_topic
def test_rejects_a_message_of_another_topic_at_sending(topic: Topic[Any]) -> None:
    other = next(message for name, message in EXAMPLES.items() if name != topic.name)
    with pytest.raises(ContractError, match="wrong_topic"):
        encode(topic, other)


@each_topic
def test_rejects_more_than_the_largest_size(topic: Topic[Any]) -> None:
    assert rejected(topic, b"\x00" * (topic.largest_bytes + 1)).reason == "too_large"


def test_refuses_to_send_more_than_the_largest_size() -> None:
    big = msgspec.structs.replace(FRAME, jpeg=b"\x00" * FRAMES.largest_bytes)
    with pytest.raises(ContractError) as caught:
        encode(FRAMES, big)
    assert caught.value.reason == "too_large"


@each_topic
@pytest.mark.parametrize("value", [b"", b"\x00", b"null", b"\xc1", b"\x93", b"\xff" * 40, b"\x93\xa1x\x01\xc0"])
def test_rejects_garbage(topic: Topic[Any], value: bytes) -> None:
    assert rejected(topic, value).reason in {"garbage", "wrong_topic"}


@each_topic
def test_rejects_a_cut_message(topic: Topic[Any]) -> None:
    whole = encode(topic, EXAMPLES[topic.name])
    for length in range(len(whole)):
        assert rejected(topic, whole[:length])


@each_topic
def test_rejects_bytes_after_the_end(topic: Topic[Any]) -> None:
    assert rejected(topic, encode(topic, EXAMPLES[topic.name]) + b"\x00").reason == "garbage"


@each_topic
@given(value=st.binary(max_size=300))
def test_random_bytes_raise_contract_error_only(topic: Topic[Any], value: bytes) -> None:
    assert rejected(topic, value)


@each_topic
@settings(max_examples=60)
@given(data=st.data())
def test_flipped_bytes_decode_or_raise_contract_error(topic: Topic[Any], data: st.DataObject) -> None:
    spoilt = bytearray(encode(topic, EXAMPLES[topic.name]))
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(topic, bytes(spoilt))
    except ContractError:
        return
    assert type(message) is topic.schema


@each_topic
@settings(max_examples=60)
@given(
    payload=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**40), 2**40)
        | st.floats()
        | st.text(max_size=8)
        | st.binary(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=8,
    )
)
def test_any_payload_raises_contract_error_only(topic: Topic[Any], payload: object) -> None:
    assert rejected(topic, sealed(topic, payload)).reason == "invalid"


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "a\n", "ä", "../x", "x" * 129, "a?b", "a&b"])
@pytest.mark.parametrize(("topic", "field"), [(STREAMS, "stream_id"), (STREAMS, "owner_id"), (GALLERY, "owner_id")])
def test_rejects_an_id_of_other_letters(topic: Topic[Any], field: str, bad: str) -> None:
    assert rejected(topic, sealed(topic, {**raw(topic), field: bad})).reason == "invalid"


def spoilt_verdict(**changes: object) -> bytes:
    track = msgspec.msgpack.decode(msgspec.msgpack.encode(MASKED_TRACK))
    return sealed(VERDICTS, {**raw(VERDICTS), "tracks": [{**track, **changes}]})


@pytest.mark.parametrize(
    "changes",
    [
        {"clear": True},
        {"clear": True, "reason": "enrolled"},
        {"clear": True, "person_id": "person-9"},
        {"clear": False, "reason": "enrolled", "person_id": "person-9"},
        {"reason": "because"},
        {"track_id": -1},
        {"clear": 1},
        {"clear": None},
        {"person_id": "a name with spaces"},
    ],
)
def test_rejects_a_track_that_says_not_why(changes: dict[str, object]) -> None:
    assert rejected(VERDICTS, spoilt_verdict(**changes)).reason == "invalid"


BAD_BOXES = [
    [math.nan, 0.0, 1.0, 1.0],
    [0.0, 0.0, math.inf, 1.0],
    [0.0, -math.inf, 1.0, 1.0],
    [5.0, 0.0, 5.0, 1.0],
    [5.0, 0.0, 4.0, 1.0],
    [0.0, 9.0, 1.0, 2.0],
    [0.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0, 1.0],
    [],
    ["0", 0.0, 1.0, 1.0],
    None,
]


@pytest.mark.parametrize("box", BAD_BOXES)
def test_rejects_a_box_that_is_none(box: object) -> None:
    assert rejected(VERDICTS, spoilt_verdict(box=box)).reason == "invalid"
    faces = [{**msgspec.msgpack.decode(msgspec.msgpack.encode(FACE)), "box": box}]
    topic = BY_NAME["detections"]
    assert rejected(topic, sealed(topic, {**raw(topic), "faces": faces})).reason == "invalid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", 1.01),
        ("score", -0.01),
        ("score", math.nan),
        ("sharpness", math.nan),
        ("sharpness", -1.0),
        ("landmarks", [0.0] * 9),
        ("landmarks", [math.nan] * 10),
    ],
)
def test_rejects_a_face_out_of_range(field: str, value: object) -> None:
    topic = BY_NAME["detections"]
    faces = [{**msgspec.msgpack.decode(msgspec.msgpack.encode(FACE)), field: value}]
    assert rejected(topic, sealed(topic, {**raw(topic), "faces": faces})).reason == "invalid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin_x", math.nan),
        ("origin_y", math.inf),
        ("scale", 0.0),
        ("scale", math.nan),
        ("scale", 65.0),
        ("jpeg", b""),
    ],
)
def test_rejects_a_crop_out_of_range(field: str, value: object) -> None:
    topic = BY_NAME["detections"]
    face = msgspec.msgpack.decode(msgspec.msgpack.encode(FACE))
    face["crop"][field] = value
    assert rejected(topic, sealed(topic, {**raw(topic), "faces": [face]})).reason == "invalid"


@pytest.mark.parametrize(
    ("topic", "field", "value"),
    [
        (MEDIA, "epoch", 0),
        (MEDIA, "index", -1),
        (MEDIA, "track", "subtitle"),
        (MEDIA, "time_base", [0, 1000]),
        (MEDIA, "time_base", [1, 0]),
        (MEDIA, "time_base", [1]),
        (MEDIA, "pts", 0.5),
        (FRAMES, "width", 0),
        (FRAMES, "height", 16385),
        (FRAMES, "jpeg", b""),
        (FRAMES, "detection_threshold", 0.9),
        (FRAMES, "read_ms", -1),
    ],
)
def test_rejects_media_out_of_range(topic: Topic[Any], field: str, value: object) -> None:
    assert rejected(topic, sealed(topic, {**raw(topic), field: value})).reason == "invalid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("style", "transparent"),
        ("delay_s", 0.1),
        ("delay_s", math.nan),
        ("delay_s", 60.0),
        ("analysis_fps", 1.0),
        ("detection_threshold", 0.99),
        ("preset", "placebo"),
        ("zones", [{"x": 0.0, "y": 0.0, "width": 1.5, "height": 1.0}]),
        ("zones", [{"x": 0.0, "y": 0.0, "width": math.nan, "height": 1.0}]),
    ],
)
def test_rejects_a_policy_that_would_not_mask(field: str, value: object) -> None:
    payload = raw(STREAMS)
    payload["policy"][field] = value
    assert rejected(STREAMS, sealed(STREAMS, payload)).reason == "invalid"


@pytest.mark.parametrize("topic", [MEDIA, FRAMES, DETECTIONS, VERDICTS, STATUS], ids=lambda topic: topic.name)
def test_rejects_an_epoch_that_would_leave_no_number_above_it(topic: Topic[Any]) -> None:
    assert decode(topic, sealed(topic, {**raw(topic), "epoch": LARGEST_EPOCH})).epoch == LARGEST_EPOCH
    for epoch in (LARGEST_EPOCH + 1, 2**63, -1):
        assert rejected(topic, sealed(topic, {**raw(topic), "epoch": epoch})).reason == "invalid"


def test_the_error_holds_nothing_of_the_message() -> None:
    secret = "Jane Doe, live key 4711"
    for payload in ({**raw(STREAMS), "stream_id": secret}, {**raw(STREAMS), secret: 1}, secret):
        assert "Jane" not in str(rejected(STREAMS, sealed(STREAMS, payload)))
    assert "Jane" not in str(rejected(STREAMS, sealed(STREAMS, raw(STREAMS), name=secret)))


def test_times_are_exact() -> None:
    assert PACKET.time == Fraction(7, 5)
    assert PACKET.decode_time == Fraction(1367, 1000)
    assert m.TimeBase(1, 90000).seconds(1) == Fraction(1, 90000)


def test_a_verdict_becomes_the_cores() -> None:
    verdict = VERDICT.to_core()
    assert verdict.time == Fraction(7, 5)
    assert verdict.scene_cut
    assert [track.clear for track in verdict.tracks] == [True, False]
    assert verdict.tracks[1].reason is Reason.TOO_SMALL
    assert isinstance(verdict.tracks[0].box, Box)


def test_ids_of_messages() -> None:
    assert m.stream_of(SPEC) == "st-7f3a"
    assert m.epoch_of(FRAME) == 2
    assert m.owner_of(SPEC) == "owner-1"
    with pytest.raises(TypeError, match="GalleryChanged"):
        m.stream_of(EXAMPLES["gallery"])


def test_a_style_survives_as_a_style() -> None:
    assert decode(STREAMS, encode(STREAMS, SPEC)).policy.style is Style.BLUR


def test_messages_are_immutable() -> None:
    with pytest.raises(AttributeError):
        SPEC.panic = False  # type: ignore[misc]


def test_a_frame_has_one_header_that_travels_from_message_to_message() -> None:
    assert FrameHeader.__struct_fields__[0] == "stream_id"
    for message in (FRAME, FOUND, VERDICT):
        assert isinstance(message, FrameHeader)
        assert list(message.header()) == list(FrameHeader.__struct_fields__)
        assert list(message.__struct_fields__[: len(message.header())]) == list(message.header()), "first on the wire"
        assert message.time == message.time_base.seconds(message.pts)
    again = m.VerdictMessage(**FOUND.header(), after_seq=-1, tracks=(), read_ms=1)
    assert again.header() == FOUND.header()
