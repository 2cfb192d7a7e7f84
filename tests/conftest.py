"""What every test shares."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("timeless", deadline=None)
hypothesis.settings.load_profile("timeless")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test that configures logs writes to a stream of its own, which is closed when it ends."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
