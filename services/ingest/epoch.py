"""One epoch in the child: messages go down the pipe, stamped with the wall clock."""

from collections import Counter

from mosaicast.adapters.media.pictures import Picture
from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.contracts.messages import MediaPacket, SampledFrame
from mosaicast.pipeline.source import SourceEpoch
from mosaicast.runtime.clocks import wall_ms
from services.ingest.parent_pipe import ParentPipe
from services.ingest.wire import Command, pack


class EpochWriter(SourceEpoch):
    """Sends the packets and the samples of one epoch. Every method may raise ParentGoneError.

    Args:
        stream_id: whose.
        number: the epoch's number.
        start: its codecs.
        settings: how to analyse; see `adopt`.
        pipe: where messages go, and where `samples_dropped` and `packets_too_large` are counted.
    """

    def __init__(self, stream_id: str, number: int, start: EpochStarted, settings: Command, pipe: ParentPipe) -> None:
        super().__init__(stream_id, number, start, settings, _PackedOutlet(pipe))
        self._read_ms = wall_ms()

    def add_packet(self, packet: PacketRead) -> None:
        """Pass a packet on, waiting while the pipe is full."""
        self.take_packet(packet, wall_ms())

    def add_picture(self, picture: Picture) -> None:
        """Send the picture, the one before it, both or none to analysis."""
        self.take_picture(picture)

    def end(self) -> None:
        """Have the last picture sampled, whatever the grid says, and say that no packet of this epoch follows."""
        self.finish(wall_ms())


class _PackedOutlet:
    """The outlet that packs what goes to the parent."""

    def __init__(self, pipe: ParentPipe) -> None:
        self._parent_pipe = pipe

    @property
    def counters(self) -> Counter[str]:
        return self._parent_pipe.counters

    def packet(self, message: MediaPacket) -> None:
        self._parent_pipe.send(pack(message))

    def sample(self, message: SampledFrame) -> bool:
        return self._parent_pipe.offer(pack(message))
