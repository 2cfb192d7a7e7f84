"""Sound as it comes over RTMP: none, late, ending, of any codec, without its header, changing, on another clock."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mosaicast.adapters.media.flv_pipe import LARGEST_SOUND_BYTES
from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.sound import MADE_CHANNELS, MADE_RATE
from mosaicast.core.aac import lc_config
from mosaicast.core.allowed import Allowed
from tests.adapters.sound_clips import (
    begin_ms,
    decoded,
    live,
    make_flv,
    onsets_s,
    sound_of,
    starts_of,
    tags_of,
    write_flv,
)
from tests.flv_tags import SOUND, Tag

PICTURES = 120
STEP_S = 0.04
"""As far as sound may be from its picture."""


def in_step(onsets: list[float], expected: list[float]) -> bool:
    return len(onsets) == len(expected) and all(abs(a - b) < STEP_S for a, b in zip(onsets, expected, strict=True))


@pytest.fixture(scope="module")
def aac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_flv(tmp_path_factory.mktemp("clips") / "aac.flv", "aac")


def test_aac_is_untouched(aac: Path) -> None:
    with live(aac) as source:
        events = list(source.events())
        assert source.note == ""
    sound = sound_of(events)
    sent = [tag.body[2:] for tag in tags_of(aac) if tag.kind == SOUND and not tag.is_header]
    assert [packet.data for packet in sound] == sent[-len(sound) :]
    assert len(sent) - len(sound) < 3, "what came before the first picture"
    assert sum(isinstance(event, Picture) for event in events) == PICTURES
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])


def test_without_sound_there_are_pictures_alone(tmp_path: Path, aac: Path) -> None:
    silent = write_flv(tmp_path / "a.flv", [tag for tag in tags_of(aac) if tag.kind != SOUND])
    with live(silent) as source:
        events = list(source.events())
        assert source.note == ""
    assert sum(isinstance(event, Picture) for event in events) == PICTURES
    assert sound_of(events) == []
    assert [len(start.codecs) for start in starts_of(events)] == [1]


def test_sound_that_begins_seconds_later_is_heard_from_then_on(tmp_path: Path, aac: Path) -> None:
    tags = [tag for tag in tags_of(aac) if tag.kind != SOUND or tag.at_ms >= 2500]
    at = next(number for number, tag in enumerate(tags) if tag.kind == SOUND)
    header = next(tag for tag in tags_of(aac) if tag.kind == SOUND and tag.is_header)
    with live(write_flv(tmp_path / "a.flv", [*tags[:at], header.at(2500), *tags[at:]])) as source:
        events = list(source.events())
    assert len(starts_of(events)) == 1, "pictures go on"
    assert in_step(onsets_s(events), [3.0])


def test_sound_that_ends_and_comes_back_is_heard_again(tmp_path: Path, aac: Path) -> None:
    tags = [tag for tag in tags_of(aac) if tag.kind != SOUND or not 800 <= tag.at_ms < 2600]
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
    assert len(starts_of(events)) == 1
    assert in_step(onsets_s(events), [3.0])


@pytest.mark.parametrize(
    ("codec", "rate", "layout"),
    [
        ("libmp3lame", 44100, "stereo"),
        ("libmp3lame", 22050, "mono"),
        ("libopus", 48000, "stereo"),
        ("ac3", 48000, "stereo"),
        ("eac3", 48000, "stereo"),
        ("pcm_s16le", 44100, "stereo"),
        ("pcm_s16le", 11025, "mono"),
        ("pcm_alaw", 8000, "mono"),
        ("pcm_mulaw", 8000, "mono"),
    ],
)
def test_sound_of_another_codec_becomes_aac_in_step(tmp_path: Path, codec: str, rate: int, layout: str) -> None:
    with live(make_flv(tmp_path / "a.flv", codec, rate=rate, layout=layout)) as source:
        events = list(source.events())
        assert source.note == ""
    sound = sound_of(events)
    assert {packet.parameters for packet in sound} == {sound[0].parameters}
    assert sound[0].parameters is not None
    assert sound[0].parameters.codec == "aac"
    assert sound[0].parameters.extradata == lc_config(MADE_RATE, MADE_CHANNELS)
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])
    times = [packet.times.pts for packet in sound]
    assert times == sorted(set(times))


def test_enhanced_rtmp_without_its_header_is_heard_where_the_codec_needs_none(tmp_path: Path) -> None:
    """nginx-rtmp gives a later reader no header of codecs that it does not know."""
    clip = make_flv(tmp_path / "a.flv", "libopus", rate=48000)
    tags = [tag for tag in tags_of(clip) if tag.kind != SOUND or tag.body[0] & 0x0F == 1]
    with live(write_flv(tmp_path / "b.flv", tags)) as source:
        assert in_step(onsets_s(list(source.events())), [1.0, 2.0, 3.0])


def test_aac_without_its_header_is_named_with_what_to_do(tmp_path: Path, aac: Path) -> None:
    tags = [tag for tag in tags_of(aac) if tag.kind != SOUND or not tag.is_header]
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
        assert "AAC comes without the header" in source.note
        assert "publish anew" in source.note
    assert sound_of(events) == []
    assert sum(isinstance(event, Picture) for event in events) == PICTURES


def test_the_header_may_come_later(tmp_path: Path, aac: Path) -> None:
    tags = tags_of(aac)
    header = next(tag for tag in tags if tag.kind == SOUND and tag.is_header)
    rest = [tag for tag in tags if tag is not header]
    middle = next(number for number, tag in enumerate(rest) if tag.at_ms > 1500)
    with live(write_flv(tmp_path / "a.flv", [*rest[:middle], header.at(1500), *rest[middle:]])) as source:
        events = list(source.events())
        assert source.note == ""
    assert in_step(onsets_s(events), [2.0, 3.0])


def with_adts(tag: Tag) -> Tag:
    length = len(tag.body) - 2 + 7
    head = bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC])
    return tag._replace(body=tag.body[:2] + head + tag.body[2:])


def without_header(aac: Path) -> list[Tag]:
    return [tag for tag in tags_of(aac) if tag.kind != SOUND or not tag.is_header]


def test_aac_with_a_header_on_each_frame_is_heard(tmp_path: Path, aac: Path) -> None:
    tags = [with_adts(tag) if tag.kind == SOUND else tag for tag in without_header(aac)]
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
        assert source.note == ""
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])


def test_several_frames_with_headers_in_one_tag_are_heard(tmp_path: Path, aac: Path) -> None:
    tags = without_header(aac)
    sound = [with_adts(tag) for tag in tags if tag.kind == SOUND]
    pairs = [one._replace(body=one.body + two.body[2:]) for one, two in zip(sound[::2], sound[1::2], strict=False)]
    tags = sorted([*(tag for tag in tags if tag.kind != SOUND), *pairs], key=lambda tag: tag.at_ms)
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
        assert source.note == ""
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])
    times = [packet.times.pts for packet in sound_of(events)]
    assert times == sorted(set(times))


@pytest.mark.parametrize("damage", [lambda body: body[:-1], lambda _: b"\xff" * 300, lambda _: b"\xff"])
def test_what_begins_like_a_header_and_is_no_whole_frame_is_not_passed_on(
    tmp_path: Path, aac: Path, damage: Callable[[bytes], bytes]
) -> None:
    """The muxer of FLV gives up a push whose first sound begins so: viewers saw nothing at all."""
    tags = [
        tag._replace(body=tag.body[:2] + damage(with_adts(tag).body[2:])) if tag.kind == SOUND else tag
        for tag in without_header(aac)
    ]
    header = next(tag for tag in tags_of(aac) if tag.kind == SOUND and tag.is_header)
    with live(write_flv(tmp_path / "a.flv", [tags[0], header.at(tags[1].at_ms), *tags[1:]])) as source:
        events = list(source.events())
        assert source.note == "No sound: the aac that comes can't be decoded; send AAC."
    assert sound_of(events) == []
    assert sum(isinstance(event, Picture) for event in events) == PICTURES


@pytest.mark.parametrize("rate", [44_100, 768_001, 16_777_215])
def test_aac_whose_header_writes_its_rate_out_is_heard_if_it_is_a_common_one_and_costs_nothing_else(
    tmp_path: Path, aac: Path, rate: int
) -> None:
    """HLS has no place for such a header, and a rate of megahertz was a breach of contract: the child was put down."""
    bits = f"{2:05b}{15:04b}{rate:024b}{2:04b}000"
    header = b"\xaf\x00" + int(bits, 2).to_bytes(5, "big")
    tags = [tag._replace(body=header) if tag.kind == SOUND and tag.is_header else tag for tag in tags_of(aac)]
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
    assert sum(isinstance(event, Picture) for event in events) == PICTURES
    assert {packet.parameters.extradata for packet in sound_of(events) if packet.parameters} <= {lc_config(44_100, 2)}
    assert in_step(onsets_s(events) if rate == 44_100 else [], [1.0, 2.0, 3.0] if rate == 44_100 else [])


@pytest.mark.parametrize(
    ("codec", "rate", "layout"),
    [("aac", 48000, "mono"), ("aac", 22050, "stereo"), ("libmp3lame", 44100, "stereo"), ("libopus", 48000, "stereo")],
)
def test_sound_that_changes_goes_on_in_the_format_that_it_began_with(
    tmp_path: Path, aac: Path, codec: str, rate: int, layout: str
) -> None:
    other = tags_of(make_flv(tmp_path / "b.flv", codec, rate=rate, layout=layout))
    moved_ms = begin_ms(tags_of(aac)) - begin_ms(other)
    other = [tag.at(tag.at_ms + moved_ms) if tag.at_ms + moved_ms > 0 else tag for tag in other]
    first = [tag for tag in tags_of(aac) if tag.kind != SOUND or tag.at_ms < 1500]
    header = [tag.at(1500) for tag in other if tag.kind == SOUND and (tag.is_header or tag.body[0] == 0x90)]
    second = [tag for tag in other if tag.kind == SOUND and tag.at_ms >= 1500]
    tags = sorted([*first, *header, *second], key=lambda tag: tag.at_ms)
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
        assert source.note == ""
    sound = sound_of(events)
    assert len(starts_of(events)) == 1, "pictures go on"
    assert len({packet.parameters for packet in sound}) == 1
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])


def test_sound_that_changes_and_changes_back_is_untouched_again(tmp_path: Path, aac: Path) -> None:
    mine, other = tags_of(aac), tags_of(make_flv(tmp_path / "b.flv", "pcm_s16le", rate=44100))
    tags = [tag for tag in mine if tag.kind != SOUND or not 1200 <= tag.at_ms < 1800]
    tags += [tag for tag in other if tag.kind == SOUND and 1200 <= tag.at_ms < 1800]
    with live(write_flv(tmp_path / "a.flv", sorted(tags, key=lambda tag: tag.at_ms))) as source:
        sound = sound_of(source.events())
    sent = [tag.body[2:] for tag in mine if tag.kind == SOUND and tag.at_ms >= 1800]
    assert [packet.data for packet in sound][-len(sent) :] == sent
    assert len({packet.parameters for packet in sound}) == 1


@pytest.mark.parametrize(
    ("ahead_ms", "words"),
    [(60_000, "60 s ahead of"), (3_600_000, "3600 s ahead of"), (-60_000, "60 s behind"), (-3_000, "3 s behind")],
)
def test_sound_on_another_clock_is_heard_as_it_arrives_and_told(
    tmp_path: Path, aac: Path, ahead_ms: int, words: str
) -> None:
    tags = [tag.at(tag.at_ms + ahead_ms) if tag.kind == SOUND else tag for tag in tags_of(aac)]
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
        assert f"The clock of the sound is {words} the picture's" in source.note
    assert len(starts_of(events)) == 1
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])


def test_a_codec_that_is_not_let_in_costs_the_sound_alone(tmp_path: Path) -> None:
    clip = make_flv(tmp_path / "a.flv", "libmp3lame")
    with live(clip, allowed=Allowed.live("h264,aac")) as source:
        events = list(source.events())
        assert "it is mp3, which is not among the codecs that are let in" in source.note
        assert "send AAC" in source.note
        assert "MOSAICAST_MEDIA__LIVE_CODECS" in source.note
    assert sound_of(events) == []
    assert sum(isinstance(event, Picture) for event in events) == PICTURES


def test_sound_that_can_not_be_decoded_is_told_and_costs_no_picture(tmp_path: Path, aac: Path) -> None:
    broken = [tag._replace(body=b"\x91ac-3" + b"\x00" * 40) if tag.kind == SOUND else tag for tag in tags_of(aac)]
    with live(write_flv(tmp_path / "a.flv", broken)) as source:
        events = list(source.events())
        assert source.note == "No sound: the ac3 that comes can't be decoded; send AAC."
    assert sum(isinstance(event, Picture) for event in events) == PICTURES


def test_a_tag_of_sound_that_is_no_sound_is_left_out(tmp_path: Path, aac: Path) -> None:
    huge = Tag(SOUND, 500, b"\x2f" + bytes(LARGEST_SOUND_BYTES))
    tags = sorted([*tags_of(aac), huge, Tag(SOUND, 600, b""), Tag(SOUND, 700, b"\xaf")], key=lambda tag: tag.at_ms)
    with live(write_flv(tmp_path / "a.flv", tags)) as source:
        events = list(source.events())
    assert in_step(onsets_s(events), [1.0, 2.0, 3.0])
    assert all(frames for _, frames in decoded(sound_of(events))[2:])


def test_a_source_that_ends_in_the_middle_of_a_tag_ends(tmp_path: Path, aac: Path) -> None:
    (tmp_path / "a.flv").write_bytes(aac.read_bytes()[:-700])
    with live(tmp_path / "a.flv") as source:
        assert sum(isinstance(event, Picture) for event in source.events()) > PICTURES // 2
