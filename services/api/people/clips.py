"""From a video to templates: whose face in it is meant, which looks are surely that one's, a verdict.

Nobody is guessed. A video shows the person of the photos, or one person alone; else it is refused.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import numpy as np

from mosaicast.adapters.detectors.factory import enroll_score
from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.clip import ClipError
from mosaicast.core.looks import distances, farthest
from mosaicast.runtime.clocks import monotonic_s
from services.api.errors import DomainError
from services.api.people.agreement import Likeness, agreeing
from services.api.people.covering import covered
from services.api.people.enrollment import SMALLEST_FACE_PX, Enroller, GoodFace, Judged, KnownFace, asked
from services.api.people.face_models import FaceModels
from services.api.people.filming import SIDES, Filmed, Look, LookFault, Seen, Side, Stretch, follow
from services.api.people.finding import RIVAL_SHARE

MOST_LOOKS = 10
"""Templates that one video becomes."""
LEAST_LOOKS = 3
"""Of good looks: fewer show no side that a photo does not."""
LEAST_S = 1.0
"""A face is followed for so long without a break, or nothing is taken of it."""
RIVAL_SAMPLES = 3
"""A face that was seen in fewer pictures is nobody who could be meant."""
COMPARED = 4
"""Looks of a stretch that are compared to learn whose it is."""
NEXT_ALIKE = 0.0
"""How far two looks, one after the other, are above what is asked of two pictures of one person."""
LOOK_SLACK = 0.5
"""By how many deviations a look may be less like the photos than a photo must be: its track vouches for it."""

ClipVerdict = Literal[
    "ok",
    "nobody",
    "several_people",
    "somebody_else",
    "changes",
    "too_short",
    "unsteady",
    "too_small",
    "blurred",
    "too_dark",
    "turned_away",
    "not_alone",
    "covered",
    "not_measured",
    "unreadable",
    "too_large",
]
CLIP_DETAILS: dict[ClipVerdict, str] = {
    "ok": "it is used",
    "nobody": "there is nobody to be seen clearly in it",
    "several_people": "there are several people in it; send one with that person alone, or a photo of the person too",
    "somebody_else": "nobody in it is the person of the photos",
    "changes": "the face that is followed in it becomes another one; send one with that person alone",
    "too_short": "it shows a face for less than a second; send five to thirty seconds",
    "unsteady": "no face in it is followed for a second without a cut, a jump or somebody in front of it",
    "too_small": f"the face is smaller than {SMALLEST_FACE_PX} pixels; come nearer",
    "blurred": "the face is blurred",
    "too_dark": "the face is too dark",
    "turned_away": "the face is turned away all the time; look towards the camera, then slowly to both sides",
    "not_alone": "other faces are too near to that one all the time; send one with that person alone",
    "covered": "a part of the face is covered; send one with the face free",
    "not_measured": "the networks in use were never measured for it; send photos",
    "unreadable": "it can't be read",
    "too_large": "it is too large",
}
FROM_THE_FRONT_NOTE = "it shows one side only: turn the head slowly to both sides, and the person is seen more often"
ONLY_ITS_BEGINNING_NOTE = "only its first {seconds:.0f} seconds were looked at"
_WHOLE_S = 29.5
"""Whoever was looked at for so long may have been longer in it."""
_OF_FAULTS: dict[LookFault, ClipVerdict] = {
    "too_small": "too_small",
    "blurred": "blurred",
    "too_dark": "too_dark",
    "turned_away": "turned_away",
    "not_alone": "not_alone",
}


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """What was found in one video."""

    file: str
    verdict: ClipVerdict
    detail: str
    note: str = ""
    looks: tuple[Judged, ...] = ()
    """What becomes templates, each as a photo of its own; exactly for the verdict ok."""
    sides: tuple[Side, ...] = ()
    """From which sides they show the face."""


class ClipRefusedError(DomainError):
    """The video can't be used, nor any photo that came with it: the sender's fault.

    Args:
        judged: the verdict on the video.
        photos: those on the photos.
    """

    def __init__(self, judged: JudgedClip, photos: Sequence[Judged] = ()) -> None:
        super().__init__(f"the video can't be used; {judged.file[:100]}: {judged.detail}")
        self.judged, self.photos = judged, tuple(photos)


class _Told(NamedTuple):
    """A look, and what the networks say of it."""

    look: Look
    face: KnownFace


class ClipJudge:
    """Judges videos and makes templates. Thread-safe if its models are.

    Args:
        decoder: reads videos.
        enroller: makes templates, as of photos.
        now_s: monotonic seconds.
    """

    def __init__(
        self,
        decoder: Filmed,
        models: FaceModels,
        enroller: Enroller,
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._decoder, self._models, self._enroller, self._now_s = decoder, models, enroller, now_s

    def follow(self, file: str, data: bytes) -> Seen | JudgedClip:
        """Look at a video; whose face is meant may be known later.

        Raises:
            ModelError: a model failed: ours or the operator's fault.
        """
        try:
            return follow(self._decoder, self._models, data, self._now_s)
        except ClipError as exc:
            return JudgedClip(file, exc.fault, exc.detail)

    def settle(self, file: str, seen: Seen, known: Sequence[KnownFace | GoodFace]) -> JudgedClip:
        """Judge a video that was looked at.

        Args:
            known: faces of the person who is meant; none: the one who is alone in it.

        Raises:
            ModelError: a model failed.
        """
        long_enough = [one for one in seen.stretches if one.seconds >= LEAST_S and len(one.looks) >= LEAST_LOOKS]
        if not long_enough:
            return _refused(file, why_nobody(seen))
        if all(asked(network) is None for network in self._enroller.networks):
            return _refused(file, "not_measured")
        chosen = self._of_photos(long_enough, known) if known else self._alone(seen, long_enough)
        return _refused(file, chosen) if isinstance(chosen, str) else self._used(file, seen, chosen, known)

    # --- whose face is meant ----------------------------------------------------------------------------------

    def _of_photos(self, stretches: Sequence[Stretch], known: Sequence[KnownFace | GoodFace]) -> Stretch | ClipVerdict:
        """Return the stretch with the most looks at the person of the photos."""
        for stretch in sorted(stretches, key=lambda one: -len(one.looks)):
            told = self._told(some(stretch.looks))
            if told and self._excess(known, [one.face for one in told]) >= 0:
                return stretch
        return "somebody_else"

    def _alone(self, seen: Seen, stretches: Sequence[Stretch]) -> Stretch | ClipVerdict:
        """Return the longest stretch, if nobody else is in the video who could be meant."""
        main = max(stretches, key=lambda one: one.samples)
        mine = [one.face for one in self._told(some(main.looks))]
        for other in seen.stretches:
            if other is main or other.samples < RIVAL_SAMPLES or other.area <= RIVAL_SHARE * main.area:
                continue
            if other.first_s <= main.last_s and main.first_s <= other.last_s:
                return "several_people"
            theirs = [one.face for one in self._told(some(other.looks))]
            if theirs and self._excess(mine, theirs) < 0:
                return "several_people"
            if not theirs and other.samples > main.samples / 2:  # nobody can tell who that is
                return "several_people"
        return main

    # --- which looks ------------------------------------------------------------------------------------------

    def _used(self, file: str, seen: Seen, stretch: Stretch, known: Sequence[KnownFace | GoodFace]) -> JudgedClip:
        told = self._told(stretch.looks)
        alike = self._enroller.likeness([one.face for one in told])
        if alike is None or len(told) < LEAST_LOOKS:
            return _refused(file, "blurred")
        if changes(alike):
            return _refused(file, "changes")
        steady = [told[place] for place in agreeing(alike)[0]]
        if 2 * len(steady) < len(told):
            return _refused(file, "changes")
        if known:
            steady = [one for one in steady if self._excess(known, [one.face]) >= -LOOK_SLACK]
        chosen = self._apart(steady)
        free = self._free(chosen)
        if 2 * len(free) < len(chosen):
            return _refused(file, "covered")
        return _ok(file, seen, free) if free else _refused(file, "somebody_else")

    def _apart(self, told: Sequence[_Told]) -> list[_Told]:
        """Return the looks that are farthest apart."""
        if not told:
            return []
        spaces = [np.stack(vectors) for vectors in zip(*(one.face.vectors for one in told), strict=True)]
        return [told[place] for place in farthest(distances(spaces), MOST_LOOKS)]

    def _free(self, told: Sequence[_Told]) -> list[_Told]:
        """Leave out looks at which a mask or dark glasses cover the face; from aside nobody can tell."""
        return [one for one in told if one.look.side != "front" or not self._is_covered(one.look)]

    def _is_covered(self, look: Look) -> bool:
        picture = jpeg.decode(look.photo)
        found = self._models.find(picture, enroll_score())
        face = max(found, key=lambda one: one.box.area, default=None)
        return face is None or covered(picture, face.landmarks, self._models) is not None

    def _told(self, looks: Sequence[Look]) -> list[_Told]:
        """Embed looks, as a kept photo is; those of which a network sees too little are left out."""
        faces = ((look, self._enroller.known(look.photo)) for look in looks)
        return [_Told(look, face) for look, face in faces if face is not None]

    def _excess(self, one: Sequence[KnownFace | GoodFace], other: Sequence[KnownFace | GoodFace]) -> float:
        alike = self._enroller.likeness([*one, *other])
        if alike is None or not one or not other:
            return -1.0
        return alike.excess(range(len(one)), range(len(one), len(one) + len(other)))


def why_nobody(seen: Seen) -> ClipVerdict:
    """Return what hinders most in a video of which no face can be used."""
    if sum(one.samples for one in seen.stretches) < RIVAL_SAMPLES:
        return "nobody"
    main = max(seen.stretches, key=lambda one: one.samples)
    same = [one for one in seen.stretches if one.track_id == main.track_id]
    faults = sum((one.faults for one in same), Counter[LookFault]())
    if 2 * faults.total() > sum(one.samples for one in same):
        return _OF_FAULTS[faults.most_common(1)[0][0]]
    return "too_short" if seen.looked_at_s < LEAST_S else "unsteady"


def changes(alike: Likeness) -> bool:
    """Whether looks of one stretch, in order of time, show one face and then another.

    A face that turns away becomes less and less like what it was, from look to look; another one that takes its place
    is unlike from one look to the next, and all after it is unlike all before.
    """
    count = len(alike.alike)
    breaks = [place for place in range(1, count) if alike.excess([place - 1], [place]) < NEXT_ALIKE]
    edges = [0, *breaks, count]
    parts = [range(begin, end) for begin, end in pairwise(edges) if end - begin > 1]
    return any(alike.excess(one, other) < 0 for one, other in combinations(parts, 2))


def some(looks: Sequence[Look]) -> list[Look]:
    """Return some looks, in order of time: of each part of the time the most frontal one, for that compares best."""
    parts = [looks[len(looks) * part // COMPARED : len(looks) * (part + 1) // COMPARED] for part in range(COMPARED)]
    return [min(part, key=lambda look: abs(look.yaw)) for part in parts if part]


def _ok(file: str, seen: Seen, told: Sequence[_Told]) -> JudgedClip:
    ordered = sorted(told, key=lambda one: one.look.time_s)
    looks = tuple(
        Judged(f"{file[:200]} at {look.time_s:.1f} s", "ok", CLIP_DETAILS["ok"],
               good=GoodFace(face.vectors, face.crowd, look.photo, look.thumbnail))
        for look, face in ordered
    )  # fmt: skip
    sides = tuple(side for side in SIDES if any(one.look.side == side for one in ordered))
    notes = [
        ONLY_ITS_BEGINNING_NOTE.format(seconds=seen.looked_at_s) if seen.looked_at_s >= _WHOLE_S else "",
        FROM_THE_FRONT_NOTE if len(sides) == 1 else "",
    ]
    return JudgedClip(file, "ok", CLIP_DETAILS["ok"], "; ".join(filter(None, notes)), looks, sides)


def _refused(file: str, verdict: ClipVerdict) -> JudgedClip:
    return JudgedClip(file, verdict, CLIP_DETAILS[verdict])
