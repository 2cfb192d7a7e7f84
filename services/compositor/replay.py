"""What a new child needs to go on: the current group of pictures and the recent verdicts. Bounded."""

from collections import deque
from fractions import Fraction

from mosaicast.contracts.messages import MediaPacket, VerdictMessage

LARGEST_BYTES = 32 * 1024 * 1024
VERDICTS_S = 12
"""Media time: the longest delay (10 s), and as far as the delay line looks back beyond it (masks are held 0.6 s)."""
MOST_VERDICTS = 1024
"""Three times what the densest samples (30 a second) make of it: time stamps may lie."""


class Replay:
    """Keeps the packets of the newest epoch since its last keyframe, and its recent verdicts."""

    def __init__(self) -> None:
        self.epoch = 0
        self.packets: list[MediaPacket] = []
        self.verdicts: deque[VerdictMessage] = deque(maxlen=MOST_VERDICTS)
        self._bytes = 0

    def add_packet(self, packet: MediaPacket) -> None:
        """Take in a packet; a keyframe forgets what was before it."""
        if packet.epoch < self.epoch:
            return
        starts_group = packet.keyframe and packet.track == "video"
        if packet.epoch > self.epoch or starts_group or self._bytes + len(packet.data) > LARGEST_BYTES:
            self._begin(packet.epoch)
        self.packets.append(packet)
        self._bytes += len(packet.data)

    def add_verdict(self, verdict: VerdictMessage) -> None:
        """Take in a verdict."""
        if verdict.epoch < self.epoch:
            return
        self.verdicts.append(verdict)
        while self.verdicts[0].epoch == verdict.epoch and _age_s(self.verdicts[0], verdict) > VERDICTS_S:
            self.verdicts.popleft()

    def _begin(self, epoch: int) -> None:
        if epoch > self.epoch:
            self.verdicts = deque((v for v in self.verdicts if v.epoch == epoch), maxlen=MOST_VERDICTS)
        self.epoch = epoch
        self.packets = []
        self._bytes = 0


def _age_s(one: VerdictMessage, newest: VerdictMessage) -> Fraction:
    return newest.time - one.time
