"""What the composition roots of all services make in the same way."""

from pathlib import Path

from pydantic import SecretStr

from mosaicast.adapters.kafka import KafkaConfig
from mosaicast.runtime.settings import KafkaSettings, Settings

SECURITY = (
    "security_protocol",
    "ssl_ca_location",
    "ssl_certificate_location",
    "ssl_key_location",
    "ssl_key_password",
    "sasl_mechanism",
    "sasl_username",
    "sasl_password",
)
"""Settings that are named as librdkafka names them, but for the dots."""


def kafka_config(settings: Settings, client: str, *, all_partitions: bool = False) -> KafkaConfig:
    """Return how a service reaches the message log.

    Args:
        client: the service; with the instance's number it is the client's name.
        all_partitions: its consumers read everything, whatever share the settings give this instance.
    """
    kafka = settings.kafka
    share = None if kafka.assignment_index is None else (kafka.assignment_index, kafka.assignment_count)
    return KafkaConfig(
        kafka.bootstrap,
        f"{client}-{settings.instance}",
        embedded=kafka.embedded,
        static_assignment=(0, 1) if all_partitions else share,
        options=security_options(kafka),
    )


def security_options(kafka: KafkaSettings) -> dict[str, str]:
    """Return the settings of TLS and SASL as librdkafka reads them; they hold passwords."""
    if kafka.security_protocol == "plaintext":
        return {}
    return {name.replace("_", "."): text for name, text in security_values(kafka).items()}


def security_values(kafka: KafkaSettings) -> dict[str, str]:
    """Return the texts of the settings of TLS and SASL that are set, files by their whole path; they hold passwords."""
    values = {name: getattr(kafka, name) for name in SECURITY}
    if not kafka.security_protocol.startswith("sasl"):
        del values["sasl_mechanism"]
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.resolve()) if isinstance(value, Path) else str(value)
