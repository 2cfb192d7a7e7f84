"""The output guard inside a child: pictures of what goes out, and full mosaic when the detector sees a bare face.

It checks the frame that the encoder takes: neither what encoder and edge make of it, nor a full mosaic.
"""

import math
from collections import deque
from fractions import Fraction

import av

from mosaicast.adapters.media.pictures import Picture, PictureError
from mosaicast.contracts.messages import LARGEST_OUTGOING_BYTES, OutgoingFaces
from mosaicast.contracts.situations import masking
from mosaicast.core.guard import Explanation, FrameId, Guard, GuardPolicy, Luma, SeenFace, Trip
from mosaicast.core.timeline import FramePlan, full
from mosaicast.core.types import Box, Disposition
from mosaicast.imaging.jpeg_header import shown_wh
from services.compositor.still import Painted
from services.compositor.wire import OutgoingPicture, Tripped

OUTGOING_PIXELS = 640 * 360
"""A picture is shrunk to so many: the detector needs 17 ms of a core for it, and 23 ms for what it sees live."""
MOST_WAITING = 4
"""Pictures and trips that wait for the pipe; a child that can't write loses the older ones."""


class OutputGuard:
    """The guard of one stream. Time is an argument.

    Args:
        looks_per_s: 0 switches it off.
        policy: what counts.
    """

    def __init__(self, looks_per_s: float, policy: GuardPolicy | None = None) -> None:
        self.on = looks_per_s > 0
        self._guard = Guard(looks_per_s, policy)
        self._pictures: deque[OutgoingPicture] = deque(maxlen=MOST_WAITING)
        self._trips: deque[Tripped] = deque(maxlen=MOST_WAITING)

    def sees_from(self, masked_from: float) -> None:
        """Follow a new policy of the stream.

        Args:
            masked_from: the score from which faces are masked.
        """
        self._guard.sees_from(masked_from)

    def planned(self, plan: FramePlan, now: float) -> FramePlan:
        """Return what is painted on the frame that leaves `now`: what was planned, or everything."""
        stays = plan.disposition is Disposition.FULL_MOSAIC or not self._guard.covers(now)
        return plan if stays else full("guard")

    def note(self, now: float) -> str:
        """Return a sentence for the user while a trip covers everything."""
        return masking.GUARD_TRIPPED.says() if self._guard.covers(now) else ""

    def begin(self, frame: av.VideoFrame, plan: FramePlan, now: float) -> Luma | None:
        """Return the luma of a frame that is about to be painted; None: this one is not checked."""
        if plan.disposition is Disposition.FULL_MOSAIC or not self._guard.due(now):
            return None
        return self.luma(frame)

    @staticmethod
    def luma(frame: av.VideoFrame) -> Luma:
        """Return the luma of a frame, as small as it is checked."""
        return _picture(frame).luma()

    def again(self, painted: Painted, now: float) -> None:
        """Have a frame checked once more that goes on, if it is time for the next check."""
        if painted.before is not None and self._guard.due(now):
            self.sent(painted, painted.before, now)

    def sent(self, painted: Painted, before: Luma, now: float) -> None:
        """Have a frame checked that has gone out.

        Args:
            before: what `begin` returned.
        """
        try:
            jpeg, by = pictured(painted.frame, before, painted.clear, painted.video.sample_aspect)
        except PictureError:
            return
        if len(jpeg) <= LARGEST_OUTGOING_BYTES:
            self._guard.keep(painted.id, by, now)
            self._pictures.append(OutgoingPicture(*painted.id, *by.size_wh, self._guard.policy.least_score, jpeg))

    def on_faces(self, seen: OutgoingFaces, now: float) -> None:
        """Hold what the detector saw against what may be seen."""
        faces = [SeenFace(face.box, face.score) for face in seen.faces]
        trip = self._guard.answer(FrameId(seen.epoch, seen.index), faces, now)
        if trip is not None:
            self._trips.append(_told(trip))

    def take_pictures(self) -> tuple[OutgoingPicture, ...]:
        """Return the pictures since the last call, for the detector."""
        taken = tuple(self._pictures)
        self._pictures.clear()
        return taken

    def take_trips(self) -> tuple[Tripped, ...]:
        """Return the trips since the last call."""
        taken = tuple(self._trips)
        self._trips.clear()
        return taken


def pictured(
    frame: av.VideoFrame, before: Luma, clear: tuple[Box, ...], pixel_wh: tuple[int, int] = (1, 1)
) -> tuple[bytes, Explanation]:
    """Return a painted frame as JPEG for the detector, in the shape that viewers see, and what may explain the faces in
    it.

    Args:
        before: its luma before it was painted.
        clear: where people are who may be seen.
        pixel_wh: width to height of one of its pixels.

    Raises:
        PictureError: it can't be converted.
    """
    picture = _picture(frame)
    jpeg = picture.jpeg(outgoing_size(*shown_wh(picture.size_wh, pixel_wh)))
    return jpeg, Explanation(before, picture.luma(), clear, picture.size_wh)


def _picture(frame: av.VideoFrame) -> Picture:
    return Picture(frame, Fraction(1))


def outgoing_size(width: Fraction | int, height: Fraction | int) -> tuple[int, int]:
    """Return the size at which a frame is checked that is shown in this one: `OUTGOING_PIXELS` at most, same shape."""
    scale = min(1.0, math.sqrt(OUTGOING_PIXELS / (width * height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _told(trip: Trip) -> Tripped:
    box = trip.worst.box
    sides = (box.x1, box.y1, box.width, box.height)
    left, top, width, height = (round(max(-1e5, min(1e5, side))) for side in sides)
    return Tripped(*trip.frame, (left, top, width, height), trip.worst.score, trip.faces)
