"""The life of one stream in a child, with a clock of our own and a sink that remembers."""

from collections import Counter
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from mosaicast.adapters.media.sink import FlvSink
from mosaicast.contracts.messages import MediaPacket, Policy, Zone
from mosaicast.core.types import Box
from services.compositor.engine import Engine
from services.compositor.output import RETRY_S
from services.compositor.wire import Settled
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec, verdicts
from tests.services.compositor.rig import CLEAR, DROPPED, FULL, MASKED, Rig, end_of, videos


def test_every_frame_has_one_outcome_and_leaves_in_order(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media)
    rig.drain()
    assert len(rig.outcomes) == len({outcome.index for outcome in rig.outcomes}) == videos(media)
    times = [frame.time_s for frame in rig.frames]
    assert times == sorted(times)
    assert rig.kinds()[CLEAR, ""] > 50


def test_b_frames_are_put_in_order(rig: Rig, tmp_path: Path) -> None:
    make_clip(tmp_path / "b.flv", frames=75, b_frames=2)
    media = packets(tmp_path / "b.flv")
    rig.feed(media)
    rig.engine.on_media(end_of(media), rig.now)  # the decoder holds the last two back until then
    rig.drain()
    assert len(rig.outcomes) == videos(media)
    assert rig.kinds()[CLEAR, ""] > 50
    assert [f.time_s for f in rig.frames] == sorted(f.time_s for f in rig.frames)


def test_without_a_spec_everything_is_mosaicked(clip: Path) -> None:
    rig = Rig()
    rig.feed(packets(clip))
    rig.drain()
    assert {kind for kind, _ in rig.kinds()} == {FULL}


def test_without_verdicts_everything_is_mosaicked(rig: Rig, clip: Path) -> None:
    rig.feed(packets(clip), looks=False)
    rig.drain()
    assert rig.kinds() == Counter({(FULL, "no_verdict"): 75})


def test_verdicts_of_another_epoch_are_worth_nothing(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.play(media, {pts: msgspec.structs.replace(said, epoch=7) for pts, said in verdicts(media).items()})
    rig.drain()
    assert {kind for kind, _ in rig.kinds()} == {FULL}


def test_a_stranger_is_painted_and_the_rest_is_not(rig: Rig, clip: Path) -> None:
    rig.feed(packets(clip), Box(100, 60, 140, 110))
    rig.drain()
    plain = Rig()
    plain.engine.on_spec(spec())
    plain.feed(packets(clip))
    plain.drain()
    assert rig.kinds()[MASKED, ""] > 50
    ours, theirs = rig.frames[30].luma.astype(int), plain.frames[30].luma.astype(int)
    assert np.abs(ours[60:110, 100:140] - theirs[60:110, 100:140]).mean() > 1
    assert np.abs(ours[:, 200:] - theirs[:, 200:]).max() == 0


def test_painting_does_not_smear_into_later_frames(rig: Rig, clip: Path) -> None:
    """A mask on early frames only: later ones, predicted from them, are as the source sent them."""
    media = packets(clip)
    rig.feed(media[: len(media) // 4], Box(100, 60, 200, 160), of=media)
    rig.feed(media[len(media) // 4 :], of=media)
    rig.drain()
    plain = Rig()
    plain.engine.on_spec(spec())
    plain.feed(media)
    plain.drain()
    assert np.array_equal(rig.frames[-1].luma, plain.frames[-1].luma)


def test_panic_and_its_release_count_at_once(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media)
    rig.engine.on_spec(spec(2, panic=True))
    shown = len(rig.outcomes)
    rig.drain(0.3)
    assert {o.reason for o in rig.outcomes[shown:]} == {"panic"}
    rig.engine.on_spec(spec(3))
    shown = len(rig.outcomes)
    rig.drain()
    assert FULL not in {o.disposition for o in rig.outcomes[shown:] if o.reason == "panic"}


def test_zones_are_painted_always(clip: Path) -> None:
    rig = Rig()
    rig.engine.on_spec(spec(policy=Policy(zones=(Zone(x=0.5, y=0.0, width=0.5, height=1.0),))))
    rig.feed(packets(clip))
    rig.drain()
    assert rig.kinds()[CLEAR, ""] == 0
    assert len(np.unique(rig.frames[30].luma[4:20, 170:180])) <= 4


def test_sound_is_untouched_and_in_step(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media)
    rig.drain()
    (sink,) = rig.sinks
    sent = {(packet.data, round(float(packet.time), 6)) for packet in media if packet.track == "audio"}
    assert len(sink.sound) > 50
    shown = [o for o in rig.outcomes if o.disposition is not DROPPED]
    first = next(float(p.time) for p in media if p.index == shown[0].index)
    offset = sink.frames[0].time_s - first
    for time_s, data in sink.sound:
        assert (data, round(time_s - offset, 6)) in sent


def test_a_new_epoch_drops_the_old_and_goes_on_in_the_same_push(rig: Rig, clip: Path) -> None:
    rig.feed(packets(clip))
    rig.feed(packets(clip, epoch=2))
    rig.drain()
    assert len(rig.sinks) == 1
    times = [frame.time_s for frame in rig.frames]
    assert times == sorted(times)
    assert rig.kinds()[DROPPED, "old_epoch"] > 0
    order = [o.epoch for o in rig.outcomes if o.disposition is not DROPPED]
    assert order == sorted(order), "no old frame after a new one"


def test_packets_of_an_older_epoch_are_dropped(rig: Rig, clip: Path) -> None:
    rig.feed(packets(clip, epoch=5))
    late = packets(clip, epoch=4)
    rig.feed(late)
    assert rig.kinds()[DROPPED, "old_epoch"] >= videos(late)


def test_a_new_size_is_a_new_push(rig: Rig, clip: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "other.flv", frames=30, size_wh=(240, 136))
    rig.feed(packets(clip))
    rig.feed(packets(tmp_path / "other.flv", epoch=2))
    rig.drain()
    assert [(s.video.width, s.video.height) for s in rig.sinks] == [(320, 180), (240, 136)]
    assert rig.sinks[0].closed


def test_the_end_of_the_source_lets_out_the_rest_and_hangs_up(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media)
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain()
    assert len(rig.outcomes) == videos(media)
    assert rig.sinks[0].closed


def test_garbage_is_counted_and_the_next_keyframe_heals(rig: Rig, tmp_path: Path) -> None:
    make_clip(tmp_path / "long.flv", frames=90)
    media = packets(tmp_path / "long.flv")
    broken = [
        p
        if p.track == "audio" or p.keyframe or p.index % 5
        else MediaPacket(**{**_fields(p), "data": b"\x00\x00\x00\x02\xff\xff"})
        for p in media
    ]
    rig.feed(broken)
    rig.drain()
    assert len(rig.outcomes) == videos(media)
    assert sum(o.disposition is not DROPPED for o in rig.outcomes) > 20


def _fields(packet: MediaPacket) -> dict[str, Any]:
    return {name: getattr(packet, name) for name in packet.__struct_fields__}


def test_before_the_first_keyframe_nothing_can_be_shown(rig: Rig, clip: Path) -> None:
    media = [p for p in packets(clip) if not p.keyframe or p.track == "audio"]
    rig.feed(media)
    rig.drain()
    assert {o.reason for o in rig.outcomes} == {"awaiting_keyframe"}
    assert rig.frames == []


def test_an_edge_that_is_away_costs_frames_and_is_tried_again(rig: Rig, clip: Path, tmp_path: Path) -> None:
    rig.refuse = True
    rig.feed(packets(clip))
    assert rig.kinds()[DROPPED, "sink_unavailable"] > 0
    assert "media server" in rig.engine.note
    rig.refuse = False
    rig.now += RETRY_S
    rig.feed(packets(clip, epoch=2))
    rig.drain()
    assert rig.kinds()[CLEAR, ""] > 30
    assert rig.engine.note == ""


def test_what_another_child_has_shown_is_not_shown_again(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    shown = frozenset(p.index for p in media[:40] if p.track == "video")
    rig.engine.on_settled(Settled(1, shown))
    rig.feed(media)
    rig.drain()
    assert {o.index for o in rig.outcomes}.isdisjoint(shown)


def test_late_frames_are_dropped_not_sent_late(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media[: len(media) // 2])
    rig.now += 30.0  # the machine slept
    rig.step()
    assert rig.kinds()[DROPPED, "late"] > 0


def test_sound_of_late_frames_is_dropped_with_them(rig: Rig, clip: Path) -> None:
    media = packets(clip)
    rig.feed(media[: len(media) // 2])
    rig.drain(0.2)
    before = sum(len(sink.sound) for sink in rig.sinks)
    rig.now += 30.0
    rig.step()
    assert rig.kinds()[DROPPED, "late"] > 0
    assert sum(len(sink.sound) for sink in rig.sinks) == before


@pytest.mark.parametrize("size_wh", [(322, 182), (64, 36)])
def test_a_real_file_comes_out(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    make_clip(tmp_path / "in.flv", frames=75, size_wh=size_wh)
    engine = Engine(lambda video, audio: FlvSink(str(tmp_path / "out.flv"), video, audio), lambda: 1)
    rig = Rig()
    rig.engine = engine
    engine.on_spec(spec())
    media = packets(tmp_path / "in.flv")
    rig.feed(media)
    rig.drain()
    engine.close()
    with av.open(str(tmp_path / "out.flv")) as written:
        assert written.streams.audio[0].codec_context.extradata
        kinds = Counter(packet.stream.type for packet in written.demux() if packet.dts is not None)
    assert kinds["video"] == sum(o.disposition is not DROPPED for o in rig.outcomes)
    assert kinds["audio"] > 50
