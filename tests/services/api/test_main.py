"""The process as it is run: settings from the environment, the embedded broker, SIGTERM."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mosaicast.adapters.kafka import BusProducer, KafkaConfig, StateReader
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.contracts.messages import StreamSpec
from mosaicast.contracts.topics import STREAMS
from mosaicast.runtime.ports import free_ports
from tests.adapters.bus_tools import LIMIT_S, within_limit
from tests.files import rights_under
from tests.services.api.fakes import ADMIN_TOKEN

ROOT = Path(__file__).parents[3]


@pytest.fixture
def broker() -> Iterator[KafkaConfig]:
    with EmbeddedBroker() as running:
        yield KafkaConfig(running.bootstrap, "test", embedded=True)


def test_it_ends_ghosts_tells_of_panic_and_keeps_metrics_and_files_to_itself(
    broker: KafkaConfig, tmp_path: Path
) -> None:
    producer = BusProducer(broker, confirms=True)
    ghost = StreamSpec(stream_id="ghost", owner_id="town", revision=7)
    assert producer.send_confirmed(STREAMS, ghost).result(LIMIT_S)
    producer.close()
    port, metrics_port = free_ports(2)
    data = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "services.api"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MOSAICAST_DATA_DIR": str(data),
            "MOSAICAST_KAFKA__BOOTSTRAP": broker.bootstrap,
            "MOSAICAST_KAFKA__EMBEDDED": "true",
            "MOSAICAST_API__PORT": str(port),
            "MOSAICAST_API__ADMIN_TOKEN": ADMIN_TOKEN,
            "MOSAICAST_METRICS_PORT": str(metrics_port),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    reader = StateReader(broker, STREAMS)
    held: dict[str, Any] = {}

    def read() -> None:
        held.update({received.key: received.message for received in reader.poll(0.2)})

    try:
        within_limit(lambda: "ghost" in held and held["ghost"] is None, read)
        http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, trust_env=False
        )
        within_limit(lambda: _ready(http), read)
        stream_id = http.post("/v1/streams", json={"name": "Main square"}).json()["stream_id"]
        assert http.post(f"/v1/streams/{stream_id}/panic", timeout=LIMIT_S).status_code == 204
        within_limit(lambda: stream_id in held and held[stream_id].panic, read)
        assert http.get("/metrics").status_code == 404
        counted = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False).text
        assert 'mosaicast_http_requests_total{method="POST",route="/v1/streams",status="201"} 1.0' in counted
        assert [path for path, rights in rights_under(data).items() if rights & 0o077] == []
        assert (data / "mosaicast.db").exists()
        assert (data / "vault" / "vault-id").exists()
        http.close()
    finally:
        reader.close()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LIMIT_S)
    assert process.returncode in {0, -signal.SIGTERM}, log  # the server ends by the signal after it closed everything
    assert '"event": "log_differed"' in log
    assert '"event": "bug"' not in log


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
