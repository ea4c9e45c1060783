"""Amounts of resources by name: sums and comparisons, with the quantities' own formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ctrlkit.fakes.tracker.kinds.core.pod_resources import is_of_pods, of_containers
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.fakes.tracker.schema.quantities import canonical, quantity_value, total

Amounts = Mapping[str, str]
"""Quantities by the name of their resource."""


def added(*parts: Amounts) -> dict[str, str]:
    """
    Return the sums of amounts.

    >>> added({"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"})
    {'cpu': '1500m', 'memory': '1Gi'}
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: total(part[name] for part in parts if name in part) for name in names}


def grown(now: Amounts, before: Amounts) -> dict[str, str]:
    """Return by how much amounts have grown; what has not is left out."""
    found = {name: quantity_value(size) - quantity_value(before.get(name, "0")) for name, size in now.items()}
    return {name: total((now[name], f"-{before.get(name, '0')}")) for name, by in found.items() if by > 0}


def of_pod(spec: Object, kind: str) -> dict[str, str]:
    """Return what a pod asks for, its `requests` or `limits`: what it says for itself goes before its containers'."""
    if not (
        _say_anything(spec.get("containers")) or _say_anything(spec.get("initContainers")) or spec.get("resources")
    ):
        return {}
    own = section(section(spec, "resources"), kind)
    return {**of_containers(spec, kind), **{name: size for name, size in own.items() if is_of_pods(name)}}


def _say_anything(containers: Iterable[Object] | None) -> bool:
    """Whether one of some containers says what it asks for: most say nothing."""
    return any(one.get("resources") for one in containers or ())


def requests_of(spec: Object) -> dict[str, str]:
    """
    Return what a pod takes of its node: its requests, and the overhead of running it.

    >>> container = {"resources": {"requests": {"cpu": "500m"}}}
    >>> requests_of({"containers": [container, container], "overhead": {"cpu": "10m"}})
    {'cpu': '1010m'}
    """
    requests, overhead = of_pod(spec, "requests"), section(spec, "overhead")
    return added(requests, overhead) if overhead else requests


def shown(amounts: Amounts, names: Iterable[str]) -> str:
    """Format amounts as the server does in its sentences."""
    return ",".join(f"{name}={canonical(amounts[name])}" for name in sorted(names) if name in amounts)
