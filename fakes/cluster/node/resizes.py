"""Changes of the resources of containers that run, and what a kubelet tells of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctrlkit.model import Unstructured

Resources = Mapping[str, Any]
"""A container's `resources`: its limits and requests."""

_RESIZED = ("cpu", "memory")


def is_resized(container: Mapping[str, Any], given: Resources) -> bool:
    """Whether a container asks for other amounts of CPU or memory than it was given."""
    asked = container.get("resources") or {}
    return bool(asked != given and _changed(asked, given))


def needs_restart(container: Mapping[str, Any], given: Resources) -> bool:
    """
    Whether a container is to be restarted to get other amounts: its resizePolicy says so.

    >>> policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    >>> needs_restart({"resources": {"limits": {"memory": "2Gi"}}, "resizePolicy": policy}, {})
    True
    """
    restarting = [one for one in container.get("resizePolicy") or () if one.get("restartPolicy") == "RestartContainer"]
    if not restarting:
        return False
    changed = _changed(container.get("resources") or {}, given)
    return any(one.get("resourceName") in changed for one in restarting)


def _changed(asked: Resources, given: Resources) -> set[str]:
    return {name for name in _RESIZED if _amounts(asked, name) != _amounts(given, name)}


def _amounts(resources: Resources, name: str) -> list[Any]:
    return [(resources.get(kind) or {}).get(name) for kind in ("limits", "requests")]


def resize_text(what: str, pod: Unstructured) -> str:
    """
    Return the message of an Event about the resize of a pod.

    >>> resize_text("started", Unstructured({"metadata": {"generation": 2}, "spec": {"containers": [{"name": "c"}]}}))
    'Pod resize started: {"containers":[{"name":"c","resources":{}}],"generation":2}'
    """
    summary: dict[str, Any] = {
        kind: [
            {"name": one["name"], "resources": _sorted(one.get("resources") or {})} for one in pod.at(f"spec.{kind}")
        ]
        for kind in ("initContainers", "containers")
        if pod.at(f"spec.{kind}")
    }
    summary["generation"] = pod.at("metadata.generation") or 0
    return f"Pod resize {what}: {json.dumps(summary, separators=(',', ':'))}"


def _sorted(resources: Resources) -> dict[str, dict[str, Any]]:
    return {kind: dict(sorted(resources[kind].items())) for kind in ("limits", "requests") if resources.get(kind)}
