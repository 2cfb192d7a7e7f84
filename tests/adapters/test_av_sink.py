"""What is pushed into a file can be read back; what can't be pushed is an error of ours."""

from pathlib import Path

import av
import numpy as np
import pytest
from msgspec.structs import replace

from mosaicast.adapters.media.encoder import KEYFRAME_S, VideoFormat
from mosaicast.adapters.media.flv_audio import is_carried
from mosaicast.adapters.media.sink import AudioFormat, FlvSink, SinkError
from mosaicast.contracts.messages import CodecParameters, MediaPacket, TimeBase
from tests.adapters.av_clips import RATE
from tests.adapters.sink_tools import SIZE, VIDEO, Sound, frame, make_sound, push, read


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return make_sound(tmp_path_factory.mktemp("clips"))


def test_every_frame_is_there_at_its_time(tmp_path: Path) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None)
    push(sink, 75)
    sink.close()
    assert [at_ms for at_ms, _ in read(tmp_path / "out.flv").video] == [round(n * 1000 / RATE) for n in range(75)]
    with av.open(str(tmp_path / "out.flv")) as container:
        pictures = [f.to_ndarray(format="gray").astype(int) for f in container.decode(video=0)]
        assert (container.streams.video[0].width, container.streams.video[0].height) == SIZE
    assert len(pictures) == 75
    assert np.abs(pictures[40] - frame(40).to_ndarray(format="gray")).mean() < 6, "it is the picture that was sent"


def test_a_keyframe_at_least_every_two_seconds_and_where_it_is_forced(tmp_path: Path) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None)
    push(sink, 200, forced=frozenset({70, 71}))
    sink.close()
    keys = [at_ms / 1000 for at_ms, is_key in read(tmp_path / "out.flv").video if is_key]
    last = 71 / RATE
    expected = [0.0, 2.0, 70 / RATE, last, last + KEYFRAME_S, last + 2 * KEYFRAME_S]
    assert keys == pytest.approx(expected, abs=0.001)


def test_slow_and_uneven_frames_have_keyframes_in_time(tmp_path: Path) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None)
    times = [0.0, 0.7, 1.4, 2.1, 2.8, 9.0, 9.1, 11.2]
    for number, time_s in enumerate(times):
        sink.write_frame(frame(number), time_s)
    sink.close()
    seen = read(tmp_path / "out.flv").video
    assert [at_ms / 1000 for at_ms, _ in seen] == pytest.approx(times)
    assert [key for _, key in seen] == [True, False, False, True, False, True, False, True]


def test_frames_closer_than_a_millisecond_still_rise(tmp_path: Path) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None)
    for number in range(5):
        sink.write_frame(frame(number), 0.0002 * number)
    sink.close()
    assert [at_ms for at_ms, _ in read(tmp_path / "out.flv").video] == [0, 1, 2, 3, 4]


def test_sound_is_untouched_and_at_its_time(tmp_path: Path, sound: Sound) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, sound.format)
    push(sink, 60, sound)
    sink.close()
    seen = read(tmp_path / "out.flv")
    sent = [(round(float(p.time) * 1000), p.data) for p in sound.packets if p.time <= 59 / RATE]
    assert len(sent) > 80
    assert seen.audio == sent
    assert len(seen.video) == 60
    with av.open(str(tmp_path / "out.flv")) as container:
        assert sum(f.samples for f in container.decode(audio=0)) > 80 * 1000, "a player can decode it"


@pytest.mark.parametrize("broken", [b"\xff" * 300, b"\xff\xf1\x50\x80"])
def test_a_packet_that_is_no_sound_costs_no_picture(tmp_path: Path, sound: Sound, broken: bytes) -> None:
    """FFmpeg gave up the push at a first packet that begins like ADTS; the next push began with the next such one."""
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, sound.format)
    sink.write_frame(frame(0), 0.0)
    sink.write_audio(replace(sound.packets[0], data=broken), 0.0)
    for number in range(1, 30):
        sink.write_frame(frame(number), number / RATE)
    for packet in sound.packets[1:20]:
        sink.write_audio(packet, float(packet.time))
    sink.close()
    seen = read(tmp_path / "out.flv")
    assert len(seen.video) == 30
    assert [data for _, data in seen.audio] == [packet.data for packet in sound.packets[1:20]]


def test_without_an_audio_format_sound_is_left_out(tmp_path: Path, sound: Sound) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None)
    push(sink, 10, sound)
    sink.close()
    with av.open(str(tmp_path / "out.flv")) as container:
        assert len(container.streams.audio) == 0


@pytest.mark.parametrize("size_wh", [(2, 2), (16, 16), (322, 182), (1920, 1080)])
@pytest.mark.parametrize("rate", [0.0, 0.01, 29.97, 1000.0])
def test_any_even_size_and_any_rate_are_taken(tmp_path: Path, size_wh: tuple[int, int], rate: float) -> None:
    sink = FlvSink(str(tmp_path / "out.flv"), VideoFormat(*size_wh, rate, "superfast"), None)
    for number in range(3):
        sink.write_frame(av.VideoFrame(*size_wh, "yuv420p"), number / 30)
    sink.close()
    assert len(read(tmp_path / "out.flv").video) == 3


def test_colours_are_told(tmp_path: Path) -> None:
    video = VideoFormat(*SIZE, 30.0, "veryfast", color_range=2, color_primaries=1, color_trc=1, colorspace=1)
    sink = FlvSink(str(tmp_path / "out.flv"), video, None)
    push(sink, 3)
    sink.close()
    with av.open(str(tmp_path / "out.flv")) as container:
        context = container.streams.video[0].codec_context
        next(container.decode(video=0))
        told = (context.color_range, context.color_primaries, context.color_trc, context.colorspace)
    assert told == (2, 1, 1, 1)


def test_closing_twice_or_without_a_frame_is_no_error(tmp_path: Path, sound: Sound) -> None:
    for count in (0, 3):
        sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, sound.format)
        push(sink, count)
        sink.close()
        sink.close()
        with pytest.raises(SinkError):
            sink.write_frame(frame(9), 9.0)


@pytest.mark.parametrize("address", ["no/such/folder/out.flv", "nothing://x", ""])
def test_an_address_that_is_none_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SinkError):
        FlvSink(address, VIDEO, None)


def test_sound_that_is_none_is_our_error(tmp_path: Path) -> None:
    wrong = CodecParameters(track="audio", codec="mp3", time_base=TimeBase(1, 1000), sample_rate=24000)
    with pytest.raises(SinkError):
        FlvSink(str(tmp_path / "out.flv"), VIDEO, AudioFormat(wrong, b""))


def test_a_full_disk_is_our_error() -> None:
    sink = FlvSink("/dev/full", VideoFormat(1280, 720, 30.0, "superfast"), None)
    pixels = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    noise = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")

    def write() -> None:
        for number in range(100):
            sink.write_frame(noise, number / 30, force_keyframe=True)

    with pytest.raises(SinkError):
        write()
    sink.close()


@pytest.mark.parametrize(
    ("codec", "rate", "extradata", "carried"),
    [
        ("aac", 48000, b"\x11\x88", True),
        ("aac", 48000, b"", False),
        ("mp3", 44100, b"", True),
        ("mp3", 48000, b"", True),
        ("mp3", 24000, b"", False),
        ("opus", 48000, b"x", False),
    ],
)
def test_which_sound_can_go_out(codec: str, rate: int, extradata: bytes, carried: bool) -> None:
    parameters = CodecParameters(
        track="audio", codec=codec, time_base=TimeBase(1, rate), extradata=extradata, sample_rate=rate
    )
    assert is_carried(parameters) is carried


@pytest.mark.parametrize("rate", [11025, 22050, 44100, 48000])
def test_mp3_is_carried_as_it_is(tmp_path: Path, rate: int) -> None:
    source = tmp_path / "in.mp3"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("libmp3lame", rate=rate, layout="mono")
        for number in range(20):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
            tone.sample_rate, tone.pts = rate, number * 1152
            output.mux(stream.encode(tone))
        output.mux(stream.encode(None))
    with av.open(str(source)) as container:
        data = [bytes(p) for p in container.demux() if p.dts is not None]
    parameters = CodecParameters(track="audio", codec="mp3", time_base=TimeBase(1, rate), sample_rate=rate)
    assert is_carried(parameters)
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, AudioFormat(parameters, data[0]))
    for number, body in enumerate(data):
        pts = number * 1152
        message = MediaPacket(
            stream_id="s", epoch=1, index=number, unit=0, track="audio", pts=pts, dts=pts, duration=1152,
            time_base=TimeBase(1, rate), data=body, read_ms=1,
        )  # fmt: skip
        sink.write_audio(message, float(message.time))
    sink.close()
    assert [body for _, body in read(tmp_path / "out.flv").audio] == data
