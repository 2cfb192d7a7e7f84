"""One stream in the parent: its child, its books, its restarts."""

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from mosaicast.contracts.messages import MediaPacket, StreamSpec, VerdictMessage
from mosaicast.core.restarts import Quarantine, RestartState
from mosaicast.core.types import Disposition
from mosaicast.runtime import logs
from mosaicast.runtime.children import ChildProcess
from services.compositor.ledger import Ledger
from services.compositor.replay import Replay
from services.compositor.wire import Outcome, Report, Settled, decode_report, to_child

SILENCE_S = 5.0
"""A child reports ten times a second; one that is silent so long hangs (in FFmpeg, or on a dead connection)."""
PIPE_MESSAGES = 4000
"""Messages waiting for a child: more than a minute of a stream. A full queue means that it hangs."""

Spawn = Callable[[str], ChildProcess]
"""Starts a child for a stream."""
OnOutcomes = Callable[[str, list[Outcome]], None]
Item = MediaPacket | VerdictMessage | StreamSpec | Settled


@dataclass(slots=True)
class _Link:
    """A running child, and the threads that talk to it."""

    child: ChildProcess
    outbox: "queue.Queue[Item | None]" = field(default_factory=lambda: queue.Queue(PIPE_MESSAGES))
    heard_s: float = 0.0
    reader: threading.Thread | None = None


class StreamRunner:
    """Feeds the child of one stream and keeps it alive. One thread (the service's) calls it.

    Args:
        stream_id: which.
        spawn: starts a child.
        on_outcomes: told every new outcome, once.
    """

    def __init__(self, stream_id: str, spawn: Spawn, on_outcomes: OnOutcomes) -> None:
        self.stream_id = stream_id
        self.ledger = Ledger()
        self.note = ""
        self.quarantined = False
        self.restarts = 0
        self.last_packet_s = 0.0
        self._spawn, self._on_outcomes = spawn, on_outcomes
        self._spec: StreamSpec | None = None
        self._replay = Replay()
        self._newest = (0, -1)
        self._state = RestartState()
        self._restart_s = 0.0
        self._link: _Link | None = None
        self._reports: queue.SimpleQueue[tuple[_Link, Report]] = queue.SimpleQueue()
        self._log = logs.get_logger(__name__)

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return self._replay.epoch

    @property
    def child_pid(self) -> int:
        """The child's process id; 0 without one."""
        return self._link.child.pid if self._link else 0

    def on_spec(self, spec: StreamSpec) -> None:
        """Follow a new desired state; a new publication lifts the quarantine."""
        old, self._spec = self._spec, spec
        if self.quarantined and (old is None or old.publication != spec.publication):
            self.quarantined = False
            self._state.lifted()
        self._send(spec)

    def on_media(self, packet: MediaPacket, now: float) -> None:
        """Take in a packet from the log."""
        self.last_packet_s = now
        if packet.epoch < self._newest[0]:
            self._refuse_old(packet)
            return
        if (packet.epoch, packet.index) <= self._newest:
            return  # the log delivers at least once
        self._newest = packet.epoch, packet.index
        if packet.track == "video" and not packet.end_of_epoch:
            self.ledger.take(packet.epoch, packet.index)
        self._replay.add_packet(packet)
        if self.quarantined:
            self._tell(self.ledger.drop("quarantined"))
        elif self._link is None:
            if now >= self._restart_s:
                self._start(now)  # the replay carries the packet
        else:
            self._send(packet)

    def _refuse_old(self, packet: MediaPacket) -> None:
        if packet.track == "video" and not packet.end_of_epoch:
            self.ledger.take(packet.epoch, packet.index)
            old = Outcome(packet.epoch, packet.index, Disposition.DROPPED, "old_epoch")
            self._tell(self.ledger.settle([old]))

    def on_verdict(self, verdict: VerdictMessage) -> None:
        """Take in a verdict from the log."""
        self._replay.add_verdict(verdict)
        self._send(verdict)

    def tick(self, now: float) -> None:
        """Book what the child told, and look whether it lives."""
        self._book_reports(now)
        link_now = self._link
        if link_now is None:
            if self._restart_s and now >= self._restart_s and self._replay.packets and not self.quarantined:
                self._start(now)
        elif link_now.child.exit is not None:
            self._crashed(link_now.child.exit.text, now)
        elif now - link_now.heard_s > SILENCE_S:
            self._crashed("hang", now)

    def stop(self) -> None:
        """End the child; what was in flight is booked as dropped."""
        if self._link is not None:
            self._end(self._link)
        self._tell(self.ledger.drop("stopped"))

    def rest(self) -> None:
        """Let the child go; the books stay, and the next packet starts another."""
        if self._link is not None:
            self._end(self._link)

    def idle(self, now: float, idle_s: float) -> bool:
        """Whether nothing has come for so long that the child may go."""
        return self._link is not None and now - self.last_packet_s > idle_s and self.ledger.in_flight == 0

    def _start(self, now: float) -> None:
        self._restart_s = 0.0
        link = self._link = _Link(self._spawn(self.stream_id), heard_s=now)
        self._state.started(now)
        link.reader = threading.Thread(target=self._read, args=(link,), name=f"read-{self.stream_id}", daemon=True)
        link.reader.start()
        threading.Thread(target=self._write, args=(link,), name=f"write-{self.stream_id}", daemon=True).start()
        if self._spec is not None:
            self._send(self._spec)
        video = frozenset((p.epoch, p.index) for p in self._replay.packets if p.track == "video")
        # What the child before was given and this one is not (a keyframe came in between) has no other end.
        self._tell(self.ledger.drop("compositor_crash", keep=video))
        shown = frozenset(index for epoch, index in video if self.ledger.is_settled(epoch, index))
        self._send(Settled(self._replay.epoch, shown))
        for packet in self._replay.packets:
            self._send(packet)
        for verdict in self._replay.verdicts:
            self._send(verdict)

    def _book_reports(self, now: float) -> None:
        while not self._reports.empty():
            link, report = self._reports.get_nowait()
            link.heard_s = now
            self.note = report.note
            self._tell(self.ledger.settle(report.outcomes))

    def _crashed(self, how: str, now: float) -> None:
        link = self._link
        assert link is not None
        link.child.kill()
        if link.reader is not None:
            link.reader.join(1.0)  # what it told before it died counts
        self._book_reports(now)
        self._end(link)
        self.restarts += 1
        step = self._state.crashed(now)
        self._log.error("a child ended", stream=self.stream_id, how=how, quarantined=isinstance(step, Quarantine))
        if isinstance(step, Quarantine):
            self.quarantined = True
            self._tell(self.ledger.drop("quarantined"))
            return
        self._restart_s = step.at_s

    def _end(self, link: _Link) -> None:
        self._link = None
        with contextlib.suppress(queue.Full):
            link.outbox.put_nowait(None)
        link.child.stop(grace_s=0.5)

    def _send(self, item: Item) -> None:
        link = self._link
        if link is None:
            return
        try:
            link.outbox.put_nowait(item)
        except queue.Full:
            link.child.kill()  # noticed at the next tick

    def _tell(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self._on_outcomes(self.stream_id, outcomes)

    @staticmethod
    def _write(link: _Link) -> None:
        while (item := link.outbox.get()) is not None:
            try:
                link.child.connection.send_bytes(to_child(item))
            except (OSError, ValueError):
                return

    def _read(self, link: _Link) -> None:
        while True:
            try:
                report = decode_report(link.child.connection.recv_bytes())
            except (EOFError, OSError, ValueError, msgspec.DecodeError, TypeError):
                return
            self._reports.put((link, report))
