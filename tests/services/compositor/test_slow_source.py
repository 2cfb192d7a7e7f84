"""Sources that send a picture every few seconds: viewers' time goes on evenly, and HLS keeps to its target."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.sink import FlvSink
from mosaicast.contracts.messages import MediaPacket, TimeBase
from mosaicast.contracts.situations import clocks
from mosaicast.core.playlist import keeps_to_target
from services.compositor import still
from tests.adapters.av_clips import make_clip
from tests.adapters.sink_tools import VIDEO, frame
from tests.services.compositor.media import packets, verdicts
from tests.services.compositor.rig import DROPPED, Rig, end_of

PICTURES = 14


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[MediaPacket]:
    path = tmp_path_factory.mktemp("clips") / "slow.flv"
    make_clip(path, frames=PICTURES, audio=False)
    return packets(path)


def every(media: list[MediaPacket], step_s: float) -> list[MediaPacket]:
    """Return packets that are so far apart."""
    milliseconds = TimeBase(1, 1000)
    return [
        msgspec.structs.replace(packet, pts=at_ms, dts=at_ms, duration=0, time_base=milliseconds, codecs=tuple(
            msgspec.structs.replace(codec, time_base=milliseconds) for codec in packet.codecs
        ))
        for packet, at_ms in zip(media, (round(n * step_s * 1000) for n in range(len(media))), strict=True)
    ]  # fmt: skip


def played(rig: Rig, slow: list[MediaPacket]) -> list[tuple[float, float]]:
    """Play a slow source; return when each picture was pushed, by the clock and in the viewers' time."""
    said, start = verdicts(slow, every=1), rig.now
    pushed: list[tuple[float, float]] = []
    for packet in slow:
        while rig.now < start + float(packet.decode_time):
            rig.now += 0.02
            rig.step()
            pushed += [(rig.now, one.time_s) for one in rig.frames[len(pushed) :]]
        rig.engine.on_media(packet, rig.now)
        if packet.pts in said:
            rig.engine.on_verdict(said[packet.pts], rig.now)
    return pushed


@pytest.mark.parametrize("step_s", [2.3, 2.5, 3.0, 4.0, 7.0])
def test_time_goes_on_evenly_and_by_the_clock(rig: Rig, media: list[MediaPacket], step_s: float) -> None:
    pushed = played(rig, every(media, step_s))
    settled = [one for one in pushed if one[0] > pushed[0][0] + 3 * step_s]
    assert len(settled) > 20
    steps_s = [after[1] - before[1] for before, after in pairwise(settled)]
    assert min(steps_s) > 0
    assert max(steps_s) <= still.EVERY_S + 0.05
    (first_s, first_time_s), (last_s, last_time_s) = settled[0], settled[-1]
    assert last_time_s - first_time_s == pytest.approx(last_s - first_s, abs=0.6), "no drift"
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain(8.0)
    assert len(rig.outcomes) == PICTURES, "repeated pictures are in no book"
    assert not any(outcome.reason == "late" for outcome in rig.outcomes)


def test_a_source_with_a_picture_in_two_seconds_is_left_as_it_is(rig: Rig, media: list[MediaPacket]) -> None:
    played(rig, every(media, 2.0))
    assert rig.engine.still.repeated == 0


@pytest.mark.parametrize("step_s", [1.4, 1.6, 2.0, 2.1, 2.5, 2.75, 2.9])
def test_no_picture_is_late_because_the_next_one_is_slow(rig: Rig, media: list[MediaPacket], step_s: float) -> None:
    """Each waits for what follows it; when that comes it leaves."""
    played(rig, every(media, step_s))
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain(8.0)
    assert len(rig.outcomes) == PICTURES
    assert not any(outcome.disposition is DROPPED for outcome in rig.outcomes)


def test_a_slow_source_is_not_said_to_stand_still_while_it_does_not(rig: Rig, media: list[MediaPacket]) -> None:
    played(rig, every(media, 2.6))
    assert rig.engine.still.repeated > 2 * PICTURES
    assert rig.engine.note != clocks.STANDS_STILL.says()


def test_each_picture_goes_on_until_the_next_and_no_other(rig: Rig, media: list[MediaPacket]) -> None:
    played(rig, every(media, 3.0))
    lumas = [one.luma for one in rig.frames]
    changes = [not np.array_equal(before, after) for before, after in pairwise(lumas)]
    assert PICTURES - 4 <= sum(changes) < PICTURES, "each of them once"


@pytest.mark.parametrize("step_s", [2.6, 4.0])
def test_hls_of_it_has_whole_segments_and_no_breaks(
    rig: Rig, media: list[MediaPacket], step_s: float, tmp_path: Path
) -> None:
    pushed = played(rig, every(media, step_s))
    made: list[HlsSegment] = []
    sink = FlvSink(str(tmp_path / "out.flv"), VIDEO, None, Segmenter(made.append, lambda: 1))
    for number, (_, time_s) in enumerate(pushed):
        sink.write_frame(frame(number), time_s)
    sink.close()
    assert all(keeps_to_target(one.duration_s) for one in made)
    settled = [one.discontinuity for one in made][4:]
    assert len(settled) > 5
    assert not any(settled)
