"""One stream's recognition: detections in, one verdict out for each, at once."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from mosaicast.contracts.messages import Detections, FaceDetection, VerdictMessage, WireTrack
from mosaicast.core.identity import (
    Answered,
    Decided,
    FaceQuality,
    IdentityMachine,
    IdentityPolicy,
    Looked,
    LookWanted,
    PeopleChanged,
)
from mosaicast.core.tracking import Tracker
from mosaicast.core.types import PersonId, Reason, TrackVerdict
from services.recognizer.looking import Answer


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
        """Who was seen at the newest look."""
        self.verdicts = 0
        self.newest_seq = -1
        self._tracker = Tracker(first_id=first_id)
        self._identity = IdentityMachine(policy)
        self._media_s = 0.0

    def recognise(
        self, detections: Detections, gallery_seen_s: float | None, now: float
    ) -> tuple[VerdictMessage, list[tuple[LookWanted, FaceDetection]]]:
        """Return the verdict on one frame, and the faces to look at now.

        Args:
            gallery_seen_s: when the gallery last proved that it is there, for the owner of this stream; None: away.
            now: on the clock of `gallery_seen_s`, seconds.
        """
        # Holes in the sequence are frames that the detector dropped when it was behind. It never drops a scene cut
        # silently (the next answer says that it begins a scene), so people are followed across short holes. An answer
        # of the detector that is lost on the way here is another thing: it may have told a cut.
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
        looked = Looked([(one, _quality(faces[one.track_id])) for one in tracked], gallery_s)
        commands = self._identity.handle(looked, self._media_s)
        verdicts = [verdict for command in commands if isinstance(command, Decided) for verdict in command.verdicts]
        self.reasons = Counter(verdict.reason for verdict in verdicts)
        self.visible = tuple(sorted({verdict.person_id for verdict in verdicts if verdict.clear and verdict.person_id}))
        self.verdicts += 1
        wanted = [(command, faces[command.track_id]) for command in commands if isinstance(command, LookWanted)]
        return _message(detections, verdicts), wanted

    def answer(self, answer: Answer) -> None:
        """Take in what became of a look."""
        answered = Answered(answer.look.track_id, answer.look.ask, answer.matches, answer.second)
        self._identity.handle(answered, self._media_s)

    def people_changed(self, versions: Mapping[PersonId, str]) -> None:
        """Take in who the owner's people are."""
        self._identity.handle(PeopleChanged(versions), self._media_s)


def _quality(face: FaceDetection) -> FaceQuality:
    return FaceQuality(face.landmarks, face.sharpness, face.crop is not None)


def _message(detections: Detections, verdicts: Sequence[TrackVerdict]) -> VerdictMessage:
    return VerdictMessage(
        stream_id=detections.stream_id,
        epoch=detections.epoch,
        seq=detections.seq,
        pts=detections.pts,
        time_base=detections.time_base,
        width=detections.width,
        height=detections.height,
        scene_cut=detections.scene_cut,
        fingerprint=detections.fingerprint,
        after_seq=detections.after_seq,
        tracks=tuple(
            WireTrack(
                track_id=verdict.track_id,
                box=verdict.box,
                clear=verdict.clear,
                reason=verdict.reason,
                person_id=verdict.person_id,
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
