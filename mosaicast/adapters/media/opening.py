"""Opens a live stream or a file for reading, within limits."""

from collections.abc import Sequence
from dataclasses import dataclass

import av
import av.logging
import cv2

from mosaicast.adapters.media.allowed import whitelists
from mosaicast.adapters.media.flv_pipe import STAND_IN_CODEC, FlvPipe, open_pipe
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
    """Open an RTMP address (`live`) or the absolute path of a file.

    Args:
        url: where.
        live: whether it is an address.
        limits: deadlines.
        allowed: containers and codecs; None: the default list of its kind.
        headers: what an earlier reading of the same publication knew of its tracks (see `late`).

    Raises:
        SourceError: it can't be opened, has no usable video, or exceeds a limit.
    """
    bounds = limits or SourceLimits()
    lists = allowed or (Allowed.live() if live else Allowed.file())
    pipe: FlvPipe | None = None
    try:
        pipe = open_pipe(url, (bounds.open_s, bounds.read_s), lost_header(headers)) if live else None
        container = av.open(
            pipe or f"file:{url}",
            mode="r",
            format="flv" if live else None,
            options=_options(bounds, lists, live=live),
            timeout=(bounds.open_s, bounds.read_s),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError, MemoryError) as exc:
        if pipe is not None:
            pipe.close()
        raise open_error(exc, live=live) from exc
    try:
        return AvSource(container, lists, live=live, pipe=pipe)
    except BaseException:
        container.close()
        if pipe is not None:
            pipe.close()
        raise


def _options(limits: SourceLimits, allowed: Allowed, *, live: bool) -> dict[str, str]:
    options = {"max_pixels": str(LONGEST_SIDE * LONGEST_SIDE)} | whitelists(allowed)
    if live:
        options["codec_whitelist"] += f",{STAND_IN_CODEC}"
        return options | {"analyzeduration": str(int(limits.probe_s * 1_000_000))}
    # An edit list may tell the player to hide decoded frames. The compositor decodes bare packets and would show
    # them, so both sides must see all.
    return options | {"protocol_whitelist": "file", "advanced_editlist": "0"}
