"""An epoch's end is told (and says how many packets there were), but its last packets never came: the look-ahead is
cut off at the newest packet that came, as if the source had ended there."""

from pathlib import Path

import pytest

from mosaicast.contracts.messages import MediaPacket
from mosaicast.core.types import Disposition
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec, verdicts
from tests.services.compositor.rig import Rig

FPS, LEAD = 30, 12
"""12 frames are `lead` (0.4 s)."""
NEWEST = 45
"""The newest video packet that came: 15 looks of every third frame end there."""


def play(path: Path, *, end: bool) -> set[int]:
    """Return the numbers of the frames that left painted region by region."""
    media = [packet for packet in packets(path) if packet.track == "video"]
    said = verdicts(media)
    told = {pts: verdict for pts, verdict in said.items() if pts <= media[NEWEST].pts}
    rig = Rig()
    rig.engine.on_spec(spec())
    rig.play(media[: NEWEST + 1], told)
    if end:
        rig.engine.on_media(
            MediaPacket(stream_id="st-1", epoch=1, index=media[-1].index + 1, unit=len(media), track="video", pts=0,
                        dts=0, time_base=media[0].time_base, end_of_epoch=True, read_ms=1), rig.now)  # fmt: skip
    rig.drain()
    return {o.index for o in rig.outcomes if o.disposition in (Disposition.CLEAR, Disposition.MASKED)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "plain.flv"
    make_clip(path, frames=75, audio=False)
    return path


@pytest.mark.parametrize("end", [False, True], ids=["no end is told", "the end is told, 29 packets before it are lost"])
def test_frames_whose_look_ahead_is_unknown_are_mosaicked(clip: Path, end: bool) -> None:
    by_regions = play(clip, end=end)
    assert by_regions, "or it proves nothing"
    assert max(by_regions) <= NEWEST - LEAD, "verdicts reach to frame 45 of 75, and the epoch did not end there"
