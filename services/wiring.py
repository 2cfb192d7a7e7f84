"""What the composition roots of all services make in the same way."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import SecretStr

from mosaicast.adapters.kafka import KafkaConfig
from mosaicast.runtime import logs, rights
from mosaicast.runtime.dumps import forbid_dumps
from mosaicast.runtime.health import HealthServer
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import KafkaSettings, ModelSettings, Service, ServiceSettings, load_or_exit

if TYPE_CHECKING:
    from mosaicast.adapters.embedders.cohort import Scorer
    from mosaicast.adapters.gallery.store import GalleryConfig

S = TypeVar("S", bound=ServiceSettings)

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


class Network(Protocol):
    """An embedding network, as its templates are labelled."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def dimension(self) -> int:
        """How long its vectors are."""


def begin(service: Service, settings: type[S]) -> S:
    """Do what every service does first, and return its settings; wrong ones end the process with a sentence."""
    rights.make_private()
    forbid_dumps()
    loaded = load_or_exit(settings)
    logs.configure(service, level=loaded.log_level)
    return loaded


def kafka_config(settings: ServiceSettings, client: str, *, all_partitions: bool = False) -> KafkaConfig:
    """Return how a service reaches the message log.

    Args:
        client: the service; with the instance's number it is the client's name.
        all_partitions: its consumers read everything, whatever share the settings give this instance.
    """
    return log_config(settings.kafka, f"{client}-{settings.instance}", all_partitions=all_partitions)


def log_config(kafka: KafkaSettings, client_id: str, *, all_partitions: bool = False) -> KafkaConfig:
    """Return how a client of this name reaches the message log; see `kafka_config`."""
    share = None if kafka.assignment_index is None else (kafka.assignment_index, kafka.assignment_count)
    return KafkaConfig(
        kafka.bootstrap,
        client_id,
        embedded=kafka.embedded,
        topology=kafka.topology,
        static_assignment=(0, 1) if all_partitions else share,
        group_protocol=kafka.group_protocol,
        instance=kafka.instance,
        send_queue_bytes=kafka.send_queue_bytes,
        delivery_timeout_s=kafka.delivery_timeout_s,
        replication=kafka.replication,
        options=security_options(kafka),
    )


def security_options(kafka: KafkaSettings) -> dict[str, str]:
    """Return the settings of TLS and SASL as librdkafka reads them; they hold passwords."""
    if kafka.security_protocol == "plaintext":
        return {}
    values = {name: getattr(kafka, name) for name in SECURITY}
    if not kafka.security_protocol.startswith("sasl"):
        del values["sasl_mechanism"]
    return {name.replace("_", "."): _text(value) for name, value in values.items() if value is not None}


def kafka_environment(kafka: KafkaSettings) -> dict[str, str]:
    """Return the variables of the environment that say the same, files by their whole path; they hold passwords."""
    values = {name: getattr(kafka, name) for name in KafkaSettings.model_fields}
    return {f"MOSAICAST_KAFKA__{name.upper()}": "" if value is None else _text(value) for name, value in values.items()}


def gallery_config(
    settings: ModelSettings,
    network: Network,
    *,
    key: bytes | None,
    scorer: "Scorer | None" = None,
    patience_s: float = 5.0,
) -> "GalleryConfig":
    """Return where the templates of a network are.

    Args:
        key: encrypts them in local mode.
        scorer: how alike a face is to a template; None: their cosine.
        patience_s: how long to wait for another process to leave the gallery's folder.
    """
    from mosaicast.adapters.gallery.store import GalleryConfig  # its libraries are nothing to ingest

    qdrant = settings.qdrant
    return GalleryConfig(
        model=network.name,
        version=network.version,
        dimension=network.dimension,
        path=settings.gallery_path,
        former_path=settings.former_gallery_path,
        url=qdrant.url,
        api_key=qdrant.api_key.get_secret_value() if qdrant.api_key else None,
        timeout_s=qdrant.timeout_s,
        scorer=scorer,
        key=key,
        patience_s=patience_s,
    )


def health_server(
    settings: ServiceSettings,
    metrics: Metrics,
    ready: Callable[[], bool],
    healthy: Callable[[], bool] = lambda: True,
) -> HealthServer:
    """Return the server of a service's health and metrics, not started.

    Raises:
        OSError: its port is taken.
    """
    return HealthServer(settings.metrics_host, settings.metrics_port, metrics.registry, ready, healthy)


def count_drops(metrics: Metrics) -> Callable[[str, str], None]:
    """Return what counts messages that could not be sent, by topic and reason."""
    return lambda topic, reason: metrics.bus_drops.labels(topic, reason).inc()


def count_bad(metrics: Metrics) -> Callable[[str, str], None]:
    """Return what counts messages that did not decode, by topic and reason."""
    return lambda topic, reason: metrics.contract_errors.labels(topic, reason).inc()


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.resolve()) if isinstance(value, Path) else str(value)
