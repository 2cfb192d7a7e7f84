"""The push: timestamps that rise over epochs and failures, sound in step, a new push for a new format."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.sink import AudioFormat, SinkError
from mosaicast.contracts.messages import CodecParameters, MediaPacket
from services.compositor.output import RETRY_S, Output
from tests.services.compositor.fakes import MS, packet

VIDEO = VideoFormat(320, 180, 30.0, "veryfast")
AAC = CodecParameters(track="audio", codec="aac", time_base=MS, extradata=b"\x12\x10", sample_rate=48000)
AUDIO = AudioFormat(AAC, b"first")
PICTURE: Any = object()


@dataclass
class Sink:
    """Keeps the times that it is given."""

    video: VideoFormat
    audio: AudioFormat | None
    frames: list[tuple[float, bool]] = field(default_factory=list)
    sound: list[tuple[float, bytes]] = field(default_factory=list)
    broken: bool = False
    closed: int = 0

    def write_frame(self, frame: Any, time_s: float, *, force_keyframe: bool = False) -> None:
        if self.broken:
            raise SinkError("broken")
        self.frames.append((time_s, force_keyframe))

    def write_audio(self, packet: MediaPacket, time_s: float) -> None:
        if self.broken:
            raise SinkError("broken")
        self.sound.append((time_s, packet.data))

    def close(self) -> None:
        self.closed += 1


class Rig:
    """An output, its sinks, a clock by hand."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.refuse = False
        self.tries = 0
        self.output = Output(self._open)
        self.now = 1000.0

    def _open(self, video: VideoFormat, audio: AudioFormat | None) -> Sink:
        self.tries += 1
        if self.refuse:
            raise SinkError("nobody there")
        self.sinks.append(Sink(video, audio))
        return self.sinks[-1]

    def frame(self, time_s: float, video: VideoFormat = VIDEO, audio: AudioFormat | None = AUDIO) -> bool:
        return self.output.frame(PICTURE, time_s, self.now, video, audio)

    def sound(self, time_s: float) -> None:
        self.output.audio(sound(time_s), self.now)

    @property
    def times(self) -> list[float]:
        return [time_s for sink in self.sinks for time_s, _ in sink.frames]


def sound(time_s: float) -> MediaPacket:
    fields = {name: getattr(packet(0), name) for name in packet(0).__struct_fields__}
    return MediaPacket(**{**fields, "track": "audio", "pts": round(time_s * 1000), "data": str(time_s).encode()})


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_nothing_is_opened_before_the_first_frame(rig: Rig) -> None:
    rig.sound(5.0)
    rig.output.close()
    assert rig.tries == 0


def test_a_push_begins_at_zero_with_a_keyframe_and_keeps_media_time(rig: Rig) -> None:
    for time_s in (50.0, 50.033, 50.5):
        assert rig.frame(time_s)
        rig.now += 0.2  # whenever the frames leave
    (sink,) = rig.sinks
    assert [time_s for time_s, _ in sink.frames] == pytest.approx([0.0, 0.033, 0.5])
    assert [key for _, key in sink.frames] == [True, False, False]


def test_sound_has_the_offset_of_the_frames(rig: Rig) -> None:
    rig.sound(49.99)
    rig.frame(50.0)
    for time_s in (49.995, 50.01, 50.03):
        rig.sound(time_s)
    (sink,) = rig.sinks
    assert [at_s for at_s, _ in sink.sound] == pytest.approx([0.01, 0.03])
    assert [data for _, data in sink.sound] == [b"50.01", b"50.03"]


def test_sound_that_goes_back_is_dropped(rig: Rig) -> None:
    rig.frame(0.0)
    for time_s in (0.02, 0.04, 0.04, 0.03, 0.06):
        rig.sound(time_s)
    assert [data for _, data in rig.sinks[0].sound] == [b"0.02", b"0.04", b"0.06"]


def test_frames_whose_times_go_back_still_rise(rig: Rig) -> None:
    for time_s in (1.0, 1.5, 1.2, 1.3):
        assert rig.frame(time_s)
    assert rig.times == pytest.approx([0.0, 0.5, 0.501, 0.502])


def test_an_epoch_goes_on_where_the_clock_is(rig: Rig) -> None:
    rig.frame(7.0)
    rig.now += 4.0
    rig.output.begin_epoch()
    rig.sound(0.0)  # before the epoch's first frame nobody knows its place
    rig.frame(0.0)
    rig.frame(0.033)
    rig.sound(0.02)
    (sink,) = rig.sinks
    assert [time_s for time_s, _ in sink.frames] == pytest.approx([0.0, 4.0, 4.033])
    assert [key for _, key in sink.frames] == [True, True, False]
    assert [time_s for time_s, _ in sink.sound] == pytest.approx([4.02])


def test_another_push_goes_on_where_the_last_one_would_be(rig: Rig) -> None:
    rig.frame(7.0, audio=None)
    rig.now += 3.0
    rig.frame(10.0)
    rig.sound(10.02)
    assert [at_s for at_s, _ in rig.sinks[1].frames] == pytest.approx([3.0])
    assert [at_s for at_s, _ in rig.sinks[1].sound] == pytest.approx([3.02])


def test_sound_that_is_missing_is_no_reason_for_another_push(rig: Rig) -> None:
    rig.frame(1.0)
    rig.frame(2.0, audio=None)
    assert len(rig.sinks) == 1
    assert rig.output.takes(AUDIO)
    assert not rig.output.takes(None)


def test_a_push_takes_the_sound_that_it_was_opened_with(rig: Rig) -> None:
    assert not rig.output.takes(AUDIO), "none is open"
    rig.frame(1.0, audio=None)
    assert not rig.output.takes(AUDIO)
    rig.frame(2.0)
    assert rig.output.takes(AudioFormat(AAC, b"another"))
    assert not rig.output.takes(AudioFormat(CodecParameters(track="audio", codec="mp3", time_base=MS), b""))


def test_an_epoch_begins_after_all_that_was_sent_even_when_the_clock_is_behind(rig: Rig) -> None:
    rig.frame(0.0)
    rig.frame(3.0)
    rig.sound(3.5)
    rig.now += 1.0
    rig.output.begin_epoch()
    rig.frame(0.0)
    rig.sound(0.01)
    assert rig.times[-1] == pytest.approx(3.501)
    assert rig.sinks[0].sound[-1][0] == pytest.approx(3.511)


def test_an_edge_that_is_away_is_asked_once_a_second(rig: Rig) -> None:
    rig.refuse = True
    for _ in range(int(3 * RETRY_S / 0.1)):
        assert not rig.frame(rig.now)
        rig.now += 0.1
    assert rig.tries in {3, 4}
    rig.refuse = False
    rig.now += RETRY_S
    assert rig.frame(rig.now)


@pytest.mark.parametrize("track", ["video", "audio"])
def test_a_push_that_breaks_is_hung_up_and_opened_again_with_a_keyframe(rig: Rig, track: str) -> None:
    rig.frame(10.0)
    rig.sinks[0].broken = True
    if track == "video":
        assert not rig.frame(10.03)
    else:
        rig.sound(10.03)
    assert rig.sinks[0].closed == 1
    rig.now += RETRY_S / 2
    rig.sound(10.5)
    assert not rig.frame(10.5), "too early"
    rig.now += RETRY_S / 2
    assert rig.frame(11.0)
    rig.sound(11.02)
    assert rig.sinks[1].frames == [(1.0, True)]
    ((at_s, data),) = rig.sinks[1].sound
    assert at_s == pytest.approx(1.02)
    assert data == b"11.02"
    assert rig.sinks[0].closed == 1


@pytest.mark.parametrize(
    ("video", "audio"),
    [
        (replace(VIDEO, width=640), AUDIO),
        (replace(VIDEO, preset="medium"), AUDIO),
        (VIDEO, AudioFormat(CodecParameters(track="audio", codec="mp3", time_base=MS), b"")),
    ],
    ids=["size", "preset", "other sound"],
)
def test_another_format_is_another_push(rig: Rig, video: VideoFormat, audio: AudioFormat | None) -> None:
    rig.frame(1.0)
    rig.frame(2.0)
    assert rig.frame(2.033, video, audio)
    assert [sink.closed for sink in rig.sinks] == [1, 0]
    assert (rig.sinks[1].video, rig.sinks[1].audio) == (video, audio)
    ((at_s, key),) = rig.sinks[1].frames
    assert key, "players begin with it"
    assert at_s == pytest.approx(1.033), "and their time goes on"


def test_another_first_packet_of_sound_is_the_same_format(rig: Rig) -> None:
    rig.frame(1.0)
    rig.frame(2.0, audio=AudioFormat(AAC, b"another"))
    assert len(rig.sinks) == 1


def test_a_format_that_the_edge_refuses_does_not_go_on_in_the_old_push(rig: Rig) -> None:
    rig.frame(1.0)
    rig.refuse = True
    assert not rig.frame(2.0, replace(VIDEO, width=640))
    assert rig.sinks[0].closed == 1
    assert not rig.frame(2.1, VIDEO)
    assert len(rig.sinks[0].frames) == 1


def test_after_closing_the_next_frame_opens_another_push(rig: Rig) -> None:
    rig.frame(1.0)
    rig.output.close()
    rig.output.close()
    assert rig.sinks[0].closed == 1
    rig.now += 0.01
    assert rig.frame(2.0)
    assert rig.sinks[1].frames == [(0.0, True)]


def test_a_picture_that_is_repeated_goes_on_in_real_time_and_the_next_one_follows_it(rig: Rig) -> None:
    rig.frame(10.0)
    rig.sound(10.0)
    for _ in range(4):
        rig.now += 0.5
        assert rig.output.repeat(PICTURE, 10.0, rig.now, VIDEO, AUDIO)
    rig.sound(10.03)  # the source goes on where it was: nobody knows yet what this belongs to
    rig.now += 0.2
    rig.frame(10.033)
    rig.frame(10.066)
    rig.sound(10.05)
    (sink,) = rig.sinks
    assert [time_s for time_s, _ in sink.frames] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.2, 2.233])
    assert [time_s for time_s, _ in sink.sound] == pytest.approx([0.0, 2.217])


def test_a_source_whose_clock_went_on_keeps_its_times_after_repetitions(rig: Rig) -> None:
    rig.frame(10.0)
    for number in range(1, 4):
        rig.now += 0.5
        rig.output.repeat(PICTURE, 10.0 + number * 0.5, rig.now, VIDEO, AUDIO)
        rig.sound(10.0 + number * 0.5)
    rig.frame(11.8)
    (sink,) = rig.sinks
    assert [time_s for time_s, _ in sink.frames] == pytest.approx([0.0, 0.5, 1.0, 1.5, 1.8])
    assert [time_s for time_s, _ in sink.sound] == pytest.approx([0.5, 1.0, 1.5])


def test_a_picture_is_repeated_in_a_new_push_if_the_old_one_broke(rig: Rig) -> None:
    rig.frame(10.0)
    rig.sinks[0].broken = True
    assert not rig.output.repeat(PICTURE, 10.5, rig.now, VIDEO, AUDIO)
    rig.now += RETRY_S
    assert rig.output.repeat(PICTURE, 11.5, rig.now, VIDEO, AUDIO)
    ((time_s, keyframe),) = rig.sinks[1].frames
    assert keyframe
    assert time_s == pytest.approx(1.5), "times go on over a push that broke"
