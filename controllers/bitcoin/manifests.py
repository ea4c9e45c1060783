"""The manifests that install the controller, as they lie beside this module in deploy/."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import yaml

NAMES: Final = ("crd", "rbac", "secret", "deployment", "network")
"""In the order in which a cluster takes them."""


def manifest(name: str) -> str:
    """
    The text of one manifest.

    >>> manifest("network").splitlines()[0]
    '# A network of three nodes.'
    """
    return files(__package__).joinpath("deploy", f"{name}.yaml").read_text(encoding="utf-8")


def manifests(names: Sequence[str] = NAMES) -> str:
    """Manifests as one YAML stream, as `kubectl apply -f -` takes it."""
    return "---\n".join(manifest(name) for name in names)


def objects(name: str) -> list[dict[str, Any]]:
    """
    The objects of one manifest.

    >>> [item["kind"] for item in objects("rbac")]
    ['Namespace', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']
    """
    return list(yaml.safe_load_all(manifest(name)))
