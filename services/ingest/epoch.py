"""One epoch in the child: what is read becomes messages, numbered without a hole."""

from mosaicast.adapters.av_pictures import Picture, PictureError
from mosaicast.adapters.av_source import EpochStarted, PacketRead
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import MediaPacket, SampledFrame
from mosaicast.core.sampling import Sampler, SamplingPolicy, SceneCutDetector
from mosaicast.runtime.clocks import wall_ms
from services.ingest.outbox import Outbox
from services.ingest.wire import Command, pack


class EpochWriter:
    """Sends the packets and the samples of one epoch.

    Args:
        stream_id: whose.
        number: the epoch's number.
        start: its codecs.
        settings: how to analyse; see `adopt`.
        outbox: where messages go, and where `samples_dropped` and `packets_too_large` are counted.
    """

    def __init__(self, stream_id: str, number: int, start: EpochStarted, settings: Command, outbox: Outbox) -> None:
        self._stream_id = stream_id
        self.number = number
        self._start = start
        self._outbox = outbox
        self._index = 0
        self._seq = 0
        self._read_ms = wall_ms()
        self._cuts = SceneCutDetector()
        self._cut_untold = False
        self._previous: Picture | None = None
        self._settings = settings
        self._sampler = Sampler(SamplingPolicy(settings.analysis_fps))

    def adopt(self, settings: Command) -> None:
        """Use other settings from the next picture on."""
        self._settings = settings
        self._sampler.policy = SamplingPolicy(settings.analysis_fps)

    def add_packet(self, packet: PacketRead) -> None:
        """Pass a packet on, waiting while the pipe is full.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        self._read_ms = wall_ms()
        codecs = self._start.codecs if packet.track == "video" and packet.keyframe else ()
        message = MediaPacket(
            stream_id=self._stream_id, epoch=self.number, index=self._index, track=packet.track,
            pts=packet.times.pts, dts=packet.times.dts, duration=packet.times.duration, time_base=packet.time_base,
            keyframe=packet.keyframe, codecs=codecs, data=packet.data, read_ms=self._read_ms,
        )  # fmt: skip
        self._index += 1  # also for what is too large: the reader must see the hole
        try:
            self._outbox.send(pack(message))
        except ContractError:
            self._outbox.counters["packets_too_large"] += 1

    def add_picture(self, picture: Picture) -> None:
        """Send the picture, the one before it, both or none to analysis.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        cut = self._begins_scene(picture)
        decision = self._sampler.decide(picture.time, scene_cut=cut)
        if decision.previous and self._previous is not None:
            self._sample(self._previous)
        self._cut_untold |= cut
        if decision.current:
            self._sample(picture)
        self._previous = picture

    def end(self) -> None:
        """Say that no packet of this epoch follows.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        self._previous = None
        message = MediaPacket(
            stream_id=self._stream_id, epoch=self.number, index=self._index, track="video", pts=0, dts=0,
            time_base=self._start.video.time_base, end_of_epoch=True, read_ms=wall_ms(),
        )  # fmt: skip
        self._outbox.send(pack(message))

    def _begins_scene(self, picture: Picture) -> bool:
        try:
            return self._cuts.update(picture.thumbnail())
        except PictureError:
            return False  # its sample fails too, and without samples everything is masked

    def _sample(self, picture: Picture) -> None:
        try:
            sent = self._outbox.offer(pack(self._message(picture)))
        except (PictureError, ContractError):
            sent = False
        if not sent:
            self._outbox.counters["samples_dropped"] += 1  # the cut stays untold until a sample gets through
            return
        self._cut_untold = False
        self._seq += 1

    def _message(self, picture: Picture) -> SampledFrame:
        width, height = picture.size_wh
        return SampledFrame(
            stream_id=self._stream_id, epoch=self.number, seq=self._seq, pts=picture.pts,
            time_base=self._start.video.time_base, width=width, height=height, scene_cut=self._cut_untold,
            detection_threshold=self._settings.detection_threshold, jpeg=picture.jpeg(), read_ms=self._read_ms,
        )  # fmt: skip
