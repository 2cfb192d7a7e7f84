"""The broker that librdkafka carries: in memory, one process, for trying out with a few streams.

It keeps about 5 MB of a partition and silently forgets what is older; a message above 4 MiB is refused by our
producers. It dies with the process that holds it.
"""

from confluent_kafka import KafkaException, Producer

from mosaicast.adapters.kafka.config import KafkaConfig, client_settings
from mosaicast.adapters.kafka.errors import BusError, bus_error
from mosaicast.adapters.kafka.topics import ensure_topics

_START_S = 10.0


class EmbeddedBroker:
    """A running broker on 127.0.0.1, as a context manager; its topics exist when it is entered."""

    def __init__(self) -> None:
        self._host: Producer | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients in any process of this machine.

        Raises:
            BusError: it does not run.
        """
        if self._host is None:
            raise BusError("the embedded broker does not run", fault="us", retry=False)
        return self._bootstrap

    def __enter__(self) -> "EmbeddedBroker":
        """Start it.

        Raises:
            BusError: it did not start.
        """
        settings = {**client_settings(KafkaConfig("", "embedded-broker")), "test.mock.num.brokers": 1}
        del settings["bootstrap.servers"]
        try:
            self._host = Producer(settings)
            broker = next(iter(self._host.list_topics(timeout=_START_S).brokers.values()))
        except KafkaException as exc:
            raise bus_error(exc, "starting the embedded broker") from exc
        self._bootstrap = f"{broker.host}:{broker.port}"
        ensure_topics(KafkaConfig(self._bootstrap, "embedded-broker", embedded=True))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it; its messages are gone."""
        self._host = None
