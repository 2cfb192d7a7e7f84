"""What the parent believes of a child that may have been taken over."""

import pytest
from msgspec.structs import replace

from mosaicast.contracts.messages import CodecParameters, MediaPacket, SampledFrame, TimeBase
from mosaicast.core.allowed import Allowed
from services.ingest.checks import packet_violation, sample_violation
from tests.services.ingest.fakes import jpeg_of

MS = TimeBase(1, 1000)
VIDEO = CodecParameters(track="video", codec="h264", time_base=MS, width=1920, height=1080)
AUDIO = CodecParameters(track="audio", codec="aac", time_base=MS, sample_rate=48_000, channels=2)
PACKET = MediaPacket(
    stream_id="s", epoch=1, index=0, unit=0, track="video", pts=0, dts=0, time_base=MS, keyframe=True, read_ms=1
)
SAMPLE = SampledFrame(
    stream_id="s",
    epoch=1,
    seq=0,
    pts=0,
    time_base=MS,
    width=1920,
    height=1080,
    fingerprint=bytes(144),
    jpeg=jpeg_of(1280, 720),
    read_ms=1,
)


@pytest.mark.parametrize(
    ("codecs", "wrong"),
    [
        ((), None),
        ((VIDEO, AUDIO), None),
        ((replace(VIDEO, codec="hevc"),), "foreign_codec"),
        ((VIDEO, replace(AUDIO, codec="nellymoser")), "foreign_codec"),
        ((VIDEO, replace(AUDIO, codec="mp3")), "foreign_codec"),
        ((VIDEO, VIDEO), "codec_twice"),
        ((replace(VIDEO, width=8193),), "absurd_size"),
        ((replace(VIDEO, height=0),), "absurd_size"),
    ],
)
def test_parameters_are_of_codecs_on_the_list_and_of_sane_size(
    codecs: tuple[CodecParameters, ...], wrong: str | None
) -> None:
    assert packet_violation(replace(PACKET, codecs=codecs), Allowed.live()) == wrong


def test_the_list_is_a_setting() -> None:
    packet = replace(PACKET, codecs=(replace(VIDEO, codec="hevc"),))
    assert packet_violation(packet, Allowed.live("hevc,aac")) is None


def test_sound_is_aac_whatever_a_source_may_be() -> None:
    packet = replace(PACKET, codecs=(VIDEO, AUDIO))
    assert packet_violation(packet, Allowed.live("h264,opus")) is None


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, None),
        ({"width": 1280, "height": 720}, "other_size"),
        ({"jpeg": b"x"}, "no_jpeg"),
        ({"jpeg": b"\x89PNG\r\n\x1a\n" + bytes(30)}, "no_jpeg"),
        ({"jpeg": jpeg_of(1280, 720, frame_marker=0xC2)}, "no_jpeg"),  # progressive: ours never is
        ({"jpeg": jpeg_of(1280, 720, frame_marker=0xC9)}, "no_jpeg"),  # arithmetic
        ({"jpeg": jpeg_of(1920, 1080)}, "other_jpeg_size"),
        ({"jpeg": jpeg_of(65535, 65535)}, "other_jpeg_size"),
    ],
)
def test_a_sample_is_a_plain_jpeg_of_the_announced_picture(
    change: dict[str, bytes] | dict[str, int], wrong: str | None
) -> None:
    assert sample_violation(replace(SAMPLE, **change), (1920, 1080)) == wrong
