"""Segments of HLS: what is pushed is cut at keyframes, whole, and says what it holds."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import av
import msgspec
import pytest

from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.sink import AudioFormat, FlvSink
from mosaicast.core.playlist import keeps_to_target
from tests.adapters.av_clips import RATE
from tests.adapters.hls_rules import declared, times
from tests.adapters.sink_tools import SIZE, VIDEO, Sound, frame, make_sound, push, read


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return make_sound(tmp_path_factory.mktemp("clips"))


@dataclass
class Rig:
    """A push into a file, with segments kept."""

    folder: Path
    made: list[HlsSegment] = field(default_factory=list)
    wall_ms: int = 1_000
    now_s: float = 5.0

    def __post_init__(self) -> None:
        self.segmenter = Segmenter(self.made.append, lambda: self.wall_ms, lambda: self.now_s)

    def open(self, audio: AudioFormat | None = None) -> FlvSink:
        return FlvSink(str(self.folder / "out.flv"), VIDEO, audio, self.segmenter)

    @property
    def durations(self) -> list[float]:
        return [round(one.duration_s, 3) for one in self.made]

    @property
    def breaks(self) -> list[bool]:
        return [one.discontinuity for one in self.made]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def frames(sink: FlvSink, times_s: list[float]) -> None:
    for number, time_s in enumerate(times_s):
        sink.write_frame(frame(number), time_s)


def push_with_a_pause(sink: FlvSink, sound: Sound, begin_s: float, end_s: float) -> None:
    """Write 11 s of pictures, and sound but for a part of it."""
    sent = 0
    for number in range(330):
        time_s = number / RATE
        sink.write_frame(frame(number), time_s)
        while sent * 0.022 <= time_s:
            if not begin_s < time_s < end_s:
                sink.write_audio(sound.packets[sent % len(sound.packets)], sent * 0.022)
            sent += 1


def test_segments_are_two_seconds_and_begin_with_a_keyframe(rig: Rig) -> None:
    sink = rig.open()
    push(sink, 150)
    assert rig.durations == [2.0, 2.0], "each as soon as the next one has begun"
    sink.close()
    assert rig.durations == pytest.approx([2.0, 2.0, 1.0], abs=0.002)
    assert rig.breaks == [True, False, False]
    seen = [times(one.data)["video"] for one in rig.made]
    assert [len(one) for one in seen] == [60, 60, 30]
    assert [one[0] - seen[0][0] for one in seen] == pytest.approx([0.0, 2.0, 4.0])
    assert len(read(rig.folder / "out.flv").video) == 150, "the push has them all too"


def test_without_sound_no_sound_is_declared(rig: Rig) -> None:
    sink = rig.open()
    push(sink, 70)
    sink.close()
    assert [declared(one.data) for one in rig.made] == [{"video"}] * 2


def test_sound_is_there_in_step_and_declared(rig: Rig, sound: Sound) -> None:
    sink = rig.open(sound.format)
    push(sink, 120, sound)
    sink.close()
    assert [declared(one.data) for one in rig.made] == [{"video", "audio"}] * 2
    for one in rig.made:
        seen = times(one.data)
        assert seen["audio"][0] == pytest.approx(seen["video"][0], abs=0.1)
        assert len(seen["audio"]) > 40


def test_sound_that_stops_is_not_declared_any_more_and_comes_back(rig: Rig, sound: Sound) -> None:
    sink = rig.open(sound.format)
    push_with_a_pause(sink, sound, 2.0, 7.0)
    sink.close()
    kinds = [declared(one.data) for one in rig.made]
    assert kinds[0] == {"video", "audio"}
    assert {"video"} in kinds
    assert kinds[-1] == {"video", "audio"}
    changed = [now != before for before, now in pairwise(kinds)]
    assert rig.breaks[1:] == changed, "a break where the tracks change, and nowhere else"


def test_each_segment_names_sound_if_it_has_some(rig: Rig, sound: Sound) -> None:
    """Also the one in whose middle sound comes back, all of it, and the first one after sound has ended."""
    sink = rig.open(sound.format)
    push_with_a_pause(sink, sound, 1.0, 6.5)
    sink.close()
    kinds = [declared(one.data) for one in rig.made]
    assert kinds == [times(one.data).keys() for one in rig.made]
    assert kinds == [{"video", "audio"}, {"video"}, {"video"}, *[{"video", "audio"}] * 3]
    assert rig.breaks == [True, True, False, True, False, False]
    assert rig.durations[:5] == pytest.approx([2.0] * 5, abs=0.01)
    back, first_s = times(rig.made[3].data), times(rig.made[0].data)["video"][0]
    assert back["audio"][0] - first_s == pytest.approx(6.5, abs=0.1)


@pytest.mark.parametrize(
    ("step_s", "durations"),
    [(0.1, [2.0, 2.0]), (0.5, [2.0, 2.0]), (0.7, [2.1, 2.1]), (1.0, [2.0, 2.0]), (1.3, [1.3, 1.3, 1.3])],
)
def test_slow_sources_keep_to_the_target(rig: Rig, step_s: float, durations: list[float]) -> None:
    sink = rig.open()
    frames(sink, [number * step_s for number in range(int(6.5 / step_s) + 1)])
    sink.close()
    assert rig.durations[: len(durations)] == pytest.approx(durations)
    assert rig.breaks == [True] + [False] * (len(rig.made) - 1)
    assert all(one.duration_s < 2.5 for one in rig.made)


@pytest.mark.parametrize(
    "times_s",
    [
        [number * 2.6 for number in range(6)],
        [number * 4.0 for number in range(6)],
        [*(number * 2.0 for number in range(4)), *(6.0 + number * 3.0 for number in range(1, 4))],
        [0.0, 1.19, 2.7, 3.0, 5.6, 5.7, 15.0],
    ],
)
def test_whatever_comes_no_segment_is_longer_than_players_were_told(rig: Rig, times_s: list[float]) -> None:
    """What is missing between two of them is a break."""
    sink = rig.open()
    frames(sink, times_s)
    sink.close()
    assert all(keeps_to_target(one.duration_s) for one in rig.made)
    assert sum(len(times(one.data)["video"]) for one in rig.made) == len(times_s), "none is left out"
    shown_s = sum(one.duration_s for one in rig.made)
    assert shown_s > times_s[-1] or sum(rig.breaks) > 1


def test_a_pause_of_the_source_is_a_break_not_a_long_segment(rig: Rig) -> None:
    sink = rig.open()
    frames(sink, [n / 30 for n in range(30)] + [9 + n / 30 for n in range(90)])
    sink.close()
    assert rig.durations == pytest.approx([1.0, 2.0, 1.0], abs=0.01)
    assert rig.breaks == [True, True, False]


def test_an_epoch_is_a_break(rig: Rig) -> None:
    sink = rig.open()
    for number in range(60):
        sink.write_frame(frame(number), number / RATE + (number >= 30) * 1.2, force_keyframe=number in {0, 30})
    sink.close()
    assert rig.durations == pytest.approx([1.0, 1.0], abs=0.01)
    assert rig.breaks == [True, True]


def test_a_new_push_is_a_break(rig: Rig, sound: Sound) -> None:
    for audio in (None, sound.format):
        sink = rig.open(audio)
        push(sink, 30, sound if audio else None)
        sink.close()
    assert rig.durations == pytest.approx([1.0, 1.0], abs=0.01)
    assert rig.breaks == [True, True]
    assert [declared(one.data) for one in rig.made] == [{"video"}, {"video", "audio"}]


def test_what_is_to_be_forgotten_never_comes_out_and_the_next_frame_begins_anew(rig: Rig) -> None:
    sink = rig.open()
    rig.segmenter.revision = 3
    push(sink, 75)
    rig.segmenter.forget()
    rig.segmenter.revision = 4
    for number in range(75, 150):
        sink.write_frame(frame(number), number / RATE)
    sink.close()
    assert [one.revision for one in rig.made] == [3, 4, 4]
    assert rig.durations == pytest.approx([2.0, 2.0, 0.5], abs=0.01)
    assert rig.breaks == [True, True, False]
    keys = [at_ms for at_ms, is_key in read(rig.folder / "out.flv").video if is_key]
    assert 2500 in keys, "a keyframe at once"


def test_a_segment_has_the_revision_that_it_began_with(rig: Rig) -> None:
    sink = rig.open()
    push(sink, 30)
    rig.segmenter.revision, rig.wall_ms, rig.now_s = 8, 9_000, 7.0
    frames_from = 30
    for number in range(frames_from, 70):
        sink.write_frame(frame(number), number / RATE)
    sink.close()
    assert [(one.revision, one.began_ms, one.began_s) for one in rig.made] == [(0, 1_000, 5.0), (8, 9_000, 7.0)]


def test_a_keyframe_that_the_encoder_holds_back_began_when_it_was_painted(rig: Rig) -> None:
    """Taken for one of after a trip of the guard, it showed once more what the trip was about."""
    sink = rig.open()
    push(sink, 61)  # the last one is the second keyframe
    rig.segmenter.revision, rig.wall_ms, rig.now_s = 8, 9_000, 7.0
    for number in range(61, 130):
        sink.write_frame(frame(number), number / RATE)
    sink.close()
    began = [(one.revision, one.began_ms, one.began_s) for one in rig.made]
    assert began == [(0, 1_000, 5.0), (0, 1_000, 5.0), (8, 9_000, 7.0)]


def test_sound_that_has_no_place_in_a_segment_costs_the_sound_only(rig: Rig, sound: Sound) -> None:
    """Its header writes the rate out. There was no segment at all, and every picture was a keyframe."""
    rate_in_full = b"\x17\x80\x5d\xc0\x08"
    parameters = msgspec.structs.replace(sound.format.parameters, extradata=rate_in_full)
    sink = rig.open(AudioFormat(parameters, sound.format.first_packet))
    push(sink, 150, sound)
    sink.close()
    assert rig.durations == pytest.approx([2.0, 1.0], abs=0.05), "without sound from the second keyframe on"
    assert {kind for one in rig.made for kind in declared(one.data)} == {"video"}
    assert sum(is_key for _, is_key in read(rig.folder / "out.flv").video) <= 4


def test_sound_that_cannot_be_muxed_costs_the_sound_only(rig: Rig, sound: Sound) -> None:
    sink = rig.open(sound.format)
    broken = AudioFormat(sound.format.parameters, b"")
    rig.segmenter.begin(sink._video, broken)  # the push itself would refuse it
    push(sink, 150)
    sink.close()
    assert len(rig.made) >= 2
    assert {frozenset(declared(one.data)) for one in rig.made[-2:]} == {frozenset({"video"})}


def test_a_keyframe_that_the_encoder_held_back_is_forgotten_too(rig: Rig) -> None:
    sink = rig.open()
    push(sink, 61)  # the last one begins a group, and is still in the encoder
    rig.segmenter.forget()
    for number in range(61, 80):
        sink.write_frame(frame(number), number / RATE)
    sink.close()
    (new,) = rig.made
    assert len(times(new.data)["video"]) == 19


def test_a_picture_that_changes_altogether_is_no_cut(rig: Rig) -> None:
    """A flip to a full mosaic and back, which x264 takes for a scene cut."""
    sink = rig.open()
    for number in range(120):
        other = av.VideoFrame(*SIZE, "yuv420p")
        for plane in other.planes:
            plane.update(bytes([number]) * plane.buffer_size)
        sink.write_frame(other if number % 40 > 20 else frame(number), number / RATE)
    sink.close()
    assert rig.durations == pytest.approx([2.0, 2.0], abs=0.01)
