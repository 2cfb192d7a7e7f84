"""The life of one stream in a child, with a clock of our own and a sink that remembers."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.sink import AudioFormat, FlvSink, SinkError
from mosaicast.contracts.messages import MediaPacket, Policy, VerdictMessage, WireTrack, Zone
from mosaicast.core import evidence
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.types import Box, Disposition, Reason
from services.compositor import epoch
from services.compositor.engine import Engine
from services.compositor.output import RETRY_S
from services.compositor.wire import Outcome, Settled
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec, verdicts

FULL, MASKED, CLEAR, DROPPED = Disposition.FULL_MOSAIC, Disposition.MASKED, Disposition.CLEAR, Disposition.DROPPED


@dataclass
class Shown:
    time_s: float
    key: bool
    luma: np.ndarray


@dataclass
class Memory:
    """A sink that keeps what it is given."""

    video: VideoFormat
    audio: AudioFormat | None
    frames: list[Shown] = field(default_factory=list)
    sound: list[tuple[float, bytes]] = field(default_factory=list)
    closed: bool = False
    broken: bool = False

    def write_frame(self, frame: av.VideoFrame, time_s: float, *, force_keyframe: bool = False) -> None:
        if self.broken:
            raise SinkError("broken")
        self.frames.append(Shown(time_s, force_keyframe, frame.to_ndarray(format="gray").copy()))

    def write_audio(self, packet: MediaPacket, time_s: float) -> None:
        self.sound.append((time_s, packet.data))

    def close(self) -> None:
        self.closed = True


class Rig:
    """An engine, its sinks, and a clock that follows the media."""

    def __init__(self) -> None:
        self.sinks: list[Memory] = []
        self.refuse = False
        self.wall_ms = 1
        self.engine = Engine(self._open, lambda: self.wall_ms)
        self.now = 100.0
        self.outcomes: list[Outcome] = []

    def _open(self, video: VideoFormat, audio: AudioFormat | None) -> Any:
        if self.refuse:
            raise SinkError("nobody there")
        self.sinks.append(Memory(video, audio))
        return self.sinks[-1]

    def feed(
        self, clip: list[MediaPacket], *boxes: Box, looks: bool = True, of: list[MediaPacket] | None = None
    ) -> None:
        """Play packets, each verdict with its packet. `of`: the clip that they are a part of."""
        self.play(clip, verdicts(of or clip, *boxes) if looks else {})

    def play(self, clip: list[MediaPacket], said: dict[int, VerdictMessage]) -> None:
        start = self.now
        for packet in clip:
            self.now = max(self.now, start + float(packet.decode_time))
            self.engine.on_media(packet, self.now)
            if packet.track == "video" and packet.pts in said:
                self.engine.on_verdict(said[packet.pts], self.now)
            self.step()

    def step(self) -> None:
        self.engine.step(self.now)
        self.outcomes += self.engine.take_outcomes()

    def drain(self, seconds: float = 3.0) -> None:
        for _ in range(int(seconds / 0.02)):
            self.now += 0.02
            self.step()

    def kinds(self) -> Counter[tuple[Disposition, str]]:
        return Counter((outcome.disposition, outcome.reason) for outcome in self.outcomes)

    @property
    def frames(self) -> list[Shown]:
        return [frame for sink in self.sinks for frame in sink.frames]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "plain.flv"
    make_clip(path, frames=75)
    return path


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.engine.on_spec(spec())
    return rig


def videos(clip: list[MediaPacket]) -> int:
    return sum(packet.track == "video" for packet in clip)


def end_of(media: list[MediaPacket]) -> MediaPacket:
    return MediaPacket(
        stream_id="st-1", epoch=1, index=len(media), unit=videos(media), track="video", pts=0, dts=0,
        time_base=media[0].time_base, end_of_epoch=True, read_ms=1,
    )  # fmt: skip


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
    assert "edge" in rig.engine.note
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


def with_ann(said: VerdictMessage) -> VerdictMessage:
    ann = WireTrack(track_id=1, box=Box(100, 50, 160, 120), clear=True, reason=Reason.ENROLLED, person_id="ann")
    return msgspec.structs.replace(said, tracks=(ann,))


def feed_ann(rig: Rig, media: list[MediaPacket]) -> None:
    rig.play(media, {pts: with_ann(said) for pts, said in verdicts(media).items()})


SLOW = Policy(delay_s=3.0)
"""The whole clip waits before its first frame leaves."""


def test_nobody_is_seen_whom_the_spec_does_not_name(rig: Rig, clip: Path) -> None:
    feed_ann(rig, packets(clip))
    rig.drain()
    assert rig.kinds()[CLEAR, ""] == 0
    assert rig.kinds()[MASKED, ""] > 10


def test_a_consent_taken_back_masks_the_frames_that_wait(rig: Rig, clip: Path) -> None:
    rig.engine.on_spec(spec(2, policy=SLOW, visible_until={"ann": FOREVER_MS}))
    feed_ann(rig, packets(clip))
    rig.drain(2.0)
    seen = rig.kinds()[CLEAR, ""]
    assert seen > 5
    rig.engine.on_spec(spec(3, policy=SLOW))
    rig.drain()
    assert rig.kinds()[CLEAR, ""] == seen
    assert rig.kinds()[MASKED, ""] > 5


def test_a_consent_that_runs_out_masks_the_frames_that_wait(rig: Rig, clip: Path) -> None:
    rig.engine.on_spec(spec(2, policy=SLOW, visible_until={"ann": 5_000, "bob": 9_000}))
    feed_ann(rig, packets(clip))
    rig.wall_ms = 4_999
    rig.drain(2.0)
    seen = rig.kinds()[CLEAR, ""]
    assert seen > 5
    rig.wall_ms = 5_000
    rig.drain()
    assert rig.kinds()[CLEAR, ""] == seen
    assert rig.kinds()[MASKED, ""] > 5


# --- pictures and verdicts that do not belong together -------------------------------------------------------------


def long_clip(tmp_path: Path) -> list[MediaPacket]:
    """Keyframes every 30 frames."""
    make_clip(tmp_path / "long.flv", frames=120)
    return packets(tmp_path / "long.flv")


def kinds_by_unit(rig: Rig, media: list[MediaPacket]) -> dict[int, tuple[Disposition, str]]:
    unit_of = {packet.index: packet.unit for packet in media if packet.track == "video"}
    return {unit_of[o.index]: (o.disposition, o.reason) for o in rig.outcomes}


def test_frames_after_a_lost_packet_are_mosaicked_until_the_next_keyframe(rig: Rig, tmp_path: Path) -> None:
    media = long_clip(tmp_path)
    keyframes = [packet.unit for packet in media if packet.track == "video" and packet.keyframe]
    lost = keyframes[1] + 5
    rig.feed([packet for packet in media if packet.track == "audio" or packet.unit != lost], of=media)
    rig.drain()
    kinds = kinds_by_unit(rig, media)
    assert {kinds[unit] for unit in range(lost + 1, keyframes[2])} == {(FULL, "packet_lost")}
    assert kinds[keyframes[2] + 3] == kinds[lost - 4] == (CLEAR, "")


def test_a_lost_keyframe_of_a_new_scene_shows_nobody_of_the_old_one(rig: Rig, tmp_path: Path) -> None:
    """H.264's concealment kept the old scene, and its stranger left clear for 17 frames."""
    media = long_clip(tmp_path)
    keyframes = [packet.unit for packet in media if packet.track == "video" and packet.keyframe]
    lost = keyframes[2]
    rig.feed([packet for packet in media if packet.track == "audio" or packet.unit != lost], of=media)
    rig.engine.on_media(end_of(media), rig.now)  # the decoder has no picture for some, and says so at the end
    rig.drain()
    kinds = kinds_by_unit(rig, media)
    assert {kinds[unit][0] for unit in range(lost + 1, keyframes[3])} <= {FULL, DROPPED}
    assert kinds[keyframes[3] + 3] == (CLEAR, "")


def test_after_a_loss_what_is_only_called_a_keyframe_mends_nothing(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x264's intra-refresh: the decoder went on with pieces of the old scene for most of a second."""
    monkeypatch.setattr(evidence, "same_picture", lambda one, other: True)  # a face may be too small to tell
    make_clip(tmp_path / "refresh.flv", frames=120, cut_at=45, keyframe_every=30, x264="intra-refresh=1")
    media = packets(tmp_path / "refresh.flv")
    units = {packet.unit: packet for packet in media if packet.track == "video"}
    assert [unit for unit, packet in units.items() if packet.keyframe] == [0, 30, 60, 90]
    rig.feed([packet for packet in media if packet.track == "audio" or packet.unit not in range(45, 50)], of=media)
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain()
    kinds = kinds_by_unit(rig, media)
    assert {kinds[unit] for unit in range(50, 60)} <= {(FULL, "packet_lost"), (DROPPED, "decode_error")}
    assert {kinds[unit] for unit in range(60, 75)} == {(DROPPED, "decode_error")}, "pieces of the old scene"
    assert kinds[95] == (CLEAR, "")


def test_two_packets_of_one_time_have_two_ends_and_neither_vouches_for_the_other(rig: Rig, tmp_path: Path) -> None:
    make_clip(tmp_path / "b.flv", frames=120, b_frames=2, keyframe_every=30)
    media = packets(tmp_path / "b.flv")
    keyframe = [packet for packet in media if packet.track == "video" and packet.keyframe][2]
    lost, twin = keyframe.unit - 2, keyframe.unit - 1
    doubled = [
        msgspec.structs.replace(packet, pts=keyframe.pts) if packet.track == "video" and packet.unit == twin else packet
        for packet in media
        if packet.track == "audio" or packet.unit != lost
    ]
    rig.feed(doubled, of=media)
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain()
    assert Counter(outcome.index for outcome in rig.outcomes) == Counter(p.index for p in doubled if p.track == "video")
    assert kinds_by_unit(rig, media)[twin][0] in {FULL, DROPPED}


def test_a_verdict_on_another_picture_mosaics_what_it_would_bracket(rig: Rig, tmp_path: Path) -> None:
    media = long_clip(tmp_path)
    said = verdicts(media)
    wrong = sorted(said)[10]
    said[wrong] = msgspec.structs.replace(said[wrong], fingerprint=bytes(144))
    rig.play(media, said)
    rig.drain()
    kinds = kinds_by_unit(rig, media)
    assert [unit for unit, kind in kinds.items() if kind == (FULL, "picture_differs")] == list(range(28, 33))


def test_a_lost_verdict_mosaics_its_neighbourhood(rig: Rig, tmp_path: Path) -> None:
    media = long_clip(tmp_path)
    said = verdicts(media)
    del said[sorted(said)[10]]
    rig.play(media, said)
    rig.drain()
    kinds = kinds_by_unit(rig, media)
    assert [unit for unit, kind in kinds.items() if kind == (FULL, "verdict_lost")] == list(range(28, 33))


def test_pictures_that_wait_are_bounded_in_bytes(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """123 kB of 360p whose pictures were shown long after they came held 574 of them, 206 MB."""
    media = long_clip(tmp_path)
    monkeypatch.setattr(epoch, "MOST_HELD_BYTES", 10 * 320 * 180 * 3 // 2)
    late = [msgspec.structs.replace(p, pts=p.pts + 5000) if p.track == "video" else p for p in media]
    rig.play(late, {})
    run = rig.engine._run
    assert run is not None
    assert 0 < len(run._held) <= 11
    rig.drain(12)
    assert len(rig.outcomes) == videos(media)
    assert run._held_bytes == run._encoded_bytes == 0


def test_packets_that_wait_are_bounded_in_bytes(rig: Rig, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = packets(clip)
    monkeypatch.setattr(epoch, "MOST_ENCODED_BYTES", 1)
    rig.feed(media)
    rig.drain()
    assert rig.kinds() == Counter({(DROPPED, "too_many_bytes"): videos(media)})
