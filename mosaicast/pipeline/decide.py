"""One stream's recognition: detections in, one verdict out for each, at once."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import UNSET

from mosaicast.contracts.messages import Detections, FaceDetection, VerdictMessage, WireTrack
from mosaicast.core.identity import (
    Answered,
    Decided,
    EmbeddingWanted,
    FaceQuality,
    IdentityMachine,
    IdentityPolicy,
    Match,
    PeopleChanged,
    SampleTracked,
)
from mosaicast.core.tracking import Tracker
from mosaicast.core.types import OwnerId, PersonId, Reason, TrackVerdict
from mosaicast.pipeline.errors import JpegError, ModelError
from mosaicast.pipeline.match import (
    BATCH,
    Answer,
    EmbeddingRequest,
    FaceMatcher,
    Gallery,
    Matching,
    averaged,
    face_in,
)
from mosaicast.pipeline.ports import Face, Jpeg
from mosaicast.pipeline.recent import Look, Vector


class StreamRecognition:
    """Tracks and identities of one epoch.

    Args:
        epoch: which.
        first_id: of its tracks; no two instances that may speak on this epoch share ids.
    """

    def __init__(self, epoch: int, first_id: int, policy: IdentityPolicy | None = None) -> None:
        self.epoch = epoch
        self.reasons: Counter[Reason] = Counter()
        self.visible: tuple[PersonId, ...] = ()
        """Who was seen in the newest sample."""
        self.verdicts = 0
        self.newest_seq = -1
        self._tracker = Tracker(first_id=first_id)
        self._identity = IdentityMachine(policy)
        self._media_s = 0.0

    def recognise(
        self, detections: Detections, gallery_seen_s: float | None, now: float
    ) -> tuple[VerdictMessage, list[tuple[EmbeddingWanted, FaceDetection]]]:
        """Return the verdict on one frame, and the faces to embed now.

        Args:
            gallery_seen_s: when the gallery last proved that it is there, for the owner of this stream; None: away.
            now: on the clock of `gallery_seen_s`, seconds.
        """
        # Holes in the sequence are frames that the detector dropped when it was behind. It never drops a scene cut
        # silently (the next answer says that it begins a scene), so people are followed across short holes. But an
        # answer that was lost on its way here may have told a cut.
        lost = detections.after_seq != self.newest_seq
        self.newest_seq = detections.seq
        tracked = self._tracker.update(
            detections.time,
            [face.box for face in detections.faces],
            [face.score for face in detections.faces],
            scene_cut=detections.scene_cut or lost,
        )
        faces = {one.track_id: detections.faces[one.index] for one in tracked}
        self._media_s = float(detections.time)
        gallery_s = None if gallery_seen_s is None else self._media_s - (now - gallery_seen_s)
        sample = SampleTracked([(one, _quality(faces[one.track_id])) for one in tracked], gallery_s)
        commands = self._identity.handle(sample, self._media_s)
        verdicts = [verdict for command in commands if isinstance(command, Decided) for verdict in command.verdicts]
        self.reasons = Counter(verdict.reason for verdict in verdicts)
        self.visible = tuple(sorted({verdict.person_id for verdict in verdicts if verdict.clear and verdict.person_id}))
        self.verdicts += 1
        wanted = [(command, faces[command.track_id]) for command in commands if isinstance(command, EmbeddingWanted)]
        return _message(detections, verdicts), wanted

    def answer(self, answer: Answer) -> None:
        """Take in what became of an embedding request."""
        answered = Answered(answer.request.track_id, answer.request.ask, answer.matches, answer.second, answer.view)
        self._identity.handle(answered, self._media_s)

    def use(self, policy: IdentityPolicy) -> None:
        """From now on un-masking needs this much."""
        self._identity.policy = policy

    def people_changed(self, versions: Mapping[PersonId, str]) -> None:
        """Take in who the owner's people are."""
        self._identity.handle(PeopleChanged(versions), self._media_s)


class Decider:
    """The verdicts of one epoch where nothing has to wait: what a verdict asks for is answered before the next one.

    Args:
        recognition: of the epoch.
        matchers: the networks, the first one first.
        jpeg: reads crops.
        owner: whose gallery.
        answer_s: media seconds from a request to its answer.
    """

    def __init__(
        self,
        recognition: StreamRecognition,
        matchers: Sequence[FaceMatcher],
        jpeg: Jpeg,
        owner: OwnerId,
        answer_s: float = 0.0,
    ) -> None:
        self._recognition, self._matchers, self._jpeg = recognition, matchers, jpeg
        self._owner, self._answer_s = owner, answer_s
        self._now = 0.0
        self._matching = Matching(self._read, self._embed, _search)

    def take(self, detections: Detections) -> VerdictMessage:
        """Return the verdict on one frame, and take in the answers to what it asked for."""
        self._now = float(detections.time)
        verdict, wanted = self._recognition.recognise(detections, self._now, self._now)
        self._now += self._answer_s
        requests = sorted((self._request(detections, *one) for one in wanted), key=lambda request: not request.urgent)
        for start in range(0, len(requests), BATCH):
            for answer in list(self._matching.answers(self._matchers, requests[start : start + BATCH])):
                self._recognition.answer(answer)
        return verdict

    def _request(self, detections: Detections, want: EmbeddingWanted, face: FaceDetection) -> EmbeddingRequest:
        return EmbeddingRequest(
            detections.stream_id, detections.epoch, want.track_id, want.ask, self._owner, face, want.urgent,
            want.since, want.window, want.second_from, want.own,
        )  # fmt: skip

    def _read(self, request: EmbeddingRequest) -> Face | None:
        try:
            return None if request.face.crop is None else face_in(self._jpeg, request.face.crop, request.face.landmarks)
        except JpegError:
            return None

    def _embed(self, matcher: FaceMatcher, faces: Sequence[tuple[EmbeddingRequest, Face]]) -> list[Look | None]:
        try:
            embedded = matcher.embedder.embed([face for _, face in faces])
        except ModelError:
            return [None] * len(faces)
        return averaged(matcher, faces, embedded, self._now)


def _search(gallery: Gallery, owner: OwnerId, vectors: Sequence[Vector]) -> list[list[Match]]:
    return gallery.search(owner, np.stack(vectors)) if vectors else []


def _quality(face: FaceDetection) -> FaceQuality:
    return FaceQuality(face.landmarks, face.sharpness, face.crop is not None)


def _message(detections: Detections, verdicts: Sequence[TrackVerdict]) -> VerdictMessage:
    return VerdictMessage(
        **detections.header(),
        after_seq=detections.after_seq,
        tracks=tuple(
            WireTrack(
                track_id=verdict.track_id,
                box=verdict.box,
                clear=verdict.clear,
                reason=verdict.reason,
                person_id=verdict.person_id,
                back_s=UNSET if verdict.back_s is None else verdict.back_s,
            )
            for verdict in verdicts
        ),
        read_ms=detections.read_ms,
    )


def first_track_id(wall_ms: int) -> int:
    """Return where an instance that starts now begins to count: tenths of seconds, room for 10 faces each.

    A recognizer that restarts inside an epoch then never gives a stranger the id that an enrolled person had.
    """
    return math.floor(wall_ms / 100) * 10
