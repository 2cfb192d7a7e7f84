"""A packet that is larger than a message: in pieces through the log, and whole again, or not at all."""

import re
from itertools import chain
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from mosaicast.adapters.kafka.config import EMBEDDED_LARGEST_BYTES
from mosaicast.contracts.codec import decode, encode
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import MediaPacket
from mosaicast.contracts.parts import PART_BYTES, Joiner, split
from mosaicast.contracts.topics import LARGEST_MESSAGE_BYTES, LARGEST_UNIT_BYTES, MEDIA, MIB
from tests.adapters.examples import PACKET

A_KAFKA_TAKES = 1_048_588
"""`message.max.bytes` of Apache Kafka, unless it is told otherwise."""
EDGE = Path(__file__).parents[2] / "deploy/edge/nginx.conf.template"


def packet(size: int, *, index: int = 0) -> MediaPacket:
    data = (index.to_bytes(4, "big") * (size // 4 + 1))[:size]
    return replace(PACKET, index=index, unit=index, data=data)


def through_the_log(message: MediaPacket) -> MediaPacket:
    return decode(MEDIA, encode(MEDIA, message))


@pytest.mark.parametrize("size", [0, 1, PART_BYTES])
def test_what_fits_into_a_message_is_one(size: int) -> None:
    whole = packet(size)
    assert split(whole) == [whole]
    assert Joiner().add(whole) == whole


@pytest.mark.parametrize("size", [PART_BYTES + 1, 2 * PART_BYTES, 5 * MIB, LARGEST_UNIT_BYTES])
def test_a_large_packet_comes_out_as_it_went_in(size: int) -> None:
    whole = packet(size)
    joiner = Joiner()
    came = [joiner.add(through_the_log(part)) for part in split(whole)]
    assert len(came) == -(-size // PART_BYTES)
    assert came == [None] * (len(came) - 1) + [whole]


def test_one_that_nobody_would_join_is_refused() -> None:
    with pytest.raises(ContractError, match="too_large"):
        split(packet(LARGEST_UNIT_BYTES + 1))


def test_limits_agree() -> None:
    """What the edge lets in fits into the pipe of the child, and is joined; each piece fits into any broker."""
    edge_bytes = int(re.findall(r"max_message (\d+)M;", EDGE.read_text())[0]) * MIB
    largest_codecs = tuple(replace(codec, extradata=bytes(65536)) for codec in PACKET.codecs)
    whole = replace(packet(LARGEST_UNIT_BYTES), codecs=largest_codecs)
    assert LARGEST_UNIT_BYTES - MIB < edge_bytes <= LARGEST_UNIT_BYTES, "and nothing much smaller is turned away"
    assert len(encode(MEDIA, whole)) <= LARGEST_MESSAGE_BYTES
    for part in split(whole):
        assert len(encode(MEDIA, part)) < min(A_KAFKA_TAKES, EMBEDDED_LARGEST_BYTES)


@pytest.mark.parametrize("lost", [0, 2, 4])
def test_a_packet_without_one_of_its_pieces_never_comes_out(lost: int) -> None:
    joiner = Joiner()
    parts = split(packet(5 * PART_BYTES))
    del parts[lost]
    after = packet(10, index=1)
    assert [joiner.add(message) for message in (*parts, after)] == [None] * 4 + [after]


def test_pieces_of_two_packets_are_never_mixed() -> None:
    joiner = Joiner()
    one, two = split(packet(3 * PART_BYTES)), split(packet(3 * PART_BYTES, index=1))
    assert [joiner.add(part) for part in (one[0], one[1], two[0], two[1], two[2])][:4] == [None] * 4
    assert [joiner.add(part) for part in (one[0], two[1], one[2])] == [None] * 3


def test_a_new_epoch_begins_another_packet() -> None:
    joiner = Joiner()
    one = packet(2 * PART_BYTES)
    two = replace(one, epoch=one.epoch + 1)
    assert joiner.add(split(one)[0]) is None
    assert [joiner.add(part) for part in split(two)] == [None, two]


def test_pieces_that_the_log_tells_twice_count_once() -> None:
    joiner = Joiner()
    whole = packet(3 * PART_BYTES)
    parts = split(whole)
    came = [joiner.add(part) for part in (parts[0], parts[0], parts[1], parts[0], parts[1], parts[2])]
    assert came == [None] * 5 + [whole]
    assert joiner.add(parts[2]) is None


def test_it_holds_no_more_than_the_largest_packet() -> None:
    joiner = Joiner()
    pieces = [replace(PACKET, data=bytes(8 * MIB), part=part, parts=3) for part in range(3)]
    assert [joiner.add(piece) for piece in pieces] == [None] * 3
    assert joiner._bytes <= LARGEST_UNIT_BYTES
    assert joiner.add(PACKET) == PACKET


def test_a_small_packet_has_no_field_that_readers_of_before_do_not_know() -> None:
    assert (PACKET.part, PACKET.parts) == (UNSET, UNSET)
    assert b"part" not in encode(MEDIA, PACKET)


def test_only_the_first_piece_has_the_codecs() -> None:
    parts = split(packet(3 * PART_BYTES))
    assert list(chain.from_iterable(part.codecs for part in parts)) == list(PACKET.codecs)
