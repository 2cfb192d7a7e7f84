"""A compositor with a bug: after a while its painter forgets to paint. `python -m tests.e2e.planted_compositor`."""

import sys
from multiprocessing.connection import Connection
from typing import Any

import av

from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Disposition, Style
from mosaicast.pipeline.paint import paint
from services.compositor import __main__ as compositor
from services.compositor import child, engine, entry

FRAMES = 100
"""Masked frames that are painted before the bug shows."""

_serve = child.run


class Forgetful:
    """Paints `FRAMES` masked frames; after that, full mosaics only."""

    def __init__(self) -> None:
        self._masked = 0

    def __call__(self, frame: av.VideoFrame, plan: FramePlan, style: Style) -> None:
        """Paint, or forget to."""
        self._masked += plan.disposition is Disposition.MASKED
        if plan.disposition is not Disposition.MASKED or self._masked <= FRAMES:
            paint(frame, plan, style)


def run(connection: "Connection[Any, Any]", *arguments: Any) -> None:
    """Stand in for the child's entry."""
    setattr(engine, "paint", Forgetful())  # noqa: B010 - it is the engine's own name for another module's
    _serve(connection, *arguments)


if __name__ == "__main__":
    from tests.e2e import planted_compositor

    entry.run_child = planted_compositor.run  # type: ignore[assignment]  # importable, so that the fork server finds it
    sys.exit(compositor.main())
