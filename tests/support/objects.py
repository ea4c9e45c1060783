"""Objects of built-in kinds that a real server takes, as small as it lets them be."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CONFIG_MAPS

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


def put_config_map(tracker: Tracker, name: str, value: str) -> None:
    """Make or change a ConfigMap that has one value."""
    body = {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}
    if any(found.key.name == name for found in tracker.list(CONFIG_MAPS)):
        tracker.update(CONFIG_MAPS, body)
    else:
        tracker.create(CONFIG_MAPS, body)
