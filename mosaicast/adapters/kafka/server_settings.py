"""The settings of our own Kafka, each with its reason."""

from pathlib import Path

from mosaicast.adapters.kafka.config import ENVELOPE_BYTES, HEARTBEAT_MS, SESSION_TIMEOUT_MS
from mosaicast.adapters.kafka.topics import CHECK_MS, DELETE_DELAY_MS
from mosaicast.contracts.topics import LARGEST_MESSAGE_BYTES, MIB

_HOST = "127.0.0.1"


def server_properties(log_dir: Path, broker_port: int, controller_port: int) -> str:
    """Return the text of `server.properties` for one node that is broker and controller."""
    return "".join(f"{name}={value}\n" for name, value in _settings(log_dir, broker_port, controller_port).items())


def _settings(log_dir: Path, broker_port: int, controller_port: int) -> dict[str, object]:
    return {**_node(log_dir, broker_port, controller_port), **_one_copy(), **_groups(), **_small()}


def _node(log_dir: Path, broker_port: int, controller_port: int) -> dict[str, object]:
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{_HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{_HOST}:{broker_port},CONTROLLER://{_HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{broker_port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(log_dir).replace("\\", "\\\\"),
        "auto.create.topics.enable": "false",  # a topic without its limits would keep pictures for a week
    }


def _one_copy() -> dict[str, object]:
    return {
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
    }


def _groups() -> dict[str, object]:
    """Sessions of the KIP-848 protocol are the broker's: 45 s by default, and no less without these."""
    return {
        "group.initial.rebalance.delay.ms": 0,
        "group.consumer.session.timeout.ms": SESSION_TIMEOUT_MS,
        "group.consumer.min.session.timeout.ms": SESSION_TIMEOUT_MS,
        "group.consumer.heartbeat.interval.ms": HEARTBEAT_MS,
        "group.consumer.min.heartbeat.interval.ms": HEARTBEAT_MS,
    }


def _small() -> dict[str, object]:
    return {
        "message.max.bytes": LARGEST_MESSAGE_BYTES + ENVELOPE_BYTES,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4 * MIB,  # default 128 MB, half of the heap; our compacted topic is small
        "log.retention.check.interval.ms": CHECK_MS,  # default 5 minutes, longer than pictures may live
        "log.initial.task.delay.ms": 1_000,  # default 30 s: after a crash old pictures would stay so much longer
        "log.segment.delete.delay.ms": DELETE_DELAY_MS,
        # After a crash Kafka waits for its own old session (default 9 s); after an ordered stop it does not.
        "broker.session.timeout.ms": 5_000,
        "broker.heartbeat.interval.ms": 1_000,
        "metadata.max.idle.interval.ms": 5_000,  # default 500: writes to the disk when nothing happens
    }
