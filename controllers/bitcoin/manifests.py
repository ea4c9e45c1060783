"""
The manifests that install the controller, from the folder deploy/ beside this module.

Kustomize base and chart there are made by `ctrlkit manifests`; here the base is read, and the samples beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import yaml

_BASE: Final = "kustomize/base"
_FILES: Final = {
    "crd": (f"{_BASE}/crds.yaml",),
    "rbac": (f"{_BASE}/namespace.yaml", f"{_BASE}/rbac.yaml"),
    "secret": ("secret.yaml",),
    "deployment": (f"{_BASE}/service.yaml", f"{_BASE}/deployment.yaml"),
    "network": ("network.yaml",),
}
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where it was built in: the definitions are long."""

NAMES: Final = tuple(_FILES)
"""The manifests, in the order of installation."""


def manifest(name: str) -> str:
    """
    Return the text of a manifest.

    >>> manifest("network").splitlines()[0]
    '# A network of three nodes.'
    """
    return "---\n".join(_text(path) for path in _FILES[name])


def _text(path: str) -> str:
    return files(__package__).joinpath("deploy", *path.split("/")).read_text(encoding="utf-8")


def manifests(names: Sequence[str] = NAMES) -> str:
    """Return manifests as one YAML stream, for `kubectl apply -f -`."""
    return "---\n".join(manifest(name) for name in names)


def objects(name: str) -> list[dict[str, Any]]:
    """
    Return the objects of a manifest.

    >>> [item["kind"] for item in objects("deployment")]
    ['Service', 'Service', 'Deployment', 'PodDisruptionBudget']
    """
    return list(yaml.load_all(manifest(name), Loader=_LOADER))
