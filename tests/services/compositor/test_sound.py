"""Sound in a stream's child: it begins late, stops, changes, or lies far from its pictures; pictures go on."""

import itertools

import pytest
from msgspec.structs import replace

from mosaicast.contracts.messages import CodecParameters, MediaPacket
from services.compositor.epoch import MANY_ASTRAY, MOST_SOUND_BYTES, EpochRun
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec
from tests.services.compositor.rig import DROPPED, Rig, videos


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[MediaPacket]:
    """Five seconds of pictures and sound; the sound's parameters come with the first packet of it."""
    path = make_clip(tmp_path_factory.mktemp("clips") / "clip.flv", frames=150)
    return packets(path)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.engine.on_spec(spec())
    return rig


def told_late(media: list[MediaPacket], begin_s: float) -> list[MediaPacket]:
    """Return the same broadcast with sound from `begin_s` on, as ingest tells it."""
    sound = next(one for packet in media for one in packet.codecs if one.track == "audio")
    kept, begun = [], False
    for packet in media:
        video = tuple(one for one in packet.codecs if one.track == "video")
        if packet.track == "audio":
            if packet.time < begin_s:
                continue
            kept.append(packet if begun else replace(packet, codecs=(*video_of(media), sound)))
            begun = True
        else:
            kept.append(replace(packet, codecs=(*video, sound) if begun and video else video))
    return [replace(packet, index=number) for number, packet in enumerate(kept)]


def video_of(media: list[MediaPacket]) -> tuple[CodecParameters, ...]:
    return tuple(one for one in media[0].codecs if one.track == "video")


def test_sound_that_begins_later_is_another_push_whose_times_go_on(rig: Rig, media: list[MediaPacket]) -> None:
    rig.feed(told_late(media, 3.0))
    rig.drain()
    assert [sink.audio is not None for sink in rig.sinks] == [False, True]
    times = [frame.time_s for frame in rig.frames]
    assert len(times) == 150
    assert all(0 < b - a < 0.05 for a, b in itertools.pairwise(times))
    assert rig.sinks[1].frames[0].key
    heard = [at_s for at_s, _ in rig.sinks[1].sound]
    assert heard[0] == pytest.approx(3.0, abs=0.05)
    assert heard[-1] == pytest.approx(5.0, abs=0.1)


def test_sound_that_is_not_there_in_the_next_epoch_interrupts_nothing(rig: Rig, media: list[MediaPacket]) -> None:
    rig.feed(media)
    silent = [packet for packet in told_late(media, 9.0) if packet.track == "video"]
    rig.feed([replace(packet, epoch=2, index=number) for number, packet in enumerate(silent)])
    rig.drain()
    assert len(rig.sinks) == 1


def test_sound_of_the_format_before_is_not_sent_into_the_new_push(rig: Rig, media: list[MediaPacket]) -> None:
    sound = next(one for packet in media for one in packet.codecs if one.track == "audio")
    other = replace(sound, extradata=b"\x12\x10", sample_rate=44100)
    changed = [
        replace(packet, codecs=(*video_of(media), other), data=b"other")
        if packet.track == "audio" and packet.time >= 2
        else replace(packet, codecs=(*packet.codecs[:1], other))
        if packet.codecs and packet.time >= 2
        else packet
        for packet in media
    ]
    rig.feed(changed)
    rig.drain()
    first, second = rig.sinks
    assert first.audio is not None
    assert second.audio is not None
    assert (first.audio.parameters.extradata, second.audio.parameters.extradata) == (sound.extradata, b"\x12\x10")
    assert b"other" not in {data for _, data in first.sound}
    assert {data for _, data in second.sound} == {b"other"}


@pytest.mark.parametrize("away_s", [60, 3600])
def test_sound_far_ahead_of_its_pictures_is_not_kept_and_told(rig: Rig, media: list[MediaPacket], away_s: int) -> None:
    far = [
        replace(packet, pts=packet.pts + away_s * 1000, dts=packet.dts + away_s * 1000)
        if packet.track == "audio"
        else packet
        for packet in media
    ]
    rig.feed(far)
    assert rig.engine._run is not None
    assert len(rig.engine._run._sound) == 0
    assert rig.engine.note == "No sound: its times are far from those of the pictures; use one clock for both."
    rig.drain()
    assert rig.kinds()[DROPPED, "late"] == 0
    assert len(rig.frames) == videos(media)


def test_the_note_ends_when_sound_is_heard_again(rig: Rig, media: list[MediaPacket]) -> None:
    far = [
        replace(packet, pts=packet.pts + 60_000) if packet.track == "audio" and packet.time < 2.0 else packet
        for packet in media
    ]
    rig.feed(far)
    rig.drain()
    assert MANY_ASTRAY < 80
    assert rig.engine.note == ""


def test_sound_that_waits_is_bounded(media: list[MediaPacket]) -> None:
    run = EpochRun(1, 10.0)
    run.add_video(media[0], 0.0)
    sound = next(packet for packet in media if packet.track == "audio")
    for number in range(200):
        run.add_audio(replace(sound, pts=number * 20, data=bytes(50_000)), 0.0)
    assert sum(len(one.packet.data) for one in run._sound) <= MOST_SOUND_BYTES
    assert run._sound[-1].packet.pts == 199 * 20, "the newest is kept"
