"""What the parts reported last, put together for people."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaicast.adapters.database.storage import Stream
from mosaicast.contracts.messages import PublicationState, StatusReport
from mosaicast.contracts.situations import StreamState, Told, in_state, masking, publishing, video, way
from services.api.refusals import FRESH_S, IN_USE, Refusal, Refusals

SILENT_S = 5.0
"""A part reports every second; one that is silent for so long is not to be believed any more."""
YOUNG_MS = 5_000
"""So long after a publication began nobody need have heard of it: that parts say nothing of it means nothing."""
_FINAL: Mapping[PublicationState, StreamState] = {"quarantined": "quarantined", "refused": "refused", "ended": "ended"}
"""A part's states in which it does not go on by itself."""


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What became of the frames since the parts started."""

    ingested: int = 0
    clear: int = 0
    masked: int = 0
    full_mosaic: int = 0
    dropped: int = 0
    dropped_by_reason: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VisiblePerson:
    """An enrolled person who is seen now."""

    person_id: str
    name: str


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream as it is now."""

    stream_id: str
    name: str
    told: Told
    """How it stands, in a state and its sentence."""
    latency_ms: float | None
    """From ingest's read to the push of the masked frame, median."""
    behind_ms: float | None
    """How long after the source has shown it a picture leaves now."""
    fps: float
    frames: FrameCounts
    tracks: Mapping[str, float]
    """Faces now: `clear`, `masked`, and masked ones by reason."""
    visible: tuple[VisiblePerson, ...]
    guard_trips: int
    """How often the output guard saw a face without a mask in what went out."""
    refused: tuple[Refusal, ...]
    """Publishers that were refused on it, the newest first."""
    rtmp_url: str
    hls_url: str

    @property
    def state(self) -> StreamState:
        """One of those of `contracts.situations`."""
        return self.told.state

    @property
    def reason(self) -> str:
        """Its sentence; empty when all is well."""
        return self.told.sentence


@dataclass(frozen=True, slots=True)
class _Heard:
    report: StatusReport
    at_s: float
    counted_before: Mapping[str, int] = field(default_factory=dict)
    """By the report before it."""


class StatusBoard:
    """The newest report of each part on each stream, and publishers that were refused. Thread-safe."""

    def __init__(self) -> None:
        self.refusals = Refusals()
        self._lock = threading.Lock()
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._waiting: Mapping[str, int] = {}
        self._problems: tuple[str, ...] = ()

    def note_waiting(self, waiting: Mapping[str, int], problems: Sequence[str] = ()) -> None:
        """Take note of people whose templates are not of the networks of today.

        Args:
            waiting: how many, by owner.
            problems: sentences on what the operator must see to.
        """
        with self._lock:
            self._waiting, self._problems = waiting, tuple(problems)

    def problems(self) -> tuple[str, ...]:
        """Return sentences on what the operator must see to."""
        with self._lock:
            return self._problems

    def take(self, report: StatusReport, now: float) -> None:
        """Take in a report that arrived at `now` (monotonic seconds)."""
        with self._lock:
            before = self._heard.get((report.stream_id, report.service))
            counted = {} if before is None else before.report.counters
            self._heard[report.stream_id, report.service] = _Heard(report, now, counted)

    def forget(self, stream_id: str) -> None:
        """Forget a deleted stream."""
        self.refusals.forget(stream_id)
        with self._lock:
            for key in [key for key in self._heard if key[0] == stream_id]:
                del self._heard[key]

    def visible_people(self) -> frozenset[str]:
        """Return the ids of everybody who is seen on any stream."""
        with self._lock:
            return frozenset(person for heard in self._heard.values() for person in heard.report.visible)

    def all_masked(self, stream_id: str, now: float) -> bool:
        """Return whether every picture of a stream that left since the report before the last is a full mosaic."""
        with self._lock:
            heard = self._heard.get((stream_id, "compositor"))
        if heard is None or now - heard.at_s > SILENT_S:
            return False
        full, clear, masked = (
            heard.report.counters.get(name, 0) - heard.counted_before.get(name, 0)
            for name in ("full_mosaic", "clear", "masked")
        )
        return full > 0 and clear <= 0 and masked <= 0

    def view(
        self,
        stream: Stream,
        urls: tuple[str, str],
        now: float,
        names: Mapping[str, str],
        now_ms: int = 0,
    ) -> StreamStatus:
        """Return the state of a stream as its user should see it.

        Args:
            names: of the people who are seen; whoever is not in it was deleted a moment ago, and is not named.
            urls: where the masked stream is watched over RTMP and HLS.
            now: monotonic seconds.
            now_ms: wall time; 0: of a publication that has just begun it may be said that parts do not report.
        """
        parts, refused = self._parts(stream.stream_id), self.refusals.of(stream.stream_id, now)
        fresh = {service: heard.report for service, heard in parts.items() if now - heard.at_s <= SILENT_S}
        told = _told(stream, fresh, young=_is_young(stream, now_ms))
        if told.situation is publishing.WELL:
            told = self._beside(stream.owner_id, refused, now) or told
        live = told.state == "live"
        counted = parts["compositor"].report.counters if "compositor" in parts else {}
        read = parts["ingest"].report.counters if "ingest" in parts else {}
        compositor, recognizer = fresh.get("compositor"), fresh.get("recognizer")
        return StreamStatus(
            stream_id=stream.stream_id,
            name=stream.name,
            told=told,
            latency_ms=_gauge(compositor, "end_to_end_ms") if live else None,
            behind_ms=_gauge(compositor, "behind_ms") if live else None,
            fps=compositor.gauges.get("fps", 0.0) if compositor else 0.0,
            frames=_counts(read, counted),
            tracks=_tracks(recognizer) if live else {},
            visible=_visible(recognizer, names) if live else (),
            guard_trips=counted.get("guard_trips", 0),
            refused=refused,
            rtmp_url=urls[0],
            hls_url=urls[1],
        )

    def _beside(self, owner_id: str, refused: tuple[Refusal, ...], now: float) -> Told | None:
        """Return what is to be said of a stream that is well; None: nothing."""
        if _tried_beside(refused, now):
            return publishing.SECOND_PUBLISHER.told()
        waiting = self._waiting.get(owner_id, 0)
        return masking.MAKING_TEMPLATES.told(people=waiting) if waiting else None

    def _parts(self, stream_id: str) -> dict[str, _Heard]:
        with self._lock:
            return {service: heard for (told_of, service), heard in self._heard.items() if told_of == stream_id}


def _told(stream: Stream, fresh: Mapping[str, StatusReport], *, young: bool) -> Told:
    """Return how a stream stands: what hinders most, seen from its source on."""
    ingest, compositor = _working(fresh, "ingest"), _working(fresh, "compositor")
    if stream.publication is None and stream.source.kind == "push":
        return publishing.NOBODY.told()  # whatever the parts still say of the publication before
    for part in (ingest, compositor):
        if part is not None and part.state in _FINAL:
            return in_state(_FINAL[part.state], part.reason)
    if ingest is None:
        return (publishing.ON_ITS_WAY if young else publishing.INGEST_SILENT).told()
    if ingest.state != "live":
        return in_state("starting", ingest.reason)
    if ingest.reason == video.FRAMES_TOO_LARGE.says() and (compositor is None or compositor.state != "live"):
        return video.KEYFRAMES_TOO_LARGE.told()  # nothing of it has reached the compositor
    return _masked(compositor, fresh, young=young)


def _masked(compositor: StatusReport | None, fresh: Mapping[str, StatusReport], *, young: bool) -> Told:
    """Return what becomes of a source that is read."""
    if compositor is None:
        return (publishing.ON_ITS_WAY if young else publishing.COMPOSITOR_SILENT).told()
    if compositor.state == "waiting" and not young:
        return way.SILENT.told()
    if compositor.state != "live":
        return in_state("starting", compositor.reason)
    return _live(fresh)


def _is_young(stream: Stream, now_ms: int) -> bool:
    began_ms = stream.created_ms if stream.publication is None else stream.publication.started_ms
    return 0 <= now_ms - began_ms <= YOUNG_MS


def _working(fresh: Mapping[str, StatusReport], part: str) -> StatusReport | None:
    """Return the report of a part; None: it is not there, or was stopped."""
    report = fresh.get(part)
    return None if report is None or report.state == "stopped" else report


def _live(fresh: Mapping[str, StatusReport]) -> Told:
    """Return the gravest of what is to be said of a stream that goes out."""
    detector = fresh.get("detector")
    if detector is not None and detector.state == "error":
        return masking.NO_DETECTION.told()
    of_output = in_state("live", fresh["compositor"].reason)
    return of_output if of_output.sentence else in_state("live", fresh["ingest"].reason)


def _tried_beside(refused: tuple[Refusal, ...], now: float) -> bool:
    """Return whether somebody tried a moment ago to publish beside the one who does."""
    return any(one.cause is IN_USE and now - one.last_s <= FRESH_S for one in refused)


def _counts(read: dict[str, int], counted: dict[str, int]) -> FrameCounts:
    by_reason = {name.removeprefix("dropped."): count for name, count in counted.items() if name.startswith("dropped.")}
    return FrameCounts(
        ingested=read.get("frames_ingested", 0),
        clear=counted.get("clear", 0),
        masked=counted.get("masked", 0),
        full_mosaic=counted.get("full_mosaic", 0),
        dropped=counted.get("dropped", 0),
        dropped_by_reason=by_reason,
    )


def _gauge(report: StatusReport | None, name: str) -> float | None:
    return report.gauges.get(name) if report else None


def _visible(report: StatusReport | None, names: Mapping[str, str]) -> tuple[VisiblePerson, ...]:
    seen = report.visible if report else ()
    return tuple(VisiblePerson(person, names[person]) for person in seen if person in names)


def _tracks(report: StatusReport | None) -> dict[str, float]:
    gauges = report.gauges if report else {}
    return {name.removeprefix("tracks_"): value for name, value in gauges.items() if name.startswith("tracks_")}
