"""What can be wrong with a source, in words for its owner."""

from typing import Literal

import av

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
        return SourceError("silent", "The publisher sends nothing; waiting for it.", fault="network", retry=True)
    return SourceError("broken", "The connection to the source broke; connecting again.", fault="network", retry=True)


def _live_open_error(exc: Exception) -> SourceError:
    if isinstance(exc, av.error.ConnectionRefusedError):
        return SourceError("edge_down", "The media server does not answer.", fault="network", retry=True)
    if isinstance(exc, av.error.ExitError | av.error.TimeoutError):
        return SourceError("silent", "The publisher has sent nothing readable yet.", fault="network", retry=True)
    if isinstance(exc, av.error.InvalidDataError):
        return SourceError("unreadable", "What the publisher sends can't be read.", fault="content", retry=True)
    return SourceError("not_ready", "The media server does not have this stream yet.", fault="network", retry=True)


def _file_error(exc: Exception) -> SourceError:
    if isinstance(exc, FileNotFoundError):
        return SourceError("not_found", "The file does not exist.", fault="operator", retry=False)
    if isinstance(exc, PermissionError | IsADirectoryError):
        return SourceError("not_readable", "The file may not be read.", fault="operator", retry=False)
    if isinstance(exc, MemoryError):
        return refuse("too_much_memory", "Reading the file takes more memory than one stream may use.")
    if isinstance(exc, av.error.ExitError | av.error.TimeoutError):
        return SourceError("slow_file", "Reading the file takes too long.", fault="operator", retry=True)
    if isinstance(exc, av.error.ArgumentError):  # also FFmpeg's answer where the container is not on the list
        return refuse(
            "damaged",
            "The file is damaged, is not a video, or its container is not among those that are let in; "
            "the operator can add one to MOSAICAST_MEDIA__FILE_FORMATS.",
        )
    return refuse("damaged", "The file is damaged or is not a video.")
