"""The product's parts, driven in media time over a whole clip that fits in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.embedders import DlibResnet, Embedder, Face, FacenetCasia
from mosaicast.adapters.embedders.arcface import from_file
from mosaicast.adapters.embedders.yardstick import Scorer, Yardstick, yardstick
from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.adapters.media.source import EpochStarted, PacketRead, open_source
from mosaicast.contracts.messages import Detections, MediaPacket, SampledFrame, VerdictMessage
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.types import MediaTime, OwnerId, PersonId, Verdict
from mosaicast.runtime.metrics import Metrics
from services.detector.analysis import analyse
from services.detector.waiting import Job
from services.ingest.epoch import EpochWriter
from services.ingest.outbox import Outbox
from services.ingest.wire import Command, unpack
from services.recognizer.looking import BATCH, CHECK_S, Answer, Looker, People, face_in
from services.recognizer.opinions import Look, Opinion, policy_for
from services.recognizer.stream import StreamRecognition
from synthetic.pictures import read_picture

CACHE = Path(".cache")
OWNER = "clip"
LATENCY_S = 0.15
"""From a frame's sampling to its detections, as measured live on an idle machine."""
ANSWER_S = 0.03
"""From a look's question to its answer."""


class _Collected:
    """An outbox that keeps everything."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {"samples_dropped": 0, "packets_too_large": 0}
        self.packets: list[MediaPacket] = []
        self.samples: list[SampledFrame] = []

    def send(self, raw: bytes) -> None:
        message = unpack(raw)
        if isinstance(message, MediaPacket):
            self.packets.append(message)

    def offer(self, raw: bytes) -> bool:
        self.samples.append(cast(SampledFrame, unpack(raw)))
        return True


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip as ingest passes it on (its first epoch)."""

    packets: tuple[MediaPacket, ...]
    samples: tuple[SampledFrame, ...]

    def frames(self) -> Iterator[tuple[MediaTime, av.VideoFrame]]:
        """Decode as the compositor does, in presentation order."""
        video = [packet for packet in self.packets if packet.track == "video" and not packet.end_of_epoch]
        parameters = next(codec for codec in video[0].codecs if codec.track == "video")
        decoder = PacketDecoder(parameters)
        for packet in video:
            for decoded in decoder.decode(packet):
                yield parameters.time_base.seconds(decoded.pts), decoded.frame
        for decoded in decoder.flush():
            yield parameters.time_base.seconds(decoded.pts), decoded.frame


def read_clip(path: Path, analysis_fps: float = 10.0, threshold: float = 0.2) -> Clip:
    """Read a file as ingest's child does, without its pace."""
    outbox = _Collected()
    writer: EpochWriter | None = None
    with open_source(str(path), live=False) as source:
        for event in source.events():
            if isinstance(event, EpochStarted):
                if writer is not None:
                    break
                settings = Command(analysis_fps, threshold)
                writer = EpochWriter(OWNER, 1, event, settings, cast(Outbox, outbox))
            elif writer is None:
                continue
            elif isinstance(event, PacketRead):
                writer.add_packet(event)
            else:
                writer.add_picture(event)
    if writer is not None:
        writer.end()
    return Clip(tuple(outbox.packets), tuple(outbox.samples))


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person of the gallery."""

    person_id: str
    photos: int


class MemoryGallery:
    """A gallery in memory, filled from folders of photos.

    Args:
        operator: one network of the operator's (ArcFace's family) and its threshold, instead of the packaged two.
    """

    def __init__(self, operator: tuple[Path, float] | None = None) -> None:
        self.detector = CenterFace()
        self.people: list[Enrolled] = []
        self.embedders: list[Embedder]
        self._floor: float | None
        if operator is None:
            self.embedders, self._floor = [DlibResnet(CACHE), FacenetCasia()], None
            self.policy = IdentityPolicy()
        else:
            path, self._floor = operator
            self.embedders = [from_file(path)]
            self.policy = policy_for(["arcface"])
        self._people: list[dict[PersonId, NDArray[np.float32]]] = [{} for _ in self.embedders]

    def enrol(self, folder: Path) -> None:
        """Enrol the one person whose photos lie in a folder: the largest face of each."""
        faces = []
        for path in sorted(folder.iterdir()):
            picture = read_picture(path)
            found = [] if picture is None else self.detector.detect([picture], 0.5)[0]
            if picture is not None and found:
                largest = max(found, key=lambda face: face.box.area)
                faces.append(Face(picture, largest.landmarks))
        for embedder, people in zip(self.embedders, self._people, strict=True):
            people[PersonId(folder.name)] = embedder.embed(faces)
        self.people.append(Enrolled(folder.name, len(faces)))

    def opinions(self) -> list[Opinion]:
        """Return the networks with their templates."""
        return [
            Opinion(embedder, _Templates(people, self._yardstick(embedder)))
            for embedder, people in zip(self.embedders, self._people, strict=True)
        ]

    def _yardstick(self, embedder: Embedder) -> Yardstick:
        return yardstick(embedder.name, embedder.version) if self._floor is None else Yardstick(self._floor)


class _Templates:
    """One network's gallery, which never changes."""

    def __init__(self, people: Mapping[PersonId, NDArray[np.float32]], score: Scorer) -> None:
        self._people, self._score = people, score

    def search(self, owner: OwnerId, vectors: NDArray[np.float32]) -> list[list[Match]]:  # noqa: ARG002 - the port
        """Return the people most like each vector."""
        return [
            sorted(
                (Match(person, float(self._score(vector[None], own).max())) for person, own in self._people.items()),
                key=lambda match: -match.similarity,
            )
            for vector in vectors
        ]

    def refresh(self, owner: str) -> Mapping[PersonId, str]:  # noqa: ARG002 - the port
        """Return who is enrolled."""
        return dict.fromkeys(self._people, "1")

    def forget(self, owner: str) -> None:
        """It never changes."""

    def check(self) -> bool:
        """It never changes."""
        return False


class Witness:
    """Who each track really is, by a network that decides nothing: whom one of its looks is like.

    Args:
        gallery: of the witness; scores from 0 on count.
    """

    SMALLEST_PX = 40.0

    def __init__(self, gallery: MemoryGallery) -> None:
        self._opinion = gallery.opinions()[0]
        self._best: dict[int, Match] = {}

    def see(self, detections: Detections, verdict: Verdict) -> None:
        """Look at every face of a verdict."""
        for track in verdict.tracks:
            x, y = track.box.x1, track.box.y1
            face = min(detections.faces, key=lambda one: abs(one.box.x1 - x) + abs(one.box.y1 - y))
            if face.crop is None or min(track.box.width, track.box.height) < self.SMALLEST_PX:
                continue
            vector = self._opinion.embedder.embed([face_in(face.crop, face.landmarks)])
            match = self._opinion.gallery.search(OwnerId(OWNER), vector)[0][0]
            known = self._best.get(track.track_id, match)
            self._best[track.track_id] = max(known, match, key=lambda one: one.similarity)

    def whose(self) -> dict[int, PersonId]:
        """Return the enrolled people's tracks."""
        return {track: match.person_id for track, match in self._best.items() if match.similarity >= 0}


def recognise(clip: Clip, gallery: MemoryGallery, witness: Witness | None = None) -> list[Verdict]:
    """Detect and recognise over a whole clip and return its verdicts."""
    stage = _Stage(gallery.opinions(), gallery.policy)
    verdicts: list[Verdict] = []
    answered = -1
    for sample in clip.samples:
        found = analyse(gallery.detector, [Job(sample, crops=True, after_seq=answered)])[0]
        if isinstance(found, Detections):
            answered = found.seq
            verdicts.append(stage.take(found).to_core())
            if witness is not None:
                witness.see(found, verdicts[-1])
    return verdicts


class _Stage:
    """A recognizer whose clock is media time."""

    def __init__(self, opinions: Sequence[Opinion], policy: IdentityPolicy) -> None:
        self._opinions = opinions
        self._now_s = self._checked_s = 0.0
        self._events: list[Answer | People] = []
        self._looker = Looker(lambda: opinions, Metrics(), self._events.append, lambda: self._now_s)
        self._looker.follow(OWNER)
        self._stream = StreamRecognition(1, 0, policy)
        self._work()

    def take(self, detections: Detections) -> VerdictMessage:
        """Return the verdict on one look, and have what it wants answered before the next."""
        self._now_s = float(detections.time) + LATENCY_S
        if self._now_s - self._checked_s >= CHECK_S:
            self._work()
            self._checked_s = self._now_s
        verdict, wanted = self._stream.recognise(detections, self._looker.gallery_seen_s(OWNER), self._now_s)
        looks = [
            Look(OWNER, 1, want.track_id, want.ask, OwnerId(OWNER), face, want.urgent, want.since, want.window,
                 want.second_from)
            for want, face in wanted
        ]  # fmt: skip
        self._looker.ask(looks)
        self._now_s += ANSWER_S
        for _ in range(0, len(looks), BATCH):
            self._work()
        return verdict

    def _work(self) -> None:
        self._looker.work(self._opinions)
        events, self._events[:] = list(self._events), []
        for event in events:
            if isinstance(event, Answer):
                self._stream.answer(event)
            else:
                self._stream.people_changed(event.versions)
