"""One stream's recognition: detections in, one verdict out for each, at once."""

import math
from collections import Counter

from mosaicast.contracts.messages import Detections, FaceDetection, VerdictMessage, WireTrack
from mosaicast.core.identity import FaceQuality, IdentityMachine, IdentityPolicy
from mosaicast.core.tracking import Tracker
from mosaicast.core.types import Reason, TrackId, TrackVerdict
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
        self.verdicts = 0
        self.newest_seq = -1
        self._tracker = Tracker(first_id=first_id)
        self._identity = IdentityMachine(policy)

    def recognise(
        self, detections: Detections, now: float
    ) -> tuple[VerdictMessage, list[tuple[TrackId, FaceDetection]]]:
        """Return the verdict on one frame, and the faces to look at now."""
        # Holes in the sequence are frames that the detector dropped when it was behind. It never drops a scene cut
        # silently (the next answer says that it begins a scene), so people are followed across short holes.
        self.newest_seq = detections.seq
        boxes = [face.box for face in detections.faces]
        tracked = self._tracker.update(detections.time, boxes, scene_cut=detections.scene_cut)
        faces = {one.track_id: detections.faces[one.index] for one in tracked}
        verdicts, wanted = self._identity.look(tracked, {t: _quality(face) for t, face in faces.items()}, now)
        self.reasons = Counter(verdict.reason for verdict in verdicts)
        self.verdicts += 1
        return _message(detections, verdicts), [(track_id, faces[track_id]) for track_id in wanted]

    def answer(self, answer: Answer, now: float) -> None:
        """Take in what became of a look."""
        self._identity.answer(answer.look.track_id, answer.matches, now)

    def gallery_changed(self) -> None:
        """People of the owner came, went or changed."""
        self._identity.gallery_changed()


def _quality(face: FaceDetection) -> FaceQuality:
    return FaceQuality(face.box, face.landmarks, face.sharpness, face.crop is not None)


def _message(detections: Detections, verdicts: list[TrackVerdict]) -> VerdictMessage:
    return VerdictMessage(
        stream_id=detections.stream_id,
        epoch=detections.epoch,
        seq=detections.seq,
        pts=detections.pts,
        time_base=detections.time_base,
        width=detections.width,
        height=detections.height,
        scene_cut=detections.scene_cut,
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
