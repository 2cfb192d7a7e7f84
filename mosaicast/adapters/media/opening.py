"""Opens a live stream or a file for reading, within limits."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import av
import av.logging
import cv2

from mosaicast.adapters.media.allowed import whitelists
from mosaicast.adapters.media.flv_pipe import STAND_IN_CODEC, open_pipe
from mosaicast.adapters.media.late import lost_header
from mosaicast.adapters.media.source import AvSource
from mosaicast.adapters.media.source_errors import open_error
from mosaicast.contracts.messages import CodecParameters
from mosaicast.core.allowed import LONGEST_SIDE, Allowed


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Deadlines of one source, seconds."""

    open_s: float = 5.0
    read_s: float = 40.0
    """Longer than the edge keeps a publisher who sends nothing: a source may stand still, and another reader would only
    come to the same silence, in a new epoch."""
    probe_s: float = 1.0
    """Media time that FFmpeg may read to learn how the picture is coded. Sound is not waited for."""


def limit_libraries() -> None:
    """Make FFmpeg silent (hostile media would flood the log) and OpenCV single-threaded. For a child process."""
    av.logging.set_level(av.logging.PANIC)
    cv2.setNumThreads(1)


def open_source(
    url: str,
    *,
    live: bool,
    limits: SourceLimits | None = None,
    allowed: Allowed | None = None,
    headers: Sequence[CodecParameters] = (),
) -> AvSource:
    """Open `url`: an RTMP address (`live`) or the absolute path of a file.

    Args:
        limits: deadlines.
        allowed: containers and codecs; None: the default list of its kind.
        headers: what an earlier reading of the same publication knew of its tracks (see `late`).

    Raises:
        SourceError: it can't be opened, has no usable video, or exceeds a limit.
    """
    bounds = limits or SourceLimits()
    timeouts_s = bounds.open_s, bounds.read_s
    lists = allowed or (Allowed.live() if live else Allowed.file())
    with ExitStack() as opened:
        try:
            pipe = open_pipe(url, timeouts_s, lost_header(headers)) if live else None
            if pipe is not None:
                opened.callback(pipe.close)
            container = av.open(
                pipe or f"file:{url}",
                format="flv" if live else None,
                options=_options(bounds, lists, live=live),
                timeout=timeouts_s,
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, ValueError, MemoryError) as exc:
            raise open_error(exc, live=live) from exc
        opened.callback(container.close)
        source = AvSource(container, lists, live=live, pipe=pipe)
        opened.pop_all()
        return source


def _options(limits: SourceLimits, allowed: Allowed, *, live: bool) -> dict[str, str]:
    options = {"max_pixels": str(LONGEST_SIDE * LONGEST_SIDE)} | whitelists(allowed)
    if live:
        options["codec_whitelist"] += f",{STAND_IN_CODEC}"
        return options | {"analyzeduration": str(int(limits.probe_s * 1_000_000))}
    # An edit list may tell the player to hide decoded frames. The compositor decodes bare packets and would show
    # them, so both sides must see all.
    return options | {"protocol_whitelist": "file", "advanced_editlist": "0"}
