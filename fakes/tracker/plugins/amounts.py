"""Amounts of resources by name: sums, largest values and comparisons, with the quantities' own formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def largest(*parts: Amounts) -> dict[str, str]:
    """Return the largest amount of each resource."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: max((part[name] for part in parts if name in part), key=quantity_value) for name in names}


def grown(now: Amounts, before: Amounts) -> dict[str, str]:
    """Return by how much amounts have grown; what has not is left out."""
    found = {name: quantity_value(size) - quantity_value(before.get(name, "0")) for name, size in now.items()}
    return {name: total((now[name], f"-{before.get(name, '0')}")) for name, by in found.items() if by > 0}


def of_pod(spec: Object, kind: str) -> dict[str, str]:
    """
    Return what a pod asks for: its `requests` or `limits`.

    Containers run side by side, and so do init containers that are restarted; the others run one after another before.
    """
    running = [section(section(one, "resources"), kind) for one in spec.get("containers") or ()]
    sidecars: list[Amounts] = []
    first: list[Amounts] = []
    for one in spec.get("initContainers") or ():
        asked = section(section(one, "resources"), kind)
        if one.get("restartPolicy") == "Always":
            sidecars.append(asked)
            first.append(added(*sidecars))
        else:
            first.append(added(asked, *sidecars))
    whole = largest(added(*running, *sidecars), *first)
    own = section(section(spec, "resources"), kind)
    return {**whole, **{name: size for name, size in own.items() if _is_of_pods(name)}}


def _is_of_pods(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def shown(amounts: Amounts, names: Iterable[str]) -> str:
    """Format amounts as the server does in its sentences."""
    return ",".join(f"{name}={canonical(amounts[name])}" for name in sorted(names) if name in amounts)
