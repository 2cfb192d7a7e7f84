"""The child of one stream: pipe in, RTMP out, HLS to the parent. What hostile media does to FFmpeg happens here."""

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import av.logging
from msgspec.structs import replace

from mosaicast.adapters.media.encoder import VideoFormat
from mosaicast.adapters.media.hls import HlsSegment, Segmenter
from mosaicast.adapters.media.sink import AudioFormat, FlvSink
from mosaicast.contracts.messages import MediaPacket, OutgoingFaces, StreamSpec, VerdictMessage
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from services.compositor.engine import Engine
from services.compositor.hls import shows_less
from services.compositor.parent_pipe import ParentPipe
from services.compositor.wire import Report, Segment, Settled, from_parent, with_known_codecs

REPORT_S = 0.1


def run(connection: "Connection[Any, Any]", url: str, codecs: frozenset[str], looks_per_s: float = 0.0) -> None:
    """Serve one stream until the pipe closes.

    Args:
        connection: to the compositor.
        url: where the masked stream is pushed.
        codecs: what may be decoded, by name.
        looks_per_s: of the output guard; 0 switches it off.
    """
    av.logging.set_level(av.logging.PANIC)
    child = _Child(connection, url, codecs, looks_per_s)
    try:
        child.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        child.close()


class _Child:
    def __init__(
        self, connection: "Connection[Any, Any]", url: str, codecs: frozenset[str], looks_per_s: float
    ) -> None:
        self._connection, self._url, self._codecs = connection, url, codecs
        self._parent_pipe = ParentPipe(connection)
        self._segmenter = Segmenter(self._send_segment, wall_ms)
        self._engine = Engine(self._open_sink, wall_ms, looks_per_s)
        self._spec: StreamSpec | None = None

    def serve(self) -> None:
        """Work until the parent hangs up. Raises EOFError or a sort of OSError then."""
        reported_s = monotonic_s()
        while True:
            now = monotonic_s()
            if self._connection.poll(_wait_s(self._engine.next_wake(), now)):
                take(self._connection, self._engine, self._codecs, self._on_spec)
            begun_s = monotonic_s()
            self._engine.step(begun_s)
            now = monotonic_s()
            self._engine.busy_s = now - begun_s
            if now - reported_s >= REPORT_S:
                reported_s = now
                self._report()
            for picture in self._engine.guard.take_pictures():
                self._parent_pipe.send_picture(picture)

    def close(self) -> None:
        """Hang up."""
        self._engine.close()
        self._parent_pipe.close()

    def _open_sink(self, video: VideoFormat, audio: AudioFormat | None) -> FlvSink:
        # FFmpeg holds the whole process while the edge is silent, without a limit: the parent has to know why.
        self._report(connecting=True)
        self._parent_pipe.flush()
        return FlvSink(self._url, video, audio, self._segmenter)

    def _report(self, *, connecting: bool = False) -> None:
        engine = self._engine
        report = Report(engine.take_outcomes(), engine.note, connecting, engine.guard.take_trips())
        still, behind_s = engine.still, max(0.0, engine.behind_s)
        self._parent_pipe.send_report(
            replace(report, repeated=still.repeated, goes_on=still.goes_on, behind_s=behind_s)
        )

    def _send_segment(self, made: HlsSegment) -> None:
        self._parent_pipe.send_segment(
            Segment(made.revision, made.began_ms, made.duration_s, made.discontinuity, made.data, made.began_s)
        )

    def _on_spec(self, spec: StreamSpec) -> None:
        self._engine.on_spec(spec)
        if shows_less(self._spec, spec):
            self._segmenter.forget()
        self._spec, self._segmenter.revision = spec, spec.revision


def take(
    connection: "Connection[Any, Any]",
    engine: Engine,
    codecs: frozenset[str],
    on_spec: Callable[[StreamSpec], None],
) -> None:
    """Hand over what has arrived, but look at the clock at least every few dozen messages."""
    for _ in range(64):
        message = from_parent(connection.recv_bytes())
        if isinstance(message, MediaPacket):
            engine.on_media(with_known_codecs(message, codecs), monotonic_s())
        elif isinstance(message, VerdictMessage):
            engine.on_verdict(message, monotonic_s())
        elif isinstance(message, OutgoingFaces):
            engine.on_faces(message, monotonic_s())
        elif isinstance(message, StreamSpec):
            on_spec(message)
        elif isinstance(message, Settled):
            engine.on_settled(message)
        if not connection.poll(0):
            return


def _wait_s(wake_s: float | None, now: float) -> float:
    return REPORT_S if wake_s is None else min(REPORT_S, max(0.0, wake_s - now))
