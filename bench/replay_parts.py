"""The product's parts, driven in media time over a whole clip that fits in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.embedders import Embedder, Face
from mosaicast.adapters.embedders.arcface import from_file
from mosaicast.adapters.embedders.cohort import CohortScorer, Scorer, cohort_scorer
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.opening import open_source
from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.contracts.messages import Detections, MediaPacket, SampledFrame
from mosaicast.core.identity import IdentityPolicy, Match
from mosaicast.core.types import MediaTime, OwnerId, PersonId, Verdict
from mosaicast.pipeline.analyse import Job, analyse
from mosaicast.pipeline.decide import Decider, StreamRecognition
from mosaicast.pipeline.match import FaceMatcher, face_in
from mosaicast.pipeline.source import EpochStarted, SourceEpoch, feed
from services.ingest.wire import Command
from services.recognizer.policy import policy_for
from synthetic.pictures import read_picture

OWNER = "clip"
ANSWER_S = 0.03
"""From a look's question to its answer."""


class _Collected:
    """An outlet that keeps everything."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.packets: list[MediaPacket] = []
        self.samples: list[SampledFrame] = []

    def packet(self, message: MediaPacket) -> None:
        self.packets.append(message)

    def sample(self, message: SampledFrame) -> bool:
        self.samples.append(message)
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
    collected, settings, epochs = _Collected(), Command(analysis_fps, threshold), iter((1,))

    def begin(start: EpochStarted) -> SourceEpoch | None:
        number = next(epochs, None)
        return None if number is None else SourceEpoch(OWNER, number, start, settings, collected)

    with open_source(str(path), live=False) as source:
        feed(source.events(), begin)
    return Clip(tuple(collected.packets), tuple(collected.samples))


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
            self.embedders, self._floor = [DlibResnet(), FacenetCasia()], None
            self.policy = IdentityPolicy()
        else:
            path, self._floor = operator
            self.embedders = [from_file(path)]
            self.policy = policy_for(["arcface"])
        self._people: list[dict[PersonId, NDArray[np.float32]]] = [{} for _ in self.embedders]

    def enroll(self, folder: Path) -> None:
        """Enroll the one person whose photos lie in a folder: the largest face of each."""
        faces = []
        for path in sorted(folder.iterdir()):
            picture = read_picture(path)
            found = [] if picture is None else self.detector.detect([picture], 0.5)[0]
            if picture is not None and found:
                largest = max(found, key=lambda face: face.box.area)
                faces.append(Face(picture, largest.landmarks))
        for embedder, people in zip(self.embedders, self._people, strict=True):
            people[PersonId(folder.name)] = embedder.embed(faces).vectors
        self.people.append(Enrolled(folder.name, len(faces)))

    def matchers(self) -> list[FaceMatcher]:
        """Return the networks with their templates."""
        return [
            FaceMatcher(embedder, _Templates(people, self._scorer(embedder)))
            for embedder, people in zip(self.embedders, self._people, strict=True)
        ]

    def decider(self) -> Decider:
        """Return what decides about one epoch of a stream of these people's owner."""
        recognition, matchers = StreamRecognition(1, 0, self.policy), self.matchers()
        recognition.people_changed(dict.fromkeys((PersonId(one.person_id) for one in self.people), "1"))
        return Decider(recognition, matchers, jpeg, OwnerId(OWNER), ANSWER_S)

    def _scorer(self, embedder: Embedder) -> CohortScorer:
        return cohort_scorer(embedder.name, embedder.version) if self._floor is None else CohortScorer(self._floor)


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
        self._matcher = gallery.matchers()[0]
        self._best: dict[int, Match] = {}

    def see(self, detections: Detections, verdict: Verdict) -> None:
        """Look at every face of a verdict."""
        for track in verdict.tracks:
            x, y = track.box.x1, track.box.y1
            face = min(detections.faces, key=lambda one: abs(one.box.x1 - x) + abs(one.box.y1 - y))
            if face.crop is None or min(track.box.width, track.box.height) < self.SMALLEST_PX:
                continue
            vector = self._matcher.embedder.embed([face_in(jpeg, face.crop, face.landmarks)]).vectors
            match = self._matcher.gallery.search(OwnerId(OWNER), vector)[0][0]
            known = self._best.get(track.track_id, match)
            self._best[track.track_id] = max(known, match, key=lambda one: one.similarity)

    def whose(self) -> dict[int, PersonId]:
        """Return the enrolled people's tracks."""
        return {track: match.person_id for track, match in self._best.items() if match.similarity >= 0}


def recognise(clip: Clip, gallery: MemoryGallery, witness: Witness | None = None) -> list[Verdict]:
    """Detect and recognise over a whole clip and return its verdicts."""
    decider = gallery.decider()
    verdicts: list[Verdict] = []
    answered = -1
    for sample in clip.samples:
        found = analyse(gallery.detector, jpeg, [Job(sample, crops=True, after_seq=answered)])[0]
        if isinstance(found, Detections):
            answered = found.seq
            verdicts.append(decider.take(found).to_core())
            if witness is not None:
                witness.see(found, verdicts[-1])
    return verdicts
