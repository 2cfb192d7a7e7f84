"""Whom an engine may show, and what it does with holes, mismatches and too much that waits."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from mosaicast.contracts.messages import MediaPacket, Policy, VerdictMessage, WireTrack
from mosaicast.core import evidence
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.types import Box, Disposition, Reason
from services.compositor import epoch
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec, verdicts
from tests.services.compositor.rig import CLEAR, DROPPED, FULL, MASKED, Rig, end_of, videos


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
