from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from synthetic import presets
from synthetic.cast import load_cast
from synthetic.clip import BEEP_LEVEL, SAMPLE_RATE, load_truth, read_lumas, truth_path, write_clip


def test_the_truth_beside_the_clip_is_the_truth_that_was_returned(sample: Any) -> None:
    stored = load_truth(truth_path(sample.path))
    assert (stored.size_wh, stored.fps, stored.first_number, stored.cuts) == ((640, 360), 30, 500, ())
    assert stored.people() == ("admiral", "astronaut")
    assert len(stored.frames) == len(sample.lumas) == 60
    for number in range(500, 560):
        for ours, theirs in zip(sample.truth.faces(number), stored.faces(number), strict=True):
            assert ours.person == theirs.person
            assert ours.box == pytest.approx(theirs.box, abs=0.001)
            assert (ours.visible, ours.occluded) == pytest.approx((theirs.visible, theirs.occluded), abs=0.001)


@pytest.mark.parametrize("number", [-1, 499, 560])
def test_frames_of_other_clips_are_not_in_the_truth(sample: Any, number: int) -> None:
    assert number not in sample.truth
    with pytest.raises(KeyError):
        sample.truth.faces(number)


def test_the_picture_has_a_keyframe_each_second_and_no_b_frames(sample: Any) -> None:
    with av.open(str(sample.path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.codec_context.name, stream.average_rate, stream.duration * stream.time_base) == ("h264", 30, 2)
    assert [index for index, packet in enumerate(packets) if packet.is_keyframe] == [0, 30]
    assert all(packet.pts == packet.dts for packet in packets)


def test_the_sound_beeps_for_a_tenth_of_a_second_at_whole_seconds(sample: Any) -> None:
    with av.open(str(sample.path)) as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert float(frames[0].time) == pytest.approx(0.0, abs=0.001)
    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.03)
    envelope = np.abs(samples[: 2 * SAMPLE_RATE]).reshape(-1, SAMPLE_RATE // 1000).max(axis=1)
    loud = np.flatnonzero(envelope > BEEP_LEVEL / 2)
    assert [int(ms) for ms in loud if ms - 1 not in loud] == pytest.approx([0, 1000], abs=3)
    assert len(loud) == pytest.approx(200, abs=10)


def test_sound_and_picture_are_equally_long_so_that_loops_do_not_drift(tmp_path: Path) -> None:
    clip = tmp_path / "loop.mp4"
    script = presets.small(["admiral"], seconds=8)
    write_clip(clip, script, load_cast())
    with av.open(str(clip)) as container:
        lengths = [Fraction(stream.duration) * stream.time_base for stream in container.streams]
    assert lengths[0] == 8
    assert lengths[1] == pytest.approx(8, abs=0.03)


def test_flv_is_written_as_well(tmp_path: Path) -> None:
    clip = tmp_path / "clip.flv"
    truth = write_clip(clip, presets.small(["astronaut"], seconds=1), load_cast())
    assert len(list(read_lumas(clip))) == len(truth.frames) == 30
    with av.open(str(clip)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
