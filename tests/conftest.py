"""What every test shares."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Hypothesis fails an example that takes 0.2 s, or that is slow to make: on a busy machine any does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# `--hypothesis-profile few`: which lines are reached shows with a few examples (scripts/coverage).
settings.register_profile("few", settings.get_profile("untimed"), max_examples=5)

# Kafka's JVMs live for seconds here: the quick compiler alone takes 40 % less of a core until they answer.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

TESTS = Path(__file__).parent
TIERS = ("unit", "adapters", "services", "e2e")
LONGEST = (
    "services/api/test_watch_page.py", "services/chaos/test_chaos.py", "adapters/test_kafka_server.py",
    "adapters/test_kafka_security.py", "adapters/test_bus_suite.py", "services/cli/test_calibrate_real.py",
    "adapters/test_kafka_pictures.py", "services/api/test_people_leftovers.py", "services/api/test_paging.py",
    "adapters/test_edge_doors.py",
)  # fmt: skip
"""Files that take longest begin first where several processes share the tests: else one of them is left alone with one
at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, which is its folder; first, so that `-m unit` can choose by it."""
    for item in items:
        item.add_marker(tier(item.path))
    if "PYTEST_XDIST_WORKER" in os.environ:
        rank = {TESTS / name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.path, len(rank)))


def tier(path: Path) -> str:
    """Return the folder below `tests` in which a test lies."""
    folder = path.relative_to(TESTS).parts[0]
    if folder not in TIERS:
        raise pytest.UsageError(f"{path} is of no tier: tests lie in tests/ below {', '.join(TIERS)}")
    return folder


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test that configures logs writes to a stream of its own, which is closed when it ends."""
    structlog_before = structlog.get_config()
    root = logging.getLogger()
    handlers, level, raises = root.handlers, root.level, logging.raiseExceptions
    # What is captured is all that is said; without `configure` only warnings are.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.configure(**structlog_before)
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers, logging.raiseExceptions = handlers, raises
    root.setLevel(level)
