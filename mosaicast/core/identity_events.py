"""What the identity machine is told, what it answers, and how much it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from mosaicast.core.tracking import Tracked
from mosaicast.core.types import PersonId, TrackId, TrackVerdict


@dataclass(frozen=True, slots=True)
class ViewPolicy:
    """What holds where every network tells how well it saw a face (`View`). Times in seconds.

    Such networks cost a tenth of dlib's and FaceNet's, so all of them are asked at every sample. Sharpness, yaw, pauses
    and `IdentityPolicy`'s figures about them do not count then.
    """

    own_s: float = 20.0
    """So long a confirmed look is one that its track is followed by."""
    own_every_s: float = 0.4
    """One such look is kept for each so many seconds, and the newest: 50 at most."""
    proofs: int = 3
    """After a step that does not surely show the same face so many looks in a row must be confirmed by the gallery
    before the next one counts as an own look: a stranger's single lucky look must not become what he is followed by."""
    grace_s: float = 0.55
    """A clear track about which no look says anything is masked after so long: somebody may have come in the person's
    place, dark or turned away. With a sample's time and the answer's it is less than the delay."""
    hindsight_s: float = 1.0
    """For so long after it was earned a track's verdicts say since when it has been the person."""


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How much un-masking needs. Times in seconds of monotonic time.

    Similarities are cosines above what the network's cohort scorer asks of the two faces: 0 is just enough. The first
    network (dlib's) embeds every face, the second (FaceNet) where the first says yes; both must name the same person.
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
    """A re-check below this masks at once. One between this and `stay` may be a blurred instant: it is tried once
    more."""
    second_recheck_s: float = 1.8
    """A re-check asks the second network too when it was last asked so long ago: it costs ten times the first."""
    window: int = 5
    """A vote is about the mean of so many of a track's newest embeddings: a single odd one neither un-masks nor delays.
    A re-check is about its own embedding alone: the past says nothing about who is there now."""
    votes: int = 3
    span_s: float = 0.3
    """From the first to the last agreeing vote: three at one instant count as one."""
    smallest_face_px: float = 40.0
    least_sharpness: float = 12.0
    yaw_limit: float = 0.6
    """The largest yaw_ratio: the nose from the middle of the eyes, in distances between the eyes. 0 is frontal; beyond
    the limit the face is turned away. On the test clips 96 % of an enrolled person's embeddings at 0.5 to 0.7 still
    pass, and none of a stranger's."""
    recheck_yaw_limit: float = 0.8
    """The same for a clear track. Between `yaw_limit` and this, a match confirms the identity; a mismatch is ignored,
    since pose may explain it. So whoever talks to a neighbour stays visible."""
    first_interval_s: float = 0.12
    """Between embeddings of a track that is not judged yet."""
    patience: int = 4
    """After so many embeddings without agreement a track counts as unknown. Then it is embedded ever less often."""
    retry_s: tuple[float, float] = (0.3, 2.0)
    """The first pause, doubled each time up to the second. So of many faces each costs one embedding in 2 s."""
    retry_share_s: float = 0.25
    """But the unknown faces of a picture share four embeddings a second, so that one of a few that turns to the camera
    does not wait long."""
    larger: float = 1.25
    more_frontal: float = 0.15
    """A face that is by so much larger, or less turned, than at its last embedding is embedded at once."""
    recheck_s: float = 0.5
    """A clear track is embedded again so often: at every second crop. Crops come 0.3 s apart at ten samples a second.
    With 0.6 s it was often the third: a stranger who took the person's place between two samples was found out only
    after the first such frames had left, 1 s later."""
    trust_s: float = 2.0
    """A clear track that nothing confirms (turned away, recognizer too slow) is masked after so long."""
    unanswered_s: float = 0.85
    """The same when the next sample comes while a request still waits: the recognizer is late, or samples come in a
    burst. Usually a request is sent at 0.6 s and answered at 0.7 s; if that crop was no good, 0.3 s later. Any longer,
    and frames of somebody who took the person's place would have left, 1 s after."""
    answer_s: float = 1.0
    """An answer that did not come by then is not waited for."""
    gallery_trust_s: float = 0.6
    """If the gallery was last heard of longer ago, everybody is masked: with the next sample, within 1 s."""
    forget_s: float = 1.0
    """A track that is not seen for so long is forgotten; the tracker gives it up earlier."""
    views: ViewPolicy | None = None
    """None: a network does not tell how well it saw a face."""


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


class Likeness(IntEnum):
    """How alike two looks of one track are, in the network that finds them less alike."""

    NONE = 0  # there is nothing that it can be held against
    UNLIKE = 1
    LIKE = 2  # it may be the same face in another pose
    SAME = 3  # as alike as two looks must be that are to be of one person


@dataclass(frozen=True, slots=True)
class View:
    """How well all networks saw a face at one look, and what they find it like. Faces that are hardly seen are all
    alike, so a look without a vote is held against nothing."""

    votes: bool
    """It is seen well enough to be held against anything."""
    clear: bool
    """It is seen so well that being like nobody counts against it."""
    before: Likeness = Likeness.NONE
    """The newest look of its track before it that has a vote."""
    own: bool = False
    """It is like one of `EmbeddingWanted.own`."""


@dataclass(frozen=True, slots=True)
class SampleTracked:
    """Event: the faces of one sample, each with its track."""

    faces: Sequence[tuple[Tracked, FaceQuality]]
    gallery_seen_s: float | None
    """When the gallery last proved that it is there and that we know its newest state; None: it is away."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: what became of a wanted embedding."""

    track_id: TrackId
    ask: int
    """Of the command that asked."""
    matches: Sequence[Match] | None
    """Of the first network. Empty: like nobody. None: there is no answer (the face can't be embedded, the queue was
    full)."""
    second: Sequence[Match] | None = None
    """Of the second network; None: it was not asked or gave no answer."""
    view: View | None = None
    """None: a network does not tell, or did not answer."""


@dataclass(frozen=True, slots=True)
class PeopleChanged:
    """Event: the owner's enrolled people were read anew."""

    people: Mapping[PersonId, str]
    """Each with a text that differs whenever the templates do."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Command: publish this about the sample, one verdict for each face, in order."""

    verdicts: tuple[TrackVerdict, ...]


@dataclass(frozen=True, slots=True)
class EmbeddingWanted:
    """Command: embed the face of this track, ask the gallery, and answer."""

    track_id: TrackId
    ask: int
    urgent: bool
    """The track is clear: being late masks it."""
    since: int = 0
    """The oldest request for this track that surely showed the same face: embeddings since then may be averaged."""
    window: int = 1
    """How many of them are averaged, this one included."""
    second_from: float | None = None
    """Ask the second network too if the first one's best match reaches this; None: do not."""
    own: tuple[int, ...] = ()
    """Requests of this track that the gallery confirmed as this person: hold the face against those, forget others."""


Event = SampleTracked | Answered | PeopleChanged
Command = Decided | EmbeddingWanted
