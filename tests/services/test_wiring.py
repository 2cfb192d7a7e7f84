"""Every setting of Kafka reaches the clients, and what `mosaicast up` was given reaches its services."""

from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from mosaicast.adapters.kafka import KafkaConfig
from mosaicast.adapters.kafka.config import group_settings, producer_settings
from mosaicast.contracts.topics import Topology
from mosaicast.runtime.settings import IngestServiceSettings, KafkaSettings, load, load_or_exit
from services.cli.main import app
from services.cli.stack import Stack, StackOptions
from services.wiring import kafka_config, kafka_environment

REACHES: list[tuple[dict[str, str], str, object]] = [
    ({"BOOTSTRAP": "one:1,two:2"}, "bootstrap", "one:1,two:2"),
    ({"EMBEDDED": "true"}, "embedded", True),
    ({"PARTITIONS": "12"}, "topology", Topology(12)),
    ({"ASSIGNMENT_INDEX": "1", "ASSIGNMENT_COUNT": "3"}, "static_assignment", (1, 3)),
    ({"GROUP_PROTOCOL": "classic"}, "group_protocol", "classic"),
    ({"INSTANCE": "ingest-0"}, "instance", "ingest-0"),
    ({"SEND_QUEUE_BYTES": "8388608"}, "send_queue_bytes", 8_388_608),
    ({"DELIVERY_TIMEOUT_S": "2.5"}, "delivery_timeout_s", 2.5),
    ({"REPLICATION": "3"}, "replication", 3),
    ({"SECURITY_PROTOCOL": "SSL"}, "options", {"security.protocol": "ssl"}),
]
"""What an operator says, and the field of KafkaConfig that says it to the clients."""


@pytest.mark.parametrize(
    ("given", "field", "value"), REACHES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_setting_of_kafka_reaches_the_clients(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], field: str, value: object
) -> None:
    for name, text in given.items():
        monkeypatch.setenv(f"MOSAICAST_KAFKA__{name}", text)
    config = kafka_config(load_or_exit(IngestServiceSettings), "ingest")
    assert getattr(config, field) == value
    assert getattr(KafkaConfig("127.0.0.1:9092", "ingest-0"), field) != value


def test_nothing_of_a_client_can_not_be_set() -> None:
    by_the_service = {"client_id"}
    assert {field for _, field, _ in REACHES} | by_the_service == {field.name for field in fields(KafkaConfig)}


def test_defaults_of_the_settings_are_those_of_the_clients() -> None:
    assert kafka_config(IngestServiceSettings(), "c") == KafkaConfig("127.0.0.1:9092", "c-0")


def test_librdkafka_hears_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_KAFKA__INSTANCE", "pod-7")
    monkeypatch.setenv("MOSAICAST_KAFKA__DELIVERY_TIMEOUT_S", "3")
    config = kafka_config(load(), "ingest")
    assert group_settings(config, "ingest")["group.instance.id"] == "ingest-pod-7"
    assert "group.protocol" not in group_settings(config, "ingest")
    assert producer_settings(config)["message.timeout.ms"] == 3_000


def test_settings_of_kafka_survive_the_way_through_an_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.chdir(tmp_path)
    given = KafkaSettings(
        partitions=7, replication=3, group_protocol="classic", instance="a", send_queue_bytes=2_000_000,
        delivery_timeout_s=4.5, security_protocol="sasl_ssl", ssl_ca_location=Path("ca.pem"), sasl_username="u",
        sasl_password=SecretStr("hush"),
    )  # fmt: skip
    for name, text in kafka_environment(given).items():
        monkeypatch.setenv(name, text)
    assert load().kafka == given.model_copy(update={"ssl_ca_location": tmp_path / "ca.pem"})


def test_up_hands_the_operators_kafka_to_its_services_and_owns_all_partitions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOSAICAST_KAFKA__INSTANCE", "pod-7")
    given = KafkaSettings(partitions=6, replication=3, delivery_timeout_s=4.0, instance="pod-7")
    options = StackOptions(tmp_path, rtmp_port=0, http_port=0, api_port=0, bootstrap="kafka:9092", security=given)
    for name, text in Stack(options)._environment("kafka:9092").items():
        monkeypatch.setenv(name, text)
    config = kafka_config(load_or_exit(IngestServiceSettings), "ingest")
    assert (config.bootstrap, config.static_assignment, config.instance) == ("kafka:9092", (0, 1), None)
    assert (config.topology, config.replication, config.delivery_timeout_s) == (Topology(6), 3, 4.0)


def test_up_refuses_partitions_that_its_embedded_broker_can_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_KAFKA__PARTITIONS", "8")
    refused = CliRunner().invoke(app, ["up"])
    assert refused.exit_code == 2
    assert "MOSAICAST_KAFKA__PARTITIONS is for a real Kafka" in " ".join(refused.output.replace("│", " ").split())
