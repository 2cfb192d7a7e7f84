"""Where a child process begins."""

from multiprocessing.connection import Connection
from typing import Any

from services.ingest.wire import Job

PRELOAD = "services.ingest.child"
"""What the fork server imports once for all children."""


def run_child(connection: "Connection[Any, Any]", job: Job) -> None:
    """Read one source; see `services.ingest.child.run`."""
    # Imported in the child only: FFmpeg and OpenCV would cost the parent 40 MB, and it must never decode anyway.
    from services.ingest.child import run

    run(connection, job)
