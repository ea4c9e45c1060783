"""The manifests that install the controller, from the folder deploy/ beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import yaml

NAMES: Final = ("crd", "rbac", "secret", "deployment", "network")
"""The manifests, in the order of installation."""


def manifest(name: str) -> str:
    """
    Return the text of a manifest.

    >>> manifest("network").splitlines()[0]
    '# A network of three nodes.'
    """
    return files(__package__).joinpath("deploy", f"{name}.yaml").read_text(encoding="utf-8")


def manifests(names: Sequence[str] = NAMES) -> str:
    """Return manifests as one YAML stream, for `kubectl apply -f -`."""
    return "---\n".join(manifest(name) for name in names)


def objects(name: str) -> list[dict[str, Any]]:
    """
    Return the objects of a manifest.

    >>> [item["kind"] for item in objects("rbac")]
    ['Namespace', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']
    """
    return list(yaml.safe_load_all(manifest(name)))
