"""The contract allows parameters of all tracks on sound that comes before the first keyframe (`MediaPacket.codecs`).
Then the picture's size is known before the first video packet, and nobody sets the always-masked zones of the epoch."""

from pathlib import Path

from msgspec.structs import replace

from mosaicast.contracts.messages import Policy, Zone
from mosaicast.core.types import Disposition
from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import packets, spec, verdicts
from tests.services.compositor.rig import Rig


def test_a_zone_is_masked_whichever_packet_told_the_size(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.flv", frames=75)
    media = packets(tmp_path / "clip.flv")
    sound = next(packet for packet in media if packet.track == "audio")
    codecs = next(packet.codecs for packet in media if packet.codecs)
    first = replace(sound, index=0, unit=0, codecs=codecs)
    media = [replace(packet, index=number + 1) for number, packet in enumerate(media)]
    rig = Rig()
    rig.engine.on_spec(spec(policy=Policy(zones=(Zone(x=0.0, y=0.0, width=0.5, height=0.5),))))
    rig.play([first, *media], verdicts(media))
    rig.drain()
    kinds = {kind for kind, _ in rig.kinds()}
    assert Disposition.FULL_MOSAIC in kinds, "or it proves nothing"
    assert Disposition.CLEAR not in kinds, "there is a zone in every frame"
