"""The message log: sending, reading as a group or alone, topics from the contracts. Import from here."""

from mosaicast.adapters.kafka.config import KafkaConfig
from mosaicast.adapters.kafka.consumer import BusConsumer
from mosaicast.adapters.kafka.errors import BusError
from mosaicast.adapters.kafka.inbox import Received
from mosaicast.adapters.kafka.producer import BusProducer
from mosaicast.adapters.kafka.state import StateReader, TailReader
from mosaicast.adapters.kafka.topics import TopicWatch, ensure_topics

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
]
