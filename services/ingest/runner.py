"""One stream in the parent: keeps its child as the desired state says, and tells its owner how it stands.

The states and what leads from one to another are the table in `states`.
"""

from collections import Counter
from dataclasses import replace

from mosaicast.contracts.messages import CodecParameters, PublicationState, StatusReport, StreamSpec
from mosaicast.contracts.situations import files, publishing, video, way
from mosaicast.core.restarts import Quarantine, RestartState
from mosaicast.core.types import StreamId
from services.ingest.child_pipe import NOTHING, ChildPipe
from services.ingest.context import Child, IngestContext
from services.ingest.headers import to_tell
from services.ingest.plan import Reading, Refusal
from services.ingest.states import Event, after
from services.ingest.wire import Command, End, Job, pack_command

SILENT_AFTER_S = 20.0
"""A child says something each second, while its source is silent too; opening ends after 5 s. One so silent hangs."""
EXIT_PATIENCE_S = 1.0
"""From the end of a child's pipe to the end of its process."""
OVERTAKE_EVERY_S = 10.0
"""A child whose epoch is not the newest is restarted at most so often: somebody may invent newer ones."""


class StreamRunner:
    """Runs at most one child for one stream. Not thread-safe: the service's loop calls it."""

    def __init__(self, spec: StreamSpec, context: IngestContext) -> None:
        self._context = context
        self._spec = spec
        self._tally: Counter[str] = Counter()
        self._child: Child | None = None
        self._child_pipe: ChildPipe | None = None
        self._epoch = 0
        self._start_at_s: float | None = None
        """When to start the child, monotonic; None while it runs or is not to run."""
        self._state: PublicationState = "waiting"
        self._reason = ""
        self._child_note = ""
        self._headers: tuple[CodecParameters, ...] = ()
        """What children read of the present publication, a stranger's bytes: for the next child, and never for us."""
        self._total = NOTHING
        self._frames_before = 0
        self._overtaken_s = float("-inf")
        self._reported_s = context.now_s()
        self._log = context.log.bind(stream=spec.stream_id)
        self._adopt(context.planner.plan(spec))

    def update(self, spec: StreamSpec) -> None:
        """Take over a newer desired state; an older revision is ignored."""
        if spec.revision < self._spec.revision:
            return
        old, self._spec = self._spec, spec
        plan = self._context.planner.plan(spec)
        if plan != self._plan:
            self._stop_child()
            self._adopt(plan)
        elif spec.policy != old.policy and self._child_pipe is not None:
            self._command(self._child_pipe)

    def tick(self) -> None:
        """Start the child if it is due, and look after a running one."""
        if self._child is not None and self._child_pipe is not None:
            self._watch(self._child, self._child_pipe)
        elif isinstance(self._plan, Reading) and self._start_due:
            self._start(self._plan)

    def on_lost(self) -> None:
        """The bus lost a video packet after taking it; from any thread."""
        child_pipe = self._child_pipe
        if child_pipe is not None:
            child_pipe.lossy.set()

    def stop(self) -> None:
        """End the child and its epoch."""
        self._stop_child()
        self._start_at_s = None
        self._note("stop", "")

    def report(self) -> StatusReport:
        """Return the heartbeat for the stream's owner."""
        now_s = self._context.now_s()
        frames = self._tally["frames_ingested"]
        fps = (frames - self._frames_before) / max(0.001, now_s - self._reported_s)
        self._frames_before, self._reported_s = frames, now_s
        width, height = self._child_pipe.size_wh if self._child_pipe is not None else (0, 0)
        return StatusReport(
            service="ingest", instance=self._context.instance, stream_id=self._spec.stream_id,
            epoch=self._newest_epoch(), state=self._state, reason=self._sentence,
            counters=dict(self._tally),
            gauges={"fps": round(fps, 2), "width": float(width), "height": float(height)},
            at_ms=self._context.now_ms(), headers=to_tell(self._spec, self._known_headers()),
        )  # fmt: skip

    @property
    def state(self) -> PublicationState:
        """How the stream stands."""
        return self._state

    @property
    def _sentence(self) -> str:
        """Why the stream stands so, or what is wrong with a source that is read all the same."""
        child = self._child_pipe
        if self._reason or child is None or self._state != "live":
            return self._reason
        return video.FRAMES_TOO_LARGE.says() if child.too_large else child.note

    def _known_headers(self) -> tuple[CodecParameters, ...]:
        """What is known of the present publication: by this child, those before it, or another instance's."""
        mine = () if self._child_pipe is None else self._child_pipe.codecs
        return mine or self._headers or self._context.headers.of(self._spec)

    def _adopt(self, plan: Reading | Refusal | None) -> None:
        self._plan = plan
        self._headers = ()  # another publisher has other ones
        # Crashes lead to quarantine; a source that is not there yet is asked again for as long as it is published.
        self._crashes = RestartState(self._context.restarts)
        self._failures = RestartState(replace(self._context.restarts, quarantine_crashes=None))
        self._start_at_s = None
        if isinstance(plan, Refusal):
            self._note("not_readable", plan.text)
        elif plan is None:
            self._note("unpublished", publishing.NOBODY.says())
        else:
            self._start_at_s = self._context.now_s()
            self._note("published", "")

    @property
    def _start_due(self) -> bool:
        return self._start_at_s is not None and self._context.now_s() >= self._start_at_s

    def _start(self, reading: Reading) -> None:
        now_s, self._start_at_s = self._context.now_s(), None
        stream_id = StreamId(self._spec.stream_id)
        self._epoch = self._context.epochs.next(stream_id, self._context.now_ms(), self._epoch)
        policy = self._spec.policy
        job = Job(
            self._spec.stream_id,
            reading.url,
            reading.live,
            self._epoch,
            policy.analysis_fps,
            policy.detection_threshold,
            reading.allowed,
            self._known_headers() if reading.live else (),
        )
        self._child = self._context.spawn(job)
        self._crashes.started(now_s)
        self._failures.started(now_s)
        self._child_pipe = ChildPipe(job, self._child.connection, self._context, self._tally, self._total).start()

    def _watch(self, child: Child, child_pipe: ChildPipe) -> None:
        if child_pipe.violation is not None:
            self._stop_child()
            self._crashed(f"contract_{child_pipe.violation}")
        elif child_pipe.finished or child.exit is not None:
            self._collect(child, child_pipe)
        elif self._context.now_s() - child_pipe.last_message_s > SILENT_AFTER_S:
            self._stop_child()
            self._crashed("hung")
        elif self._overtaken:
            self._overtake()
        elif child_pipe.live and self._state != "live":
            self._note("packets", "")
        elif child_pipe.note != self._child_note:
            self._child_note = child_pipe.note
            self._log.info("stream_state", state=self._state, reason=self._sentence, epoch=self._newest_epoch())
        elif child_pipe.lossy.is_set():
            child_pipe.lossy.clear()
            self._command(child_pipe, begin_anew=True)

    def _command(self, child_pipe: ChildPipe, *, begin_anew: bool = False) -> None:
        policy = self._spec.policy
        child_pipe.command(pack_command(Command(policy.analysis_fps, policy.detection_threshold, begin_anew)))

    @property
    def _overtaken(self) -> bool:
        """Whether somebody holds a newer epoch of the stream, and so drops all that our child reads."""
        newer = self._context.epochs.newest(StreamId(self._spec.stream_id)) > self._newest_epoch()
        return newer and self._context.now_s() - self._overtaken_s >= OVERTAKE_EVERY_S

    def _overtake(self) -> None:
        """Read the source anew, in an epoch above all that are known."""
        self._overtaken_s = self._start_at_s = self._context.now_s()
        self._stop_child()
        self._context.metrics.child_restarts.labels("old_epoch").inc()
        self._note("overtaken", way.OVERTAKEN.says())

    def _collect(self, child: Child, child_pipe: ChildPipe) -> None:
        exited = child.wait(EXIT_PATIENCE_S)
        self._stop_child()
        if child_pipe.end is not None:
            self._ended(child_pipe.end)
        else:
            self._crashed("hung" if exited is None else exited.text)

    def _ended(self, end: End) -> None:
        """Go on after a child that told how it ended."""
        live = isinstance(self._plan, Reading) and self._plan.live
        if end.code == "end" and not live:
            self._note("file_over", files.OVER.says())
        elif end.code != "end" and not end.retry:
            self._note("content_refused", end.text)
        else:
            self._again(self._failures, end.code)
            self._note("source_away", end.text or way.STOPPED_SENDING.says())

    def _crashed(self, how: str) -> None:
        if self._again(self._crashes, how):
            self._note("crashed", way.READING_FAILED.says())
        else:
            self._note("crashed_too_often", way.READING_QUARANTINED.says())

    def _again(self, restarts: RestartState, reason: str) -> bool:
        """Plan the next start; return False if there is none."""
        self._context.metrics.child_restarts.labels(reason).inc()
        decision = restarts.crashed(self._context.now_s())
        if isinstance(decision, Quarantine):
            self._log.error("stream_quarantined", crashes=decision.crashes, reason=reason)
            return False
        self._start_at_s = decision.at_s
        return True

    def _stop_child(self) -> None:
        if self._child is None or self._child_pipe is None:
            return
        if self._child.exit is None:
            self._child.kill()  # it holds nothing that is worth the time of an orderly end
        self._child_pipe.close()
        self._epoch, self._total = self._newest_epoch(), self._child_pipe.total
        self._headers = self._child_pipe.codecs or self._headers
        self._child = self._child_pipe = None

    def _newest_epoch(self) -> int:
        return self._epoch if self._child_pipe is None else self._child_pipe.epoch

    def _note(self, event: Event, reason: str) -> None:
        state = after(self._state, event)
        if (state, reason) != (self._state, self._reason):
            self._log.info("stream_state", state=state, reason=reason, epoch=self._newest_epoch())
        self._state, self._reason = state, reason
