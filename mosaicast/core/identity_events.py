"""What the identity machine is told, what it answers, and how much it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mosaicast.core.tracking import Tracked
from mosaicast.core.types import PersonId, TrackId, TrackVerdict


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How much un-masking needs. Times in seconds of monotonic time.

    Similarities are cosines above what the network's cohort scorer asks of the two faces: 0 is just enough. The first
    network (dlib's) looks at every face, the second (FaceNet) where the first says yes; both must name the same person.
    Measured by `python -m bench.recognition` and `python -m bench.replay` (docs/recognition.md).
    """

    similarity: float = 0.0
    margin: float = 0.004
    """Over the second-best person, at each vote, in the first network."""
    second: float | None = 0.0
    """None: there is no second network, the first decides alone."""
    stay: float = -0.015
    """Enough of the first network at a re-check of who is clear already: below it is doubt."""
    second_stay: float = -0.06
    drop: float = -0.03
    """A re-check below masks at once; one between may be a blurred instant, and is tried once more."""
    second_recheck_s: float = 1.8
    """A re-check asks the second network too when it was last asked so long ago: it costs ten times the first."""
    window: int = 5
    """A vote speaks of the mean of so many of the newest looks at a track: one odd look neither un-masks nor delays. A
    re-check speaks of its own look alone: the past says nothing about who is there now."""
    votes: int = 3
    span_s: float = 0.3
    """First to last of the agreeing looks: three looks at one instant are one look."""
    smallest_face_px: float = 40.0
    least_sharpness: float = 12.0
    turn_limit: float = 0.6
    """Nose from the middle of the eyes, in distances between the eyes (0: frontal); beyond, the face is turned away.
    On the test clips 96 % of an enrolled person's looks at 0.5 to 0.7 still pass, and none of a stranger's."""
    recheck_turn_limit: float = 0.8
    """A clear track's face may be turned so far and still confirm who it is, by all that a vote needs; that it does not
    says nothing, for it may well be the turn. Whoever talks to a neighbour stays visible."""
    first_looks_s: float = 0.12
    """Between looks at a track that is not judged yet."""
    patience: int = 4
    """Looks without agreement after which it counts as unknown and is looked at less and less often ..."""
    retry_s: tuple[float, float] = (0.3, 2.0)
    """... after the first pause, doubling, up to the second: many faces cost a look each in 2 s ..."""
    retry_share_s: float = 0.25
    """... but no less often than that the unknown faces of a picture share four looks a second: of a few, none waits
    long after it turned to the camera ..."""
    larger: float = 1.25
    more_frontal: float = 0.15
    """... unless the face is by so much larger, or less turned, than at the last look: then it is worth one at once."""
    recheck_s: float = 0.5
    """A clear track is looked at again so often: at every second crop, which come 0.3 s apart at ten looks a second.
    With 0.6 it was often the third. Then a stranger who had come in the person's place between two frames was found
    out only after the first frames of that had left, 1 s later."""
    trust_s: float = 2.0
    """A clear track without a confirming look (turned away, recognizer too slow) is masked after so long."""
    unanswered_s: float = 0.85
    """The same while a look at it waits for its answer when the next look comes: the recognizer is late, or looks come
    in a burst. In its usual time a look is asked for at 0.6 s and answered at 0.7 s; if that crop was no good, 0.3 s
    later. Beyond, frames of somebody who came in the person's place would have left, 1 s after."""
    answer_s: float = 1.0
    """An answer that did not come by then is not waited for."""
    gallery_trust_s: float = 0.6
    """The gallery was last heard of at most so long ago, or everybody is masked: with the next look, within 1 s."""
    forget_s: float = 1.0
    """A track that is not seen for so long is gone; the tracker gives it up earlier."""


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What is known of a face before it is embedded."""

    landmarks: Sequence[float]
    """x, y of left eye, right eye, nose tip, ..., in any one scale."""
    sharpness: float
    has_crop: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A person of the gallery and how alike (see `IdentityPolicy`), best first in lists."""

    person_id: PersonId
    similarity: float


@dataclass(frozen=True, slots=True)
class Looked:
    """Event: one look at the picture."""

    faces: Sequence[tuple[Tracked, FaceQuality]]
    gallery_seen_s: float | None
    """When the gallery last proved that it is there and that we know its newest state; None: it is away."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: what became of a wanted look."""

    track_id: TrackId
    ask: int
    """Of the command that asked."""
    matches: Sequence[Match] | None
    """Of the first network. Empty: like nobody. None: there is no answer (the face can't be embedded, the queue was
    full)."""
    second: Sequence[Match] | None = None
    """Of the second network; None: it was not asked or gave no answer."""


@dataclass(frozen=True, slots=True)
class PeopleChanged:
    """Event: the owner's enrolled people were read anew."""

    people: Mapping[PersonId, str]
    """Each with a text that differs whenever the templates do."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Command: publish this about the look, one verdict for each face, in order."""

    verdicts: tuple[TrackVerdict, ...]


@dataclass(frozen=True, slots=True)
class LookWanted:
    """Command: embed the face of this track, ask the gallery, and answer."""

    track_id: TrackId
    ask: int
    urgent: bool
    """The track is clear: being late masks it."""
    since: int = 0
    """The oldest look at this track that surely showed the same face: from there on looks may be averaged ..."""
    window: int = 1
    """... so many of them, this one included."""
    second_from: float | None = None
    """Ask the second network too if the first one's best match reaches this; None: do not."""


Event = Looked | Answered | PeopleChanged
Command = Decided | LookWanted
