"""What every test shares."""

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
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
