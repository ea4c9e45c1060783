"""
What the server fills in for new objects of built-in kinds.

Only what the loops of a cluster and ordinary controllers lean on is here; a real server's full defaulting and
validation of these kinds is not carried out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ctrlkit.model import AnyResource

Plain = dict[str, Any]


def fill_in(resource: AnyResource, plain: Plain) -> Plain:
    """The object as the server would store it first; a new dict where anything is added."""
    filler = _FILLERS.get(resource.identity)
    return filler(plain) if filler else plain


def first_status(resource: AnyResource) -> Plain | None:
    """The status a new object begins with, None where it has none yet."""
    status = _FIRST_STATUS.get(resource.identity)
    return dict(status) if status is not None else None


def settle(resource: AnyResource, plain: Plain) -> Plain:
    """What holds of every write of a kind, first or later."""
    if resource.identity == ("", "secrets") and plain.get("stringData"):
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain["stringData"].items()}
        plain = {name: value for name, value in plain.items() if name != "stringData"}
        return plain | {"data": (plain.get("data") or {}) | encoded}
    return plain


def _namespace(plain: Plain) -> Plain:
    metadata = plain["metadata"]
    labels = (metadata.get("labels") or {}) | {"kubernetes.io/metadata.name": metadata["name"]}
    finalizers = (plain.get("spec") or {}).get("finalizers") or []
    kept = [*finalizers, *(["kubernetes"] if "kubernetes" not in finalizers else [])]
    return plain | {
        "metadata": metadata | {"labels": labels},
        "spec": (plain.get("spec") or {}) | {"finalizers": kept},
    }


def _secret(plain: Plain) -> Plain:
    return plain if plain.get("type") else plain | {"type": "Opaque"}


def _replicas(plain: Plain) -> Plain:
    spec = plain.get("spec") or {}
    return plain if spec.get("replicas") is not None else plain | {"spec": spec | {"replicas": 1}}


def _pod(plain: Plain) -> Plain:
    spec: Plain = plain.get("spec") or {}
    defaults = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30}
    missing = {name: value for name, value in defaults.items() if spec.get(name) is None}
    return plain | {"spec": spec | missing} if missing else plain


_FILLERS: dict[tuple[str, str], Callable[[Plain], Plain]] = {
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "pods"): _pod,
    ("apps", "statefulsets"): _replicas,
    ("apps", "deployments"): _replicas,
}
_FIRST_STATUS: dict[tuple[str, str], Plain] = {
    ("", "namespaces"): {"phase": "Active"},
    ("", "pods"): {"phase": "Pending"},
    ("", "persistentvolumeclaims"): {"phase": "Pending"},
    ("", "services"): {"loadBalancer": {}},
}
