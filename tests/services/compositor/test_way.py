"""A way that becomes longer, with real packets: nothing is lost, and sound stays with its picture."""

import pytest

from mosaicast.contracts.messages import MediaPacket
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import distinct, packets, spec, verdicts
from tests.services.compositor.rig import DROPPED, FULL, Rig, end_of, videos

STEP_AT_S = 3.0


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[MediaPacket]:
    path = tmp_path_factory.mktemp("clips") / "long.flv"
    make_clip(path, frames=240)
    return distinct(packets(path))


def lagged(rig: Rig, media: list[MediaPacket], step_s: float) -> Rig:
    rig.lag(media, lambda at_s: step_s if at_s >= STEP_AT_S else 0.0, verdicts(media))
    return rig


def offsets_s(rig: Rig, media: list[MediaPacket]) -> tuple[list[float], list[float]]:
    """Return the push's time of each picture and each piece of sound, less its media time."""
    times = {packet.index: float(packet.time) for packet in media}
    shown = [times[outcome.index] for outcome in rig.outcomes if outcome.disposition is not DROPPED]
    heard = {packet.data: float(packet.time) for packet in media if packet.track == "audio"}
    (sink,) = rig.sinks
    pictures = [frame.time_s - time_s for frame, time_s in zip(sink.frames, shown, strict=True)]
    return pictures, [at_s - heard[data] for at_s, data in sink.sound]


@pytest.mark.parametrize("step_s", [0.3, 1.2, 2.8])
def test_a_longer_way_loses_no_frame_and_sound_stays_with_its_picture(
    rig: Rig, media: list[MediaPacket], step_s: float
) -> None:
    lagged(rig, media, step_s)
    rig.engine.on_media(end_of(media), rig.now)
    rig.drain(5.0)
    assert len(rig.outcomes) == videos(media)
    assert [outcome for outcome in rig.outcomes if outcome.disposition is DROPPED] == []
    full = sum(outcome.disposition is FULL for outcome in rig.outcomes)
    assert full <= (12 if step_s <= 2.0 else 30), rig.kinds()
    pictures, sound = offsets_s(rig, media)
    assert max(pictures) - min(pictures) < 0.002
    assert len(sound) > 0.9 * sum(packet.track == "audio" for packet in media)
    assert max(abs(each - pictures[0]) for each in sound) < 0.04


def test_it_says_how_far_behind_the_picture_is(rig: Rig, media: list[MediaPacket]) -> None:
    assert rig.engine.behind_s == 0.0
    lagged(rig, media, 1.2)
    rig.drain(0.5)
    assert rig.engine.behind_s == pytest.approx(2.2, abs=0.1)
    assert rig.engine.note == "The way from the source has become longer: pictures are 2.2 s behind it, not 1.0 s."


def test_pictures_that_wait_in_a_stall_are_bounded_in_bytes(
    rig: Rig, media: list[MediaPacket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.compositor.epoch.MOST_HELD_BYTES", 6 * 320 * 180 * 3 // 2)
    rig.engine.on_spec(spec(2))
    rig.lag(media, lambda at_s: 1.5 if at_s >= STEP_AT_S else 0.0, verdicts(media))
    run = rig.engine._run
    assert run is not None
    assert len(run._held) <= 7
    rig.drain(6.0)
    assert len(rig.outcomes) == videos(media)
