"""A source that stands still: its last picture goes on as it was painted, checked again, until others come."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mosaicast.contracts.messages import MediaPacket, OutgoingFace, OutgoingFaces, VerdictMessage, WireTrack
from mosaicast.contracts.situations import clocks
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.types import Box, Reason
from services.compositor import still
from services.compositor.engine import Engine
from services.compositor.wire import Settled
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import distinct, packets, spec, verdicts
from tests.services.compositor.rig import DROPPED, FULL, MASKED, Rig, end_of, videos
from tests.services.compositor.test_engine_holes import feed_ann, with_ann

SILENCE_S = 10.0
NOTE = clocks.STANDS_STILL.says()
STRANGER = Box(40, 30, 120, 120)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[MediaPacket]:
    path = tmp_path_factory.mktemp("clips") / "two.flv"
    make_clip(path, frames=180)
    return distinct(packets(path))


def halves(media: list[MediaPacket]) -> tuple[list[MediaPacket], list[MediaPacket]]:
    return [p for p in media if p.decode_time < 3], [p for p in media if p.decode_time >= 3]


def later(media: list[MediaPacket], by_s: float) -> list[MediaPacket]:
    """Return packets whose source's clock went on meanwhile."""
    moved = [(packet, round(by_s / packet.time_base.seconds(1))) for packet in media]
    return [msgspec.structs.replace(packet, pts=packet.pts + by, dts=packet.dts + by) for packet, by in moved]


def new_frames(rig: Rig) -> int:
    return sum(outcome.disposition is not DROPPED for outcome in rig.outcomes)


def last_known(rig: Rig) -> np.ndarray:
    """Return the last picture that left by regions."""
    shown = [outcome for outcome in rig.outcomes if outcome.disposition is not DROPPED]
    number = max(n for n, outcome in enumerate(shown) if outcome.disposition is not FULL)
    return rig.frames[number].luma


def details(luma: np.ndarray) -> float:
    """Return how much a picture changes from one pixel to the next."""
    return float(np.abs(np.diff(luma.astype(int), axis=1)).mean())


def test_the_last_known_picture_goes_on_and_is_no_frame_of_the_books(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.feed(first, STRANGER, of=media)
    rig.drain(SILENCE_S)
    shown = new_frames(rig)
    assert len(rig.outcomes) == videos(first)
    repeated = rig.frames[shown:]
    assert len(repeated) == rig.engine.still.repeated
    assert len(repeated) == pytest.approx((SILENCE_S - still.AFTER_S) / still.EVERY_S, abs=2)
    assert all(np.array_equal(frame.luma, last_known(rig)) for frame in repeated)
    assert rig.kinds()[MASKED, ""] > 40, "it is a masked picture"
    assert rig.engine.note == NOTE
    assert rig.engine.still.goes_on
    assert all(a.time_s < b.time_s for a, b in pairwise(rig.frames))


@pytest.mark.parametrize("clock_goes_on", [False, True])
def test_when_pictures_come_again_time_goes_on_and_sound_stays_with_them(
    rig: Rig, media: list[MediaPacket], clock_goes_on: bool
) -> None:
    first, second = halves(media)
    rig.feed(first, of=media)
    rig.drain(SILENCE_S)
    before = len(rig.frames)
    said = verdicts(media)
    follows = later(second, SILENCE_S) if clock_goes_on else second
    moved = {new.pts: msgspec.structs.replace(said[old.pts], pts=new.pts)
             for old, new in zip(second, follows, strict=True) if old.track == "video" and old.pts in said}  # fmt: skip
    start = rig.now - float(follows[0].decode_time)
    for packet in follows:
        while rig.now < start + float(packet.decode_time):
            rig.now += 0.01
            rig.step()
        rig.engine.on_media(packet, rig.now)
        if packet.track == "video" and packet.pts in moved:
            rig.engine.on_verdict(moved[packet.pts], rig.now)
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain(2.0)
    assert len(rig.sinks) == 1, "viewers stay connected"
    (sink,) = rig.sinks
    assert all(a.time_s < b.time_s for a, b in pairwise(sink.frames))
    assert all(a[0] < b[0] for a, b in pairwise(sink.sound))
    assert not rig.engine.still.goes_on
    assert rig.engine.note != NOTE
    assert new_frames(rig) == videos(media), "none is lost"
    times = {packet.data: float(packet.time) for packet in follows if packet.track == "audio"}
    pictures = [p for p in follows if p.track == "video"]
    offset_s = sink.frames[-1].time_s - float(pictures[-1].time)
    again = [at_s - times[data] for at_s, data in sink.sound if data in times and at_s > sink.frames[before].time_s]
    assert again
    assert max(abs(each - offset_s) for each in again) < 0.04
    gaps = [b.time_s - a.time_s for a, b in pairwise(sink.frames[before - 1 :])]
    assert max(gaps) < 0.8, "players wait for nothing"


def test_what_was_never_known_goes_on_as_a_mosaic(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.feed(first, looks=False)
    rig.drain(SILENCE_S)
    repeated = rig.frames[new_frames(rig) :]
    assert repeated
    assert all(np.array_equal(frame.luma, rig.frames[new_frames(rig) - 1].luma) for frame in repeated)
    assert rig.kinds().keys() == {(FULL, "no_verdict")}


def test_panic_covers_a_picture_that_goes_on(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.feed(first, of=media)
    rig.drain(6.0)
    seen = rig.frames[-1].luma
    rig.engine.on_spec(spec(2, panic=True))
    rig.drain(2.0)
    assert details(rig.frames[-1].luma) < 0.5 * details(seen)


def test_a_consent_that_ends_covers_a_picture_that_goes_on(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.engine.on_spec(spec(2, visible_until={"ann": 5_000}))
    feed_ann(rig, first)
    rig.drain(6.0)
    seen = rig.frames[-1].luma
    assert np.array_equal(seen, last_known(rig))
    rig.wall_ms = 5_000
    rig.drain(2.0)
    assert details(rig.frames[-1].luma) < 0.5 * details(seen)


def test_a_verdict_that_doubts_who_is_seen_covers_a_picture_that_goes_on(rig: Rig, media: list[MediaPacket]) -> None:
    """Doubt looks back: whoever was taken for Ann a moment ago may have been somebody else."""
    first, _ = halves(media)
    rig.engine.on_spec(spec(2, visible_until={"ann": FOREVER_MS}))
    feed_ann(rig, first)
    rig.drain(6.0)
    seen = rig.frames[-1].luma
    last = max(verdicts(first).items())[1]
    stranger = WireTrack(track_id=1, box=Box(100, 50, 160, 120), clear=False, reason=Reason.UNKNOWN)
    rig.engine.on_verdict(
        msgspec.structs.replace(last, seq=last.seq + 1, after_seq=last.seq, tracks=(stranger,)), rig.now
    )
    rig.drain(1.0)
    assert details(rig.frames[-1].luma) < 0.5 * details(seen)


def test_another_name_in_the_spec_lets_no_old_picture_out_clear(rig: Rig, media: list[MediaPacket]) -> None:
    """What was painted masked stays masked; a spec that shows more waits for the next real picture."""
    first, _ = halves(media)
    feed_ann(rig, first)
    rig.drain(6.0)
    seen = rig.frames[-1].luma
    rig.engine.on_spec(spec(2, visible_until={"ann": FOREVER_MS}))
    rig.drain(2.0)
    assert details(rig.frames[-1].luma) <= details(seen)


def test_the_guard_checks_it_again_and_covers_it_if_it_sees_somebody(media: list[MediaPacket]) -> None:
    rig = Rig()
    rig.engine = Engine(rig._open, lambda: 1, looks_per_s=1.0)
    rig.engine.on_spec(spec())
    first, _ = halves(media)
    rig.feed(first, of=media)
    rig.drain(SILENCE_S - 2)
    rig.engine.guard.take_pictures()
    rig.drain(1.6)
    pictures = rig.engine.guard.take_pictures()
    assert pictures, "it is sent to the detector again"
    seen = rig.frames[-1].luma
    face = OutgoingFace(box=Box(40, 40, 140, 140), score=0.9)
    rig.engine.on_faces(
        OutgoingFaces(stream_id="st-1", epoch=pictures[-1].epoch, index=pictures[-1].index, faces=(face,), sent_ms=1),
        rig.now,
    )
    rig.drain(1.1)
    assert details(rig.frames[-1].luma) < 0.5 * details(seen)


def test_a_guard_that_tripped_before_leaves_nothing_to_go_on(rig: Rig, media: list[MediaPacket]) -> None:
    """The last frames are mosaicked for the guard: the one before them may be what it saw."""
    first, _ = halves(media)
    rig.feed(first, of=media)
    rig.drain(0.3)
    rig.engine.guard._guard._covered_until_s = rig.now + 60.0
    rig.drain(SILENCE_S)
    assert rig.kinds()[FULL, "guard"] > 0
    last_new = rig.frames[new_frames(rig) - 1].luma
    assert all(np.array_equal(frame.luma, last_new) for frame in rig.frames[new_frames(rig) :])


def test_a_new_reading_of_the_source_repeats_nothing_of_the_old_one(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.feed(first, of=media)
    rig.drain(6.0)
    told = rig.engine.still.repeated
    assert told > 0
    rig.engine.on_media(msgspec.structs.replace(media[0], epoch=2), rig.now)
    rig.drain(0.9)  # before its first picture leaves
    assert rig.engine.still.repeated == told


def taken_over(rig: Rig, media: list[MediaPacket], said: dict[int, VerdictMessage], looks_per_s: float = 0.0) -> None:
    """Have another child begin while the source stands still: it is given what the one before was given."""
    spec_of_before = rig.engine._spec
    shown = frozenset(outcome.index for outcome in rig.outcomes)
    rig.engine = Engine(rig._open, lambda: rig.wall_ms, looks_per_s)
    assert spec_of_before is not None
    rig.engine.on_spec(spec_of_before)
    rig.engine.on_settled(Settled(1, shown))
    for packet in media:
        rig.engine.on_media(packet, rig.now)
    for verdict in said.values():
        rig.engine.on_verdict(verdict, rig.now)


def test_the_picture_goes_on_after_the_child_that_sent_it_has_died(rig: Rig, media: list[MediaPacket]) -> None:
    first, _ = halves(media)
    rig.feed(first, STRANGER, of=media)
    rig.drain(5.0)
    assert rig.engine.still.goes_on
    seen, told = rig.frames[-1].luma, len(rig.outcomes)
    said = {pts: one for pts, one in verdicts(media, STRANGER).items() if pts <= max(p.pts for p in first)}
    taken_over(rig, first, said, looks_per_s=1.0)
    rig.drain(6.0)
    assert rig.engine.still.goes_on
    assert len(rig.outcomes) == told, "no frame is told twice"
    assert rig.sinks[-1].frames
    assert all(np.array_equal(frame.luma, seen) for frame in rig.sinks[-1].frames), "the same picture, masked as it was"
    assert rig.engine.guard.take_pictures(), "it is checked again"


def test_what_another_child_has_shown_clear_is_covered_if_it_may_not_be_seen_any_more(
    rig: Rig, media: list[MediaPacket]
) -> None:
    first, _ = halves(media)
    rig.engine.on_spec(spec(2, visible_until={"ann": 5_000}))
    feed_ann(rig, first)
    rig.drain(5.0)
    seen = rig.frames[-1].luma
    rig.wall_ms = 5_000
    taken_over(rig, first, {pts: with_ann(said) for pts, said in verdicts(first).items()})
    rig.drain(6.0)
    assert rig.engine.still.goes_on
    masked = rig.sinks[-1].frames[-1].luma
    changed = np.abs(masked.astype(int) - seen.astype(int))
    assert changed[50:120, 100:160].mean() > 5.0
    assert not changed[:, 200:].any(), "nothing else is covered"


def test_a_source_that_ended_does_not_go_on(rig: Rig, clip: Path) -> None:
    first = packets(clip)
    rig.feed(first)
    rig.engine.on_media(end_of(first), rig.now)
    rig.drain(SILENCE_S)
    assert rig.engine.still.repeated == 0
    assert rig.sinks[0].closed


def test_reasons_that_speak_against_the_picture_before_are_all_others() -> None:
    assert Reason.UNKNOWN not in still._NOT_YET_KNOWN
    assert {"no_verdict", "verdicts_late", "gap_too_long", "transition"} == still._NOT_YET_KNOWN
