"""What every test shares."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Hypothesis fails an example that takes 0.2 s, or that is slow to make: on a busy machine any does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test that configures logs writes to a stream of its own, which is closed when it ends."""
    structlog_before = structlog.get_config()
    root = logging.getLogger()
    handlers, level, raises = root.handlers, root.level, logging.raiseExceptions
    yield
    structlog.configure(**structlog_before)
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers, logging.raiseExceptions = handlers, raises
    root.setLevel(level)
