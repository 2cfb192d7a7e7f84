"""One stream in the parent: its child, its books, its restarts."""

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mosaicast.contracts.messages import MediaPacket, OutgoingFaces, StreamSpec, VerdictMessage
from mosaicast.contracts.parts import Joiner
from mosaicast.contracts.situations import masking
from mosaicast.core.restarts import Quarantine, RestartState
from mosaicast.core.types import Disposition
from mosaicast.runtime import logs
from mosaicast.runtime.children import ChildProcess
from mosaicast.runtime.clocks import monotonic_s
from services.compositor.hls import HlsOutput, shows_less
from services.compositor.ledger import Ledger
from services.compositor.numbers import UnitNumbers
from services.compositor.replay import Replay
from services.compositor.wire import (
    LARGEST_SEGMENT_BYTES,
    Outcome,
    OutgoingPicture,
    Report,
    Segment,
    Settled,
    Tripped,
    from_child,
    to_child,
)

SILENCE_S = 5.0
"""A child reports ten times a second; one that is silent so long hangs (in FFmpeg, or on a dead connection)."""
PIPE_MESSAGES = 4000
"""Messages waiting for a child, besides a replay: more than a minute of a stream. A full queue means that it hangs."""
LARGEST_REPORT_BYTES = LARGEST_SEGMENT_BYTES + 1024
"""A child that sends more at once is broken: hostile media may have taken it over."""
EPOCHS = 32
"""So many epochs are remembered, to tell late packets of an old one from repeated ones."""
MOST_MISSED = 100_000
"""Video packets that can be missing at once, an hour of them; more is a broken number, not a loss."""
STUCK_S = 30.0
"""Frames that have not left so long after the last packet never will: the longest delay is 10 s. (The decoder holds
some back until its source ends, and a source that was killed never says so.)"""
EDGE_PAUSE_S = 1.0
"""Between tries at an edge that takes connections and does not answer."""

Spawn = Callable[[str], ChildProcess]
"""Starts a child for a stream."""
OnOutcomes = Callable[[str, list[Outcome]], None]
OnGuard = Callable[[str, OutgoingPicture | Tripped], None]
Item = MediaPacket | VerdictMessage | StreamSpec | OutgoingFaces | Settled


@dataclass(slots=True)
class _Link:
    """A running child, and the threads that talk to it."""

    child: ChildProcess
    unsent: "queue.Queue[Item | None]"
    last_message_s: float = 0.0
    connecting: bool = False
    reader: threading.Thread | None = None


class StreamRunner:
    """Feeds the child of one stream and keeps it alive. One thread (the service's) calls it.

    Args:
        stream_id: which.
        spawn: starts a child.
        on_outcomes: told every new outcome, once.
        on_restart: told why a child is to be replaced.
        on_guard: told the output guard's pictures and trips.
        hls: writes the child's segments; None: there is no HLS.
    """

    def __init__(  # noqa: PLR0913 - what it starts, and whom it tells
        self,
        stream_id: str,
        spawn: Spawn,
        on_outcomes: OnOutcomes,
        on_restart: Callable[[str], object],
        on_guard: OnGuard = lambda _stream, _told: None,
        *,
        hls: HlsOutput | None = None,
    ) -> None:
        self.stream_id = stream_id
        self.ledger = Ledger()
        self._note = ""
        self.quarantined = False
        self.stopped = False
        self.restarts = 0
        self.repeated = 0
        """How often the running child sent a picture again."""
        self.goes_on = False
        """The source stands still, and its last picture goes on."""
        self.behind_s = 0.0
        """How long after the source shows them frames leave."""
        self.last_packet_s = 0.0
        self._spawn, self._on_outcomes, self._on_restart = spawn, on_outcomes, on_restart
        self._on_guard = on_guard
        self._hls = hls
        self._source_ended = False
        self._spec: StreamSpec | None = None
        self._replay = Replay()
        self._joiner = Joiner()
        self._seen: dict[int, int] = {}
        self._numbers = UnitNumbers()
        self._state = RestartState()
        self._restart_s = 0.0
        self._link: _Link | None = None
        self._reports: queue.SimpleQueue[tuple[_Link, Report | OutgoingPicture | Segment]] = queue.SimpleQueue()
        self._log = logs.get_logger(__name__).bind(stream=stream_id)

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return self._replay.epoch

    @property
    def note(self) -> str:
        """A sentence for the user about what is wrong; empty when all is well."""
        return self._note or (self._hls.note if self._hls is not None else "")

    @property
    def child_pid(self) -> int:
        """The child's process id; 0 without one."""
        return self._link.child.pid if self._link else 0

    def on_spec(self, spec: StreamSpec) -> None:
        """Follow a new desired state; a new publication lifts the quarantine."""
        old, self._spec = self._spec, spec
        if self._hls is not None and shows_less(old, spec):
            self._hls.purge(spec.revision)
            # Two specs may have one revision: a consent that ends changes none. Older segments are left out anyway.
            self._hls.purge_until(monotonic_s())
        if self.quarantined and (old is None or old.publication != spec.publication):
            self.quarantined = False
            self._state.lifted()
        self._send(spec)

    def on_media(self, message: MediaPacket, now: float) -> None:
        """Take in a packet, or a piece of one, from the log."""
        self.last_packet_s = now
        packet = self._joiner.add(message)
        if packet is None or not self._is_new(packet):
            return
        is_unit = packet.track == "video" and not packet.end_of_epoch
        if is_unit and self._numbers.told(packet):
            return
        self._miss_units(packet)
        if is_unit:
            self.ledger.take(packet.epoch, packet.index)
        if packet.epoch < self.epoch:
            old = Outcome(packet.epoch, packet.index, Disposition.DROPPED, "old_epoch")
            self._tell(self.ledger.settle([old]))
            return
        self._source_ended = packet.end_of_epoch
        self._replay.add_packet(packet)
        if self.quarantined:
            self._tell(self.ledger.drop("quarantined"))
        elif self._link is None:
            if now >= self._restart_s:
                self._start(now)  # the replay carries the packet
        else:
            self._send(packet)

    def _is_new(self, packet: MediaPacket) -> bool:
        """Whether the log tells a packet for the first time; it delivers at least once."""
        if packet.epoch not in self._seen and len(self._seen) >= EPOCHS:
            oldest = min(self._seen)
            if packet.epoch < oldest:
                return False
            del self._seen[oldest]
        if packet.index <= self._seen.get(packet.epoch, -1):
            return False
        self._seen[packet.epoch] = packet.index
        return True

    def _miss_units(self, packet: MediaPacket) -> None:
        """Book the video packets that are missing before this one."""
        missing = self._numbers.missing(packet)
        if missing > MOST_MISSED:
            self._log.warning("numbers_jump", missing=missing)
        elif missing:
            self._tell(self.ledger.miss(packet.epoch, missing))

    def on_verdict(self, verdict: VerdictMessage) -> None:
        """Take in a verdict from the log."""
        self._replay.add_verdict(verdict)
        self._send(verdict)

    def on_faces(self, seen: OutgoingFaces) -> None:
        """Take in what the detector saw in a frame that went out."""
        self._send(seen)

    def tick(self, now: float) -> None:
        """Book what the child told, and see whether it lives."""
        heard, link = self._book_reports(), self._link
        if self._hls is not None:
            self._hls.tick(over=self._over)
        if link is None:
            if self._restart_s and now >= self._restart_s and self._replay.packets and not self.quarantined:
                self._start(now)
            return
        if heard:
            link.last_message_s = now
        if link.child.exit is not None:
            self._crashed(link, link.child.exit.text, now)
        elif now - link.last_message_s > SILENCE_S:
            self._hangs(link, now)

    def stop(self) -> HlsOutput | None:
        """End the child; what was in flight is booked as dropped.

        Returns: the HLS, if files of it stay that could not be deleted.
        """
        self.stopped = True
        if self._link is not None:
            self._end(self._link)
        self._tell(self.ledger.drop("stopped"))
        return self._hls if self._hls is not None and not self._hls.close() else None

    def rest(self) -> None:
        """Let the child go; the books stay, and the next packet starts another."""
        if self._link is not None:
            self._end(self._link)
        self._note = ""
        self._tell(self.ledger.drop("no_end"))

    def idle(self, now: float, idle_s: float) -> bool:
        """Whether nothing has come for so long that the child may go."""
        quiet_s = now - self.last_packet_s
        return self._link is not None and quiet_s > idle_s and (self.ledger.in_flight == 0 or quiet_s > STUCK_S)

    @property
    def _over(self) -> bool:
        """Whether the source has ended, as far as anybody knows."""
        unpublished = self._spec is not None and self._spec.source.kind == "push" and self._spec.publication is None
        return self._source_ended or self.quarantined or unpublished

    def _start(self, now: float) -> None:
        self._restart_s = 0.0
        unsent: queue.Queue[Item | None] = queue.Queue(PIPE_MESSAGES + len(self._replay.packets))
        link = self._link = _Link(self._spawn(self.stream_id), unsent, last_message_s=now)
        self._state.started(now)
        link.reader = threading.Thread(target=self._read, args=(link,), name=f"read-{self.stream_id}", daemon=True)
        link.reader.start()
        threading.Thread(target=self._write, args=(link,), name=f"write-{self.stream_id}", daemon=True).start()
        if self._spec is not None:
            self._send(self._spec)
        video = frozenset((p.epoch, p.index) for p in self._replay.packets if p.track == "video")
        # Frames that only the child before was given (a keyframe came since) are booked here, or they never are.
        self._tell(self.ledger.drop("compositor_crash", keep=video))
        shown = frozenset(index for epoch, index in video if self.ledger.is_settled(epoch, index))
        self._send(Settled(self._replay.epoch, shown))
        for packet in self._replay.packets:
            self._send(packet)
        for verdict in self._replay.verdicts:
            self._send(verdict)

    def _book_reports(self) -> bool:
        """Book what was told; return whether the running child told anything."""
        heard = False
        for _ in range(self._reports.qsize()):
            link, report = self._reports.get_nowait()
            if isinstance(report, OutgoingPicture):
                self._on_guard(self.stream_id, report)
                continue
            if isinstance(report, Segment):
                if self._hls is not None:
                    self._hls.on_segment(report)
                continue
            self._tell(self.ledger.settle(report.outcomes))
            for trip in report.trips:
                self._on_guard(self.stream_id, trip)
            if report.trips and self._hls is not None:
                self._hls.purge_until(monotonic_s())
            if link is self._link:
                heard, self._note, link.connecting = True, report.note, report.connecting
                self.repeated, self.goes_on, self.behind_s = report.repeated, report.goes_on, report.behind_s
        return heard

    def _hangs(self, link: _Link, now: float) -> None:
        if not link.connecting:
            self._crashed(link, "hang", now)
            return
        self._end(link)
        self._restart_s = now + EDGE_PAUSE_S  # not the media's fault: it counts for no quarantine
        self._restarted("edge_silent")
        self._note = masking.EDGE_SILENT.says()
        self._log.warning("edge_silent")

    def _crashed(self, link: _Link, how: str, now: float) -> None:
        self._end(link)
        self._restarted(how)
        step = self._state.crashed(now)
        self._log.error("child_ended", reason=how, quarantined=isinstance(step, Quarantine))
        if isinstance(step, Quarantine):
            self.quarantined = True
            self._tell(self.ledger.drop("quarantined"))
            return
        self._restart_s = step.at_s

    def _restarted(self, why: str) -> None:
        self.restarts += 1
        self._on_restart(why)

    def _end(self, link: _Link) -> None:
        """End a child. What it told before counts, so the pipe is closed after its last word was read."""
        with contextlib.suppress(queue.Full):
            link.unsent.put_nowait(None)
        link.child.kill()
        if link.reader is not None:
            link.reader.join(1.0)
        self._book_reports()
        self._link, self.goes_on, self.behind_s = None, False, 0.0
        link.child.stop(grace_s=0.5)

    def _send(self, item: Item) -> None:
        link = self._link
        if link is None:
            return
        try:
            link.unsent.put_nowait(item)
        except queue.Full:
            link.child.kill()  # noticed at the next tick

    def _tell(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self._on_outcomes(self.stream_id, outcomes)

    @staticmethod
    def _write(link: _Link) -> None:
        while (item := link.unsent.get()) is not None:
            try:
                link.child.connection.send_bytes(to_child(item))
            except (OSError, ValueError, TypeError):  # TypeError: the pipe was closed meanwhile
                return

    def _read(self, link: _Link) -> None:
        while True:
            try:
                report = from_child(link.child.connection.recv_bytes(LARGEST_REPORT_BYTES))
            except (EOFError, OSError, ValueError, msgspec.DecodeError, TypeError):
                return
            self._reports.put((link, report))
