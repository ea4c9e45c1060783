"""Objects of built-in kinds that a real server takes, as small as it lets them be."""

from __future__ import annotations

from typing import Any

CONTAINERS = [{"name": "main", "image": "img:1"}]
LABELS = {"app": "node"}


def a_pod(name: str = "p", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A pod with one container."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"containers": CONTAINERS} | spec}


def a_workload(name: str = "net", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A StatefulSet or Deployment of pods with one container."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}}
    fields = {"selector": {"matchLabels": LABELS}, "template": template} | spec
    return {"metadata": {"name": name, "namespace": namespace}, "spec": fields}
