"""What Prometheus would read of a process."""

from prometheus_client import CollectorRegistry


def streams_in(registry: CollectorRegistry) -> set[str]:
    """Return the streams that any series names."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {sample.labels["stream"] for sample in samples if "stream" in sample.labels}
