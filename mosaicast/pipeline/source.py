"""One epoch of a source: what is read becomes messages, numbered without a hole."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import CodecParameters, MediaPacket, SampledFrame, TimeBase
from mosaicast.core.fingerprint import fingerprint
from mosaicast.core.sampling import Sampler, SamplingPolicy, SceneCutDetector
from mosaicast.core.transitions import Transitions
from mosaicast.core.types import MediaTime
from mosaicast.imaging.jpeg_header import fitted
from mosaicast.pipeline.errors import PictureError
from mosaicast.pipeline.ports import PacketTimes, SourcePicture


@dataclass(frozen=True, slots=True)
class EpochStarted:
    """An uninterrupted reading begins here, at a video keyframe."""

    codecs: tuple[CodecParameters, ...]

    @property
    def video(self) -> CodecParameters:
        """Parameters of the video track."""
        return self.codecs[0]


@dataclass(frozen=True, slots=True)
class PacketRead:
    """One encoded packet; times in ticks of `time_base`."""

    track: Literal["video", "audio"]
    times: PacketTimes
    time_base: TimeBase
    keyframe: bool
    data: bytes
    parameters: CodecParameters | None = None
    """Of sound: those of its track, which may begin or change at any time."""

    @property
    def decode_time(self) -> MediaTime:
        """When a player decodes it, exact seconds."""
        return self.time_base.seconds(self.times.dts)


Event = EpochStarted | PacketRead | SourcePicture
"""What a source tells, in order: each packet, then the pictures that it completed."""


class Analysis(Protocol):
    """How pictures are analysed."""

    @property
    def analysis_fps(self) -> float:
        """Samples a second, besides those at scene cuts."""

    @property
    def detection_threshold(self) -> float:
        """Score from which a face counts."""


class Outlet(Protocol):
    """Where the messages of an epoch go."""

    @property
    def counters(self) -> Counter[str]:
        """What was not passed on, and why."""

    def packet(self, message: MediaPacket) -> None:
        """Take a packet, at any cost. Raises ContractError: it is too large."""

    def sample(self, message: SampledFrame) -> bool:
        """Take a sample; False: there was no room for it. Raises ContractError: it is too large."""


class SourceEpoch:
    """Passes on the packets and the samples of one epoch.

    Args:
        stream_id: whose.
        number: the epoch's number.
        start: its codecs.
        settings: how to analyse; see `adopt`.
        outlet: where messages go, and where `samples_dropped` and `packets_too_large` are counted.
    """

    def __init__(self, stream_id: str, number: int, start: EpochStarted, settings: Analysis, outlet: Outlet) -> None:
        self._stream_id = stream_id
        self.number = number
        self._start = start
        self._codecs = start.codecs
        self._outlet = outlet
        self._index = 0
        self._unit = 0
        self._seq = 0
        self._read_ms = 0
        self._cuts = SceneCutDetector()
        self._transitions = Transitions()
        self._previous: _Seen | None = None
        self._cut_untold = False
        self._settings = settings
        self._sampler = Sampler(SamplingPolicy(settings.analysis_fps))

    def adopt(self, settings: Analysis) -> None:
        """Use other settings from the next picture on."""
        self._settings = settings
        self._sampler.policy = SamplingPolicy(settings.analysis_fps)

    def take_packet(self, packet: PacketRead, read_ms: int) -> None:
        """Pass a packet on.

        Args:
            read_ms: wall time at which it was read, for measuring.
        """
        self._read_ms = read_ms
        tells = packet.track == "video" and packet.keyframe
        if packet.parameters is not None and packet.parameters not in self._codecs:
            self._codecs, tells = (self._start.video, packet.parameters), True
        message = MediaPacket(
            stream_id=self._stream_id, epoch=self.number, index=self._index, unit=self._unit, track=packet.track,
            pts=packet.times.pts, dts=packet.times.dts, duration=packet.times.duration, time_base=packet.time_base,
            keyframe=packet.keyframe, codecs=self._codecs if tells else (), data=packet.data, read_ms=self._read_ms,
        )  # fmt: skip
        self._index += 1  # also for what is too large: the reader must see the hole
        self._unit += packet.track == "video"
        try:
            self._outlet.packet(message)
        except ContractError:
            self._outlet.counters["packets_too_large"] += 1

    def take_picture(self, picture: SourcePicture) -> None:
        """Send the picture, the one before it, both or none to analysis."""
        seen = self._seen(picture)
        seen.begins_scene |= self._cut_untold
        decision = self._sampler.decide(picture.time, scene_cut=seen.begins_scene)
        if decision.previous and self._previous is not None:
            self._sample(self._previous)
        if decision.current:
            self._sample(seen)
        # Of two pictures of one time the first counts, for the compositor too. The next one tells a cut at the second.
        self._cut_untold = seen.begins_scene and not decision.current
        if self._previous is None or picture.time > self._previous.picture.time:
            self._previous = seen

    def finish(self, read_ms: int) -> None:
        """Have the last picture sampled, whatever the grid says, and say that no packet of this epoch follows."""
        if self._previous is not None and not self._previous.sampled:
            self._sample(self._previous)
        self._previous = None
        message = MediaPacket(
            stream_id=self._stream_id, epoch=self.number, index=self._index, unit=self._unit, track="video",
            pts=0, dts=0, time_base=self._start.video.time_base, end_of_epoch=True, read_ms=read_ms,
        )  # fmt: skip
        self._outlet.packet(message)

    def _seen(self, picture: SourcePicture) -> "_Seen":
        try:
            thumbnail = picture.thumbnail()
        except PictureError:
            return _Seen(picture, None)  # its sample fails too, and without samples everything is masked
        cut = self._cuts.update(thumbnail)
        self._transitions.add(picture.time, thumbnail)
        self._transitions.forget_before(picture.time)
        # After a gradual transition another shot has begun, though no two frames in a row show it.
        return _Seen(picture, fingerprint(thumbnail), cut or self._transitions.just_over())

    def _sample(self, seen: "_Seen") -> None:
        """Offer a picture to analysis. A refused one keeps its number: the readers must see the hole, for it may have
        been a scene cut."""
        seen.sampled = True
        try:
            sent = seen.fingerprint is not None and self._outlet.sample(self._message(seen, seen.fingerprint))
        except (PictureError, ContractError):
            sent = False
        self._seq += 1
        if not sent:
            self._outlet.counters["samples_dropped"] += 1

    def _message(self, seen: "_Seen", fingerprint_: bytes) -> SampledFrame:
        width, height = seen.picture.size_wh
        return SampledFrame(
            stream_id=self._stream_id, epoch=self.number, seq=self._seq, pts=seen.picture.pts,
            time_base=self._start.video.time_base, width=width, height=height, scene_cut=seen.begins_scene,
            fingerprint=fingerprint_, detection_threshold=self._settings.detection_threshold,
            jpeg=seen.picture.jpeg(fitted((width, height), self._start.video.pixel_wh)), read_ms=self._read_ms,
        )  # fmt: skip


def feed(events: Iterable[Event], begin: Callable[[EpochStarted], SourceEpoch | None]) -> None:
    """Pass on everything that a source tells, at once: nothing here is live, so nothing has a wall time.

    Args:
        events: of the source.
        begin: makes each epoch; None: the rest is not wanted.
    """
    epoch: SourceEpoch | None = None
    for event in events:
        if isinstance(event, EpochStarted):
            if epoch is not None:
                epoch.finish(0)
            epoch = begin(event)
            if epoch is None:
                return
        elif epoch is not None:
            _pass_on(epoch, event)
    if epoch is not None:
        epoch.finish(0)


def _pass_on(epoch: SourceEpoch, event: PacketRead | SourcePicture) -> None:
    if isinstance(event, PacketRead):
        epoch.take_packet(event, 0)
    else:
        epoch.take_picture(event)


@dataclass(slots=True)
class _Seen:
    """A decoded picture and what was found out about it."""

    picture: SourcePicture
    fingerprint: bytes | None
    """None: it can't be read."""
    begins_scene: bool = False
    sampled: bool = False
