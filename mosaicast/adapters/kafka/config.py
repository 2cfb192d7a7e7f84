"""Settings of every Kafka client, each with its reason. docs/kafka.md tells operators the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mosaicast.adapters.kafka.log import ClientLog
from mosaicast.contracts.topics import KIB, LARGEST_MESSAGE_BYTES, MIB, Topology

ENVELOPE_BYTES = 64 * KIB
"""Room for key, headers and batch framing around the largest message."""
EMBEDDED_LARGEST_BYTES = 4 * MIB
"""The embedded broker keeps 5 MB of a partition and silently forgets a message that alone is larger."""
SESSION_TIMEOUT_MS = 6_000
"""The least that brokers allow by default (group.min.session.timeout.ms)."""
HEARTBEAT_MS = 1_000
FETCH_QUEUE_BYTES = 32 * MIB
"""Read ahead at most this much; when it is full librdkafka stops fetching, nothing is dropped."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """How to reach the message log, and how this process shares it with others."""

    bootstrap: str
    """HOST:PORT, several with commas."""
    client_id: str
    embedded: bool = False
    """It is the broker that librdkafka carries."""
    topology: Topology = field(default_factory=Topology)
    """How keys are spread over partitions; the same in every process of an installation."""
    static_assignment: tuple[int, int] | None = None
    """(index, count): own every partition p with p % count == index, without a group. For one machine, where a
    supervisor restarts a dead instance at once: it takes its partitions back with no session to wait for."""
    group_protocol: Literal["auto", "classic", "consumer"] = "auto"
    """`consumer` is KIP-848 (Kafka 4.0 or newer), `classic` is older. auto: consumer, but classic on the embedded
    broker and for a named instance."""
    instance: str | None = None
    """Static membership: a restarted instance of this name takes its partitions back at once, not after the session's
    end. Classic only: KIP-848 answers a restart after SIGKILL with UNRELEASED_INSTANCE_ID until the session is over."""
    send_queue_bytes: int = 64 * MIB
    """Messages waiting to be sent; a full queue refuses and counts."""
    delivery_timeout_s: float = 10.0
    """A message not delivered by then is dropped and counted: a picture so late is shown to nobody."""
    replication: int = -1
    """Copies of each partition; -1: what the broker is set to."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More librdkafka settings, for TLS and SASL. They hold passwords."""

    def __post_init__(self) -> None:
        """Reject what can't work.

        Raises:
            ValueError: the index of `static_assignment` is not below its count, an instance in a KIP-848 group, or
                another number of partitions than the embedded broker has.
        """
        if self.static_assignment is not None and not 0 <= self.static_assignment[0] < self.static_assignment[1]:
            raise ValueError(f"static_assignment {self.static_assignment}: the index must be below the count")
        if self.instance is not None and self.group_protocol == "consumer":
            raise ValueError("a named instance needs the classic group protocol")
        if self.embedded and self.topology != Topology():
            raise ValueError(f"the embedded broker has {Topology().partitions} partitions")

    @property
    def incremental(self) -> bool:
        """Whether the group moves single partitions (KIP-848) instead of revoking all and assigning anew."""
        if self.group_protocol == "auto":
            return not self.embedded and self.instance is None
        return self.group_protocol == "consumer"


def client_settings(config: KafkaConfig) -> dict[str, Any]:
    """Return what all clients share."""
    return {
        "bootstrap.servers": config.bootstrap,
        "client.id": config.client_id,
        "socket.nagle.disable": True,  # small messages leave at once
        "socket.keepalive.enable": True,
        "socket.timeout.ms": 10_000,  # default 60 s: a silent broker is noticed
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,  # default 10 s: back within a second of the broker's return
        "retry.backoff.ms": 50,
        "retry.backoff.max.ms": 500,
        "allow.auto.create.topics": config.embedded,  # elsewhere topics come from the contracts, with their limits
        "log_level": 4,  # syslog's warning
        "log.connection.close": False,
        "logger": ClientLog(),
        **config.options,
    }


def producer_settings(config: KafkaConfig) -> dict[str, Any]:
    """Return the settings of a producer."""
    return {
        "linger.ms": 0,  # default 5: messages that wait for a request in flight share the next one anyway
        # Every copy in sync has it: a broker's death loses nothing. One request at a time, so that a retry can't
        # overtake: the order of a key holds. A retry may repeat a message; readers know them by index or seq.
        # Rejected: the idempotent producer. It waits 0.5 to 1 s for its id at each start, and a broker that lost data
        # leaves it failed for good.
        "acks": "all",
        "enable.idempotence": False,
        "max.in.flight.requests.per.connection": 1,
        "compression.type": "none",  # H.264 and JPEG do not shrink, the rest is small
        "message.max.bytes": largest_bytes(config) + ENVELOPE_BYTES,
        "queue.buffering.max.kbytes": max(1, config.send_queue_bytes // KIB),
        "queue.buffering.max.messages": 20_000,
        "message.timeout.ms": int(config.delivery_timeout_s * 1000),  # default 5 minutes
        "request.timeout.ms": 5_000,
        "delivery.report.only.error": True,  # Python hears of losses only
        **client_settings(config),
    }


def consumer_settings(config: KafkaConfig, *, from_beginning: bool) -> dict[str, Any]:
    """Return the settings of a consumer, without its group."""
    return {
        # How long the broker may sit on an empty fetch (default 500). The embedded one answers only when the time
        # is over. The real one answers when data comes; but it serves a connection's requests one after another,
        # so a look-up waits behind the fetch.
        "fetch.wait.max.ms": 10 if config.embedded else 100,
        "fetch.min.bytes": 1,
        "fetch.queue.backoff.ms": 5,  # default 1000: a full queue would stop the picture for a second
        "fetch.error.backoff.ms": 50,  # default 500
        "fetch.message.max.bytes": LARGEST_MESSAGE_BYTES + ENVELOPE_BYTES,
        "fetch.max.bytes": LARGEST_MESSAGE_BYTES + ENVELOPE_BYTES,
        "receive.message.max.bytes": LARGEST_MESSAGE_BYTES + MIB,
        "queued.min.messages": 2_000,
        "queued.max.messages.kbytes": FETCH_QUEUE_BYTES // KIB,
        "auto.offset.reset": "earliest" if from_beginning else "latest",
        "enable.auto.commit": False,  # where to start is decided at each assignment, never by an old position
        "max.poll.interval.ms": 30_000,  # default 5 minutes: a hung service loses its partitions
        **client_settings(config),
    }


def group_settings(config: KafkaConfig, group: str) -> dict[str, Any]:
    """Return the settings of group membership."""
    if config.static_assignment is not None:
        return alone_settings(group)
    settings: dict[str, Any] = {"group.id": group}
    if config.instance is not None:
        settings["group.instance.id"] = f"{group}-{config.instance}"
    if config.incremental:
        # `range` gives one member the same partition numbers of all topics; sessions are the broker's setting.
        return {**settings, "group.protocol": "consumer", "group.remote.assignor": "range"}
    return {
        **settings,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_TIMEOUT_MS,  # default 45 s
        "heartbeat.interval.ms": HEARTBEAT_MS,
    }


def alone_settings(name: str) -> dict[str, Any]:
    """Return the settings of a consumer outside any group; the library wants a name and a session all the same."""
    return {"group.id": name, "session.timeout.ms": SESSION_TIMEOUT_MS}


def largest_bytes(config: KafkaConfig) -> int:
    """Return the largest message that this broker keeps."""
    return EMBEDDED_LARGEST_BYTES if config.embedded else LARGEST_MESSAGE_BYTES
