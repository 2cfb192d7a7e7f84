"""The child of one stream: pipe in, RTMP out. Whatever hostile media does to FFmpeg happens here."""

from multiprocessing.connection import Connection
from typing import Any

import av.logging

from mosaicast.adapters.av_encoder import VideoFormat
from mosaicast.adapters.av_sink import AudioFormat, FlvSink
from mosaicast.contracts.messages import MediaPacket, OutgoingFaces, StreamSpec, VerdictMessage
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from services.compositor.engine import Engine
from services.compositor.wire import (
    Report,
    Settled,
    encode_look,
    encode_report,
    from_parent,
    with_known_codecs,
)

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

    def open_sink(video: VideoFormat, audio: AudioFormat | None) -> FlvSink:
        # FFmpeg holds the whole process while the edge is silent, without a limit: the parent has to know why.
        connection.send_bytes(encode_report(Report(engine.take_outcomes(), engine.note, connecting=True)))
        return FlvSink(url, video, audio)

    engine = Engine(open_sink, wall_ms, looks_per_s)
    try:
        _serve(connection, engine, codecs)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        engine.close()


def _serve(connection: "Connection[Any, Any]", engine: Engine, codecs: frozenset[str]) -> None:
    reported_s = monotonic_s()
    while True:
        now = monotonic_s()
        if connection.poll(_wait_s(engine.next_wake(), now)):
            _take(connection, engine, codecs)
        engine.step(monotonic_s())
        now = monotonic_s()
        if now - reported_s >= REPORT_S:
            reported_s = now
            report = Report(engine.take_outcomes(), engine.note, trips=engine.guard.take_trips())
            connection.send_bytes(encode_report(report))
        for look in engine.guard.take_looks():
            connection.send_bytes(encode_look(look))


def _wait_s(wake_s: float | None, now: float) -> float:
    return REPORT_S if wake_s is None else min(REPORT_S, max(0.0, wake_s - now))


def _take(connection: "Connection[Any, Any]", engine: Engine, codecs: frozenset[str]) -> None:
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
            engine.on_spec(message)
        elif isinstance(message, Settled):
            engine.on_settled(message)
        if not connection.poll(0):
            return
