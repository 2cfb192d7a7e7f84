"""Probes and metrics over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from mosaicast.runtime.health import HealthServer
from mosaicast.runtime.metrics import Metrics


class _State:
    ready = True
    healthy = True


@pytest.fixture
def state() -> _State:
    return _State()


@pytest.fixture
def url(state: _State) -> Iterator[str]:
    metrics = Metrics()
    metrics.frames_ingested.labels(stream="abc").inc(3)
    server = HealthServer(
        "127.0.0.1", 0, metrics.registry, ready=lambda: state.ready, healthy=lambda: state.healthy
    ).start()
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def test_metrics_are_exposed_with_their_prefix(url: str) -> None:
    assert 'mosaicast_frames_ingested_total{stream="abc"} 3.0' in httpx.get(f"{url}/metrics", trust_env=False).text


def test_probes_follow_the_service(url: str, state: _State) -> None:
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    state.ready = False
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    state.healthy = False
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 503


def test_other_paths_are_not_found(url: str) -> None:
    assert httpx.get(f"{url}/etc/passwd", trust_env=False).status_code == 404


def test_two_processes_metrics_do_not_collide() -> None:
    Metrics()
    Metrics()
