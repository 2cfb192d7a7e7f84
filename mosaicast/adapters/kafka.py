"""The message log: sending, reading as a group or alone, topics from the contracts. Import from here."""

from mosaicast.adapters.kafka_config import KafkaConfig
from mosaicast.adapters.kafka_consumer import BusConsumer
from mosaicast.adapters.kafka_errors import BusError
from mosaicast.adapters.kafka_inbox import Received
from mosaicast.adapters.kafka_producer import BusProducer
from mosaicast.adapters.kafka_state import StateReader, TailReader
from mosaicast.adapters.kafka_topics import TopicWatch, ensure_topics, partition_of

__all__ = [
    "BusConsumer",
    "BusError",
    "BusProducer",
    "KafkaConfig",
    "Received",
    "StateReader",
    "TailReader",
    "TopicWatch",
    "ensure_topics",
    "partition_of",
]
