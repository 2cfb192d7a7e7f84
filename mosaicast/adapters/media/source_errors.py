"""What can be wrong with a source, in words for its owner."""

from typing import Literal

import av

from mosaicast.contracts.situations import files, video, way

Fault = Literal["content", "network", "operator"]


class SourceError(Exception):
    """A source that can't be read, or not any further.

    Args:
        code: short, fit for a metric label.
        text: one plain sentence for the stream's owner; never an address or a token.
        fault: whose it is: the content that was sent, the way to it, or the settings.
        retry: whether opening the same source again may help.
    """

    def __init__(self, code: str, text: str, *, fault: Fault, retry: bool) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.fault: Fault = fault
        self.retry = retry


def refuse(code: str, text: str) -> SourceError:
    """Return an error for content that will not become usable by trying again."""
    return SourceError(code, text, fault="content", retry=False)


def open_error(exc: Exception, *, live: bool) -> SourceError:
    """Return our error for a failure to open: of the edge's stream (`live`) or of a file."""
    return _live_open_error(exc) if live else _file_error(exc)


def read_error(exc: Exception, *, live: bool) -> SourceError:
    """Return our error for a failure in the middle of reading."""
    if not live:
        return _file_error(exc)
    if isinstance(exc, av.error.ExitError | av.error.TimeoutError):
        return SourceError("silent", way.SILENT.says(), fault="network", retry=True)
    return SourceError("broken", way.BROKEN.says(), fault="network", retry=True)


def _live_open_error(exc: Exception) -> SourceError:
    if isinstance(exc, av.error.ConnectionRefusedError):
        return SourceError("edge_down", way.EDGE_DOWN.says(), fault="network", retry=True)
    if isinstance(exc, av.error.ExitError | av.error.TimeoutError):
        return SourceError("silent", way.SENT_NOTHING.says(), fault="network", retry=True)
    if isinstance(exc, av.error.InvalidDataError):
        return SourceError("unreadable", video.UNREADABLE.says(), fault="content", retry=True)
    return SourceError("not_ready", way.NOT_READY.says(), fault="network", retry=True)


def _file_error(exc: Exception) -> SourceError:
    if isinstance(exc, FileNotFoundError):
        return SourceError("not_found", files.ABSENT.says(), fault="operator", retry=False)
    if isinstance(exc, PermissionError | IsADirectoryError):
        return SourceError("not_readable", files.FORBIDDEN.says(), fault="operator", retry=False)
    if isinstance(exc, MemoryError):
        return refuse("too_much_memory", files.TOO_MUCH_MEMORY.says())
    if isinstance(exc, av.error.ExitError | av.error.TimeoutError):
        return SourceError("slow_file", files.SLOW.says(), fault="operator", retry=True)
    if isinstance(exc, av.error.ArgumentError):  # also FFmpeg's answer where the container is not on the list
        return refuse("damaged", files.NOT_LET_IN.says())
    return refuse("damaged", files.DAMAGED.says())
