"""The whole product on an operator's Kafka that wants TLS and a password, and that loses all its data."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from mosaicast.adapters.kafka.server import missing
from mosaicast.runtime.settings import KafkaSettings
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic.oracle import Oracle
from synthetic.session import LiveWatch, Session, wait_until
from tests.adapters.secure_kafka import PASSWORD, USER, SecureKafka
from tests.e2e.conftest import FPS, TOKEN

pytestmark = pytest.mark.kafka
BACK_S = 120.0


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[SecureKafka]:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with SecureKafka(tmp_path) as running:
        yield running


@pytest.fixture
def secured(secure: SecureKafka, tmp_path: Path) -> Iterator[Session]:
    options = StackOptions(
        data_dir=tmp_path / "data",
        rtmp_port=0,
        http_port=0,
        api_port=0,
        bootstrap=secure.at("sasl_ssl"),
        security=KafkaSettings(
            security_protocol="sasl_ssl",
            ssl_ca_location=secure.authority.file,
            sasl_mechanism="PLAIN",  # its users are in the broker's settings, and outlive its data
            sasl_username=USER,
            sasl_password=SecretStr(PASSWORD),
        ),
        admin_token=TOKEN,
    )
    with Stack(options) as stack:
        addresses = stack.start()  # until all five services are ready
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, tmp_path)


def test_a_broadcast_over_tls_outlives_the_loss_of_all_that_the_broker_had(
    secured: Session, secure: SecureKafka, pair_clip: Path, pair_oracle: Oracle
) -> None:
    stream = secured.create("secure")
    with secured.publish(pair_clip, stream), LiveWatch(stream.rtmp_url, pair_oracle) as watch:
        wait_until(lambda: watch.count("clean") >= 2 * FPS, BACK_S, "masked frames")
        first = secure.server.pid
        os.kill(first, signal.SIGKILL)
        shutil.rmtree(secure.server.data, ignore_errors=True)
        wait_until(lambda: secure.server.pid not in {0, first}, BACK_S, "an empty broker")
        back_s = time.monotonic()
        wait_until(lambda: watch.count("clean", back_s) >= 2 * FPS, BACK_S, "masked frames again")
        report = watch.report()
    assert report.leaks == ()
    for service in ("api", "ingest", "detector", "recognizer", "compositor"):
        log = (secured.stack.options.data_dir / "logs" / f"{service}.log").read_text(errors="replace")
        assert PASSWORD not in log
