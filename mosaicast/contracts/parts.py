"""A packet that is larger than a message travels in pieces: ingest splits it, the compositor joins it."""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import MediaPacket
from mosaicast.contracts.topics import KIB, LARGEST_UNIT_BYTES

PART_BYTES = 880 * KIB
"""With the largest codec data, 128 KiB, a message of it stays below 1,048,588 bytes: a Kafka takes that unless it is
told otherwise. The embedded broker keeps 5 MB of a partition, which are five of them."""


def split(packet: MediaPacket) -> list[MediaPacket]:
    """Return the messages that carry a packet: itself, or its pieces in order.

    Raises:
        ContractError: `too_large`; nobody would join it.
    """
    size = len(packet.data)
    if size <= PART_BYTES:
        return [packet]
    if size > LARGEST_UNIT_BYTES:
        raise ContractError("too_large", f"{size} bytes in one picture, at most {LARGEST_UNIT_BYTES}")
    pieces = [packet.data[at : at + PART_BYTES] for at in range(0, size, PART_BYTES)]
    return [
        replace(packet, data=piece, part=part, parts=len(pieces), codecs=packet.codecs if part == 0 else ())
        for part, piece in enumerate(pieces)
    ]


class Joiner:
    """Joins the pieces of one stream. It holds the data of one packet at most, `LARGEST_UNIT_BYTES`.

    A packet of which a piece is missing never comes out: by the numbers of the next one its reader sees the hole.
    """

    def __init__(self) -> None:
        self._first: MediaPacket | None = None
        self._pieces: list[bytes] = []
        self._bytes = 0

    def add(self, message: MediaPacket) -> MediaPacket | None:
        """Take in a message in the order of the log, which may tell one twice; return the packet that it completes."""
        part, parts = message.part, message.parts
        if isinstance(part, UnsetType) or isinstance(parts, UnsetType):
            self._forget()
            return message
        if not self._continues(message):
            self._forget()
            self._first = message if part == 0 else None
        if self._first is None or part < len(self._pieces):
            return None
        if part > len(self._pieces) or self._bytes + len(message.data) > LARGEST_UNIT_BYTES:
            self._forget()
            return None
        self._pieces.append(message.data)
        self._bytes += len(message.data)
        return self._whole(self._first) if len(self._pieces) == parts else None

    def _continues(self, message: MediaPacket) -> bool:
        first = self._first
        return first is not None and (first.epoch, first.index) == (message.epoch, message.index)

    def _whole(self, first: MediaPacket) -> MediaPacket:
        whole = replace(first, data=b"".join(self._pieces), part=UNSET, parts=UNSET)
        self._forget()
        return whole

    def _forget(self) -> None:
        self._first, self._pieces, self._bytes = None, [], 0
