import msgspec
import pytest

from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import MediaPacket, SampledFrame, TimeBase
from services.ingest.wire import Command, End, Report, pack, pack_command, unpack, unpack_command

PACKET = MediaPacket(
    stream_id="s", epoch=1, index=0, unit=0, track="video", pts=0, dts=-1, time_base=TimeBase(1, 1000), read_ms=5
)
FRAME = SampledFrame(
    stream_id="s",
    epoch=1,
    seq=0,
    pts=0,
    time_base=TimeBase(1, 1000),
    width=2,
    height=2,
    fingerprint=bytes(144),
    jpeg=b"x",
    read_ms=5,
)


@pytest.mark.parametrize("message", [PACKET, FRAME, Report({"decode_errors": 2}), End("silent", "x", "network")])
def test_every_message_of_a_child_comes_back_as_it_was(message: End | MediaPacket | Report | SampledFrame) -> None:
    assert unpack(pack(message)) == message


def test_a_command_comes_back_as_it_was() -> None:
    assert unpack_command(pack_command(Command(12.0, 0.3))) == Command(12.0, 0.3)


@pytest.mark.parametrize(
    "raw",
    [b"", b"M", b"?abc", b"R\xff", b"E", b"F" + pack(PACKET)[1:], b"M" + pack(FRAME)[1:], pack(PACKET)[:-1],
     b"R" + msgspec.msgpack.encode({"counters": {"a": "b"}}), b"E" + msgspec.msgpack.encode({"code": "x", "more": 1}),
     # It becomes a label of metrics, a line of the status, a number that is added up.
     b"E" + msgspec.msgpack.encode({"code": "x\n# HELP"}),
     b"E" + msgspec.msgpack.encode({"code": "e", "text": "x" * 501}),
     b"R" + msgspec.msgpack.encode({"counters": {"a{b}": 1}}), b"R" + msgspec.msgpack.encode({"counters": {"a": -1}}),
     b"R" + msgspec.msgpack.encode({"counters": {f"a{n}": 1 for n in range(33)}})],
)  # fmt: skip
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(ContractError):
        unpack(raw)
