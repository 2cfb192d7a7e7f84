"""Where a child process begins."""

from multiprocessing.connection import Connection
from typing import Any

PRELOAD = "services.compositor.child"
"""What the fork server imports once for all children."""


def run_child(connection: "Connection[Any, Any]", url: str, codecs: frozenset[str], looks_per_s: float) -> None:
    """Serve one stream; see `services.compositor.child.run`."""
    # Imported in the child only: FFmpeg and OpenCV would cost the parent 0.5 s and 40 MB, and it must never decode.
    from services.compositor.child import run

    run(connection, url, codecs, looks_per_s)
