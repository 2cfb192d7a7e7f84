"""One real Kafka for all tests that want one."""

from collections.abc import Iterator

import pytest

from mosaicast.adapters.kafka import KafkaConfig, ensure_topics
from mosaicast.adapters.kafka.server import KafkaServer, missing


@pytest.fixture(scope="session")
def real_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        ensure_topics(KafkaConfig(server.bootstrap, "tests"))
        yield server
