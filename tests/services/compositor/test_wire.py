"""What the child takes from packets that ingest did not write."""

from msgspec.structs import replace

from mosaicast.contracts.messages import CodecParameters, MediaPacket, TimeBase
from services.compositor.wire import with_known_codecs

MS = TimeBase(1, 1000)
VIDEO = CodecParameters(track="video", codec="h264", time_base=MS, width=640, height=360)
AUDIO = CodecParameters(track="audio", codec="aac", time_base=MS)
PACKET = MediaPacket(
    stream_id="s", epoch=1, index=0, unit=0, track="video", pts=0, dts=0, time_base=MS, codecs=(VIDEO, AUDIO), read_ms=1
)
KNOWN = frozenset({"h264", "aac"})


def test_codecs_on_the_list_pass() -> None:
    assert with_known_codecs(PACKET, KNOWN) is PACKET


def test_a_decoder_is_never_made_for_another_codec() -> None:
    foreign = replace(PACKET, codecs=(replace(VIDEO, codec="cinepak"), AUDIO))
    assert with_known_codecs(foreign, KNOWN).codecs == (AUDIO,)
    assert with_known_codecs(foreign, KNOWN).data == PACKET.data


def test_sound_is_never_decoded_so_it_needs_no_list() -> None:
    packet = replace(PACKET, codecs=(VIDEO, AUDIO))
    assert with_known_codecs(packet, frozenset({"h264"})) is packet
