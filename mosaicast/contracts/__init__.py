"""What crosses Kafka: topics, messages, codec. The only place that knows."""
