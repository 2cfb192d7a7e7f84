"""One epoch in the child: what is read becomes messages, numbered without a hole."""

from dataclasses import dataclass

from mosaicast.adapters.media.pictures import Picture, PictureError
from mosaicast.adapters.media.source import EpochStarted, PacketRead
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import MediaPacket, SampledFrame
from mosaicast.core.fingerprint import fingerprint
from mosaicast.core.sampling import Sampler, SamplingPolicy, SceneCutDetector
from mosaicast.core.transitions import Transitions
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
        self._unit = 0
        self._seq = 0
        self._read_ms = wall_ms()
        self._cuts = SceneCutDetector()
        self._transitions = Transitions()
        self._previous: _Seen | None = None
        self._cut_untold = False
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
            stream_id=self._stream_id, epoch=self.number, index=self._index, unit=self._unit, track=packet.track,
            pts=packet.times.pts, dts=packet.times.dts, duration=packet.times.duration, time_base=packet.time_base,
            keyframe=packet.keyframe, codecs=codecs, data=packet.data, read_ms=self._read_ms,
        )  # fmt: skip
        self._index += 1  # also for what is too large: the reader must see the hole
        self._unit += packet.track == "video"
        try:
            self._outbox.send(pack(message))
        except ContractError:
            self._outbox.counters["packets_too_large"] += 1

    def add_picture(self, picture: Picture) -> None:
        """Send the picture, the one before it, both or none to analysis.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        seen = self._seen(picture)
        seen.begins_scene |= self._cut_untold
        decision = self._sampler.decide(picture.time, scene_cut=seen.begins_scene)
        if decision.previous and self._previous is not None:
            self._sample(self._previous)
        if decision.current:
            self._sample(seen)
        # Of two pictures of one time the first counts, for the compositor too; what the second began, the next tells.
        self._cut_untold = seen.begins_scene and not decision.current
        if self._previous is None or picture.time > self._previous.picture.time:
            self._previous = seen

    def end(self) -> None:
        """Have the last picture looked at, whatever the grid says, and say that no packet of this epoch follows.

        Raises:
            ParentGoneError: the parent is gone or stuck.
        """
        if self._previous is not None and not self._previous.sampled:
            self._sample(self._previous)
        self._previous = None
        message = MediaPacket(
            stream_id=self._stream_id, epoch=self.number, index=self._index, unit=self._unit, track="video",
            pts=0, dts=0, time_base=self._start.video.time_base, end_of_epoch=True, read_ms=wall_ms(),
        )  # fmt: skip
        self._outbox.send(pack(message))

    def _seen(self, picture: Picture) -> "_Seen":
        try:
            thumbnail = picture.thumbnail()
        except PictureError:
            return _Seen(picture, None)  # its sample fails too, and without samples everything is masked
        cut = self._cuts.update(thumbnail)
        self._transitions.add(picture.time, thumbnail)
        self._transitions.forget_before(picture.time)
        # After a gradual transition another shot has begun, though no two of its frames told so.
        return _Seen(picture, fingerprint(thumbnail), cut or self._transitions.just_over())

    def _sample(self, seen: "_Seen") -> None:
        """Offer a picture to analysis. A refused one keeps its number: the readers must see the hole, for it may have
        been a scene cut."""
        seen.sampled = True
        try:
            sent = seen.fingerprint is not None and self._outbox.offer(pack(self._message(seen, seen.fingerprint)))
        except (PictureError, ContractError):
            sent = False
        self._seq += 1
        if not sent:
            self._outbox.counters["samples_dropped"] += 1

    def _message(self, seen: "_Seen", fingerprint_: bytes) -> SampledFrame:
        width, height = seen.picture.size_wh
        return SampledFrame(
            stream_id=self._stream_id, epoch=self.number, seq=self._seq, pts=seen.picture.pts,
            time_base=self._start.video.time_base, width=width, height=height, scene_cut=seen.begins_scene,
            fingerprint=fingerprint_, detection_threshold=self._settings.detection_threshold,
            jpeg=seen.picture.jpeg(), read_ms=self._read_ms,
        )  # fmt: skip


@dataclass(slots=True)
class _Seen:
    """A decoded picture and what was found out about it."""

    picture: Picture
    fingerprint: bytes | None
    """None: it can't be read."""
    begins_scene: bool = False
    sampled: bool = False
