"""The life of one stream inside a child: epochs, policy, painting, output. Time comes in as an argument."""

from collections.abc import Callable

import av

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.flv_audio import is_carried
from mosaicast.adapters.media.sink import AudioFormat
from mosaicast.contracts.messages import MediaPacket, OutgoingFaces, StreamSpec, VerdictMessage
from mosaicast.contracts.situations import clocks, masking, sound
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.guard import FrameId, Luma, clear_boxes
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition, MediaTime, PersonId
from mosaicast.pipeline.frames import Lost, Ready, Wanted
from mosaicast.pipeline.paint import paint, to_yuv420
from services.compositor.epoch import MANY_ASTRAY, EpochRun
from services.compositor.guard import OutputGuard
from services.compositor.output import OpenSink, Output
from services.compositor.still import AFTER_S, Painted, Still
from services.compositor.wire import Outcome, Settled

UNKNOWN_RATE = 30.0
"""Frames a second for rate control, where the source does not say."""
LATE_S = 0.5
"""A frame that could not be sent so long after it was due is dropped: late pictures would only grow the delay. Late
sound is dropped too: after a stop of 10 s its burst made players take the stream for one without pictures."""
TOLD_BEHIND_S = 0.25
"""Further behind the source than the set delay by more is said in the status."""
SUSPICIOUS_S = 0.3
"""Without a packet for so long the picture that leaves may be the last one for a while."""


class Engine:
    """Turns messages of one stream into pushed frames and their outcomes.

    Args:
        open_sink: opens the push.
        wall_ms: wall time in milliseconds: consents end by it.
        looks_per_s: of the output guard; 0 switches it off.
    """

    def __init__(self, open_sink: OpenSink, wall_ms: Callable[[], int], looks_per_s: float = 0.0) -> None:
        self.guard = OutputGuard(looks_per_s)
        self._output = Output(open_sink)
        self._wall_ms = wall_ms
        self._run: EpochRun | None = None
        self._newest = 0
        self._spec: StreamSpec | None = None
        self._next_end_ms = FOREVER_MS
        self._wanted = Wanted()
        self._settled = Settled(0, frozenset())
        self._outcomes: list[Outcome] = []
        self.still = Still()
        self.note = ""
        self.busy_s = 0.0
        """How long our last step took: packets lay in the pipe meanwhile. Who owns the clock says it."""

    @property
    def behind_s(self) -> float:
        """How long after the source shows it a frame leaves, 0 without one."""
        return 0.0 if self._run is None else self._run.behind_s

    def take_outcomes(self) -> tuple[Outcome, ...]:
        """Return the outcomes since the last call."""
        taken, self._outcomes = tuple(self._outcomes), []
        return taken

    def on_spec(self, spec: StreamSpec) -> None:
        """Follow a new policy from the next frame on."""
        self._spec = spec
        self.guard.sees_from(spec.policy.detection_threshold)
        self._follow()

    def on_settled(self, settled: Settled) -> None:
        """Take note of what a child before us has shown."""
        self._settled = settled

    def on_media(self, packet: MediaPacket, now: float) -> None:
        """Take in a packet."""
        run = self._run_of(packet.epoch)
        if run is None:
            if packet.track == "video" and not packet.end_of_epoch:
                self._lose(packet.epoch, Lost(packet.index, "old_epoch"))
        elif packet.end_of_epoch:
            run.source_ended(packet.unit, now)
        elif run.ended:  # it said that nothing follows, and frames have left by that
            if packet.track == "video":
                self._lose(packet.epoch, Lost(packet.index, "after_the_end"))
        elif packet.track == "audio":
            run.add_audio(packet, now)
        else:
            for lost in run.add_video(packet, now, self.busy_s):
                self._lose(run.epoch, lost)

    def on_verdict(self, message: VerdictMessage, now: float) -> None:
        """Take in a verdict; one of another epoch is worth nothing."""
        if self._run is not None and message.epoch == self._run.epoch:
            verdict = message.to_core()
            if self.still.is_doubted_by(verdict):
                self._veil()
            self._emit(self._run, self._run.add_verdict(verdict, now), now)

    def on_faces(self, seen: OutgoingFaces, now: float) -> None:
        """Take in what the detector saw in a frame that went out."""
        self.guard.on_faces(seen, now)
        if self.guard.note(now):
            self._veil()

    def step(self, now: float) -> None:
        """Do what is due."""
        run = self._run
        if run is None:
            return
        if self._wall_ms() >= self._next_end_ms:
            self._follow()
        self._emit(run, run.step(now), now)
        for packet in run.due_audio(now):
            if run.sound_late_s(packet.time, now) > LATE_S:
                run.astray += 1
            elif self._output.takes(self._audio_format(run)):
                run.astray = 0
                self._output.audio(packet, now)
        self._go_on(run, now)
        if run.ended and run.empty:
            self._output.close()
            self._run = None

    def next_wake(self) -> float | None:
        """Return the monotonic second of the next thing to do."""
        return None if self._run is None else self._run.next_wake()

    def close(self) -> None:
        """Hang up."""
        self._output.close()

    def _run_of(self, epoch: int) -> EpochRun | None:
        """Return the run of `epoch`, begun if it is new; None if it is over."""
        run = self._run
        if run is not None and epoch == run.epoch:
            return run
        if epoch <= self._newest:
            return None
        if run is not None:
            for lost in run.abandon():
                self._lose(run.epoch, lost)
        self._newest = epoch
        self.still.forget()
        self._run = EpochRun(epoch, self._wanted.policy.delay_s)
        self._follow()
        self._output.begin_epoch()
        return self._run

    def _follow(self) -> None:
        """Have the running epoch follow the newest spec: before the first one everything is mosaicked."""
        spec, now_ms = self._spec, self._wall_ms()
        # Verdicts on frames that wait here may be older than the end of a consent.
        ends_ms = {} if spec is None else {who: end for who, end in spec.visible_until.items() if end > now_ms}
        visible = frozenset(PersonId(person) for person in ends_ms)
        before = self._wanted
        self._wanted = Wanted(visible=visible) if spec is None else Wanted(spec.policy, spec.panic, visible)
        if self._wanted != before:  # what was painted by the old one can't be painted again by the new one
            self._veil()
        self._next_end_ms = min(ends_ms.values(), default=FOREVER_MS)
        if self._run is not None:
            self._run.apply(self._wanted)

    def _emit(self, run: EpochRun, results: list[Ready | Lost], now: float) -> None:
        for result in results:
            if isinstance(result, Lost):
                self._lose(run.epoch, result)
            elif run.epoch == self._settled.epoch and result.index in self._settled.indexes:
                self._take_over(run, result, now)
            elif run.late_s(result.time, now) > LATE_S:
                self._lose(run.epoch, Lost(result.index, "late"))
            else:
                self._show(run, result, now)

    def _show(self, run: EpochRun, ready: Ready, now: float) -> None:
        frame = to_yuv420(ready.frame)
        plan = self.guard.planned(ready.plan, now)
        looked_at = self.guard.begin(frame, plan, now)
        may_be_last = run.silent_s(now) > SUSPICIOUS_S
        before = self._before(frame, plan) if looked_at is None and may_be_last else looked_at
        painted = self._painted(run, ready, frame, plan, before)
        if not self._output.frame(frame, float(ready.time), now, painted.video, self._audio_format(run)):
            self.note = masking.EDGE_REFUSES.says()
            self._lose(run.epoch, Lost(ready.index, "sink_unavailable"))
            return
        if looked_at is not None:
            self.guard.sent(painted, looked_at, now)
        self.still.left(painted, now)
        self.note = self.guard.note(now) or self._sound_note(run) or self._lag_note(run)
        self._outcomes.append(self._shown(run, ready, plan, now))

    def _take_over(self, run: EpochRun, ready: Ready, now: float) -> None:
        """A child before us has sent this frame. If the source stands still, it may be the one that goes on."""
        frame, plan = to_yuv420(ready.frame), self.guard.planned(ready.plan, now)
        self.still.left(self._painted(run, ready, frame, plan, self._before(frame, plan)), now)

    def _painted(
        self, run: EpochRun, ready: Ready, frame: av.VideoFrame, plan: FramePlan, before: Luma | None
    ) -> Painted:
        """Paint a frame and return what is to be known of it, should it go on."""
        paint(frame, plan, self._wanted.policy.style)
        bracket = run.line.bracket(ready.time) or ()
        ids = frozenset(track.track_id for verdict in bracket for track in verdict.tracks if track.clear)
        clear = () if before is None else self._clear(run, ready.time)
        frame_id = FrameId(run.epoch, ready.index)
        return Painted(frame, plan, frame_id, ready.time, self._format(run, frame), before, clear, ids)

    def _before(self, frame: av.VideoFrame, plan: FramePlan) -> Luma | None:
        """Return the luma of a frame that may be the last one for a while: then it is checked again and again."""
        checked = self.guard.on and plan.disposition is not Disposition.FULL_MOSAIC
        return self.guard.luma(frame) if checked else None

    def _shown(self, run: EpochRun, ready: Ready, plan: FramePlan, now: float) -> Outcome:
        return Outcome(
            run.epoch,
            ready.index,
            plan.disposition,
            plan.full_reason or "",
            None if plan.disposition is Disposition.FULL_MOSAIC else plan.verdict_age_s,
            max(0.0, run.late_s(ready.time, now)),
            max(0, self._wall_ms() - ready.read_ms) / 1000,
        )

    def _go_on(self, run: EpochRun, now: float) -> None:
        """Send the last picture again if the source stands still. It is no frame of the source: no book counts it."""
        stands_for_s = run.stands_for_s(now)
        painted = self.still.due(stands_for_s, now) if not run.ended else None
        if painted is None or not self._repeat(run, painted, now):
            return
        self.still.sent(now)
        self.guard.again(painted, now)
        if (tripped := self.guard.note(now)) or stands_for_s >= AFTER_S:
            self.note = tripped or clocks.STANDS_STILL.says()

    def _repeat(self, run: EpochRun, painted: Painted, now: float) -> bool:
        # Pictures of a slow source leave as late as each other, for they wait in vain for what follows: between them
        # time goes on with the clock. After others it goes on to what is due, which the next picture will be.
        time_s = None if self.still.slow else run.media_s(now)
        return self._output.repeat(painted.frame, time_s, now, painted.video, self._audio_format(run))

    def _veil(self) -> None:
        style = self._wanted.policy.style
        self.still.veil(lambda frame, plan: paint(frame, plan, style))

    def _clear(self, run: EpochRun, time: MediaTime) -> tuple[Box, ...]:
        """Return where people are at `time` who may be seen."""
        bracket = run.line.bracket(time)
        return clear_boxes(*bracket, time, self._wanted.visible or frozenset()) if bracket is not None else ()

    def _format(self, run: EpochRun, frame: av.VideoFrame) -> VideoFormat:
        assert run.video is not None
        return VideoFormat(
            frame.width,
            frame.height,
            run.video.frame_rate or UNKNOWN_RATE,
            self._wanted.policy.preset,
            int(frame.color_range),
            int(frame.color_primaries),
            int(frame.color_trc),
            int(frame.colorspace),
            run.video.pixel_wh,
        )

    def _audio_format(self, run: EpochRun) -> AudioFormat | None:
        if run.audio_parameters is None or not run.first_audio or not self._carries(run):
            return None
        return AudioFormat(run.audio_parameters, run.first_audio)

    @staticmethod
    def _carries(run: EpochRun) -> bool:
        return run.audio_parameters is not None and is_carried(run.audio_parameters)

    def _sound_note(self, run: EpochRun) -> str:
        if run.astray < MANY_ASTRAY:
            return ""
        return sound.ASTRAY.says()

    def _lag_note(self, run: EpochRun) -> str:
        """Say how far behind the source the picture is, if that is not what was set."""
        behind_s, set_s = run.behind_s, self._wanted.policy.delay_s
        if behind_s - set_s < TOLD_BEHIND_S:
            return ""
        return clocks.LONGER_WAY.says(behind=f"{behind_s:.1f}", set=f"{set_s:.1f}")

    def _lose(self, epoch: int, lost: Lost) -> None:
        self._outcomes.append(Outcome(epoch, lost.index, Disposition.DROPPED, lost.reason))
