"""What a scrape of a registry shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """The value of each sample, by its name with its labels as they are written."""
    lines = generate_latest(registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
