"""How many video packets of a stream the log lost, by the numbers of those that came."""

from mosaicast.contracts.messages import MediaPacket

EPOCHS = 1000
"""So many are remembered: half an hour of a log that loses a packet each second or two."""


class UnitNumbers:
    """The numbers of one stream's video packets, over its epochs.

    Packets before the first one that we see are another instance's. All later ones are ours: the rest of that epoch,
    and later epochs from their beginning on.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        """Of each epoch: the number that the next video packet will have."""
        self._first = 0
        self._others: int | None = None
        """Packets of epochs before the first one that we saw, as ingest counts; None: it did not tell yet."""

    def missing(self, packet: MediaPacket) -> int:
        """Take note of a packet and return how many video packets are missing before it that were not told before."""
        if not self._next:
            self._first = packet.epoch
            self._next[packet.epoch] = packet.unit
        lost = self._before(packet)
        known = self._next.setdefault(packet.epoch, 0 if packet.epoch > self._first else packet.unit)
        is_unit = packet.track == "video" and not packet.end_of_epoch
        self._next[packet.epoch] = max(known, packet.unit + is_unit)
        self._forget()
        return lost + max(0, packet.unit - known)

    def told(self, packet: MediaPacket) -> bool:
        """Whether a video packet was already told as missing: it is late, and its epoch is over."""
        return packet.unit < self._next.get(packet.epoch, 0)

    def _before(self, packet: MediaPacket) -> int:
        """Return how many are missing of the epochs before this packet's."""
        if not packet.since_epoch:
            return 0
        told = sum(units for epoch, units in self._next.items() if packet.since_epoch <= epoch < packet.epoch)
        if packet.since_epoch > self._first:
            others = 0
        elif self._others is None:
            others = self._others = packet.units_since - told
        else:
            others = self._others
        lost = packet.units_since - others - told
        if lost > 0:
            newest = max((epoch for epoch in self._next if epoch < packet.epoch), default=0)
            of = max(newest, packet.since_epoch)
            self._next[of] = self._next.get(of, 0) + lost
        return max(0, lost)

    def _forget(self) -> None:
        if len(self._next) > EPOCHS:
            del self._next[min(self._next)]
            self._first, self._others = min(self._next), None
