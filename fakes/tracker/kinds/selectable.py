"""What objects are selected by, besides name and namespace, of kinds without a strategy of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.model import value_at

SELECTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "replicationcontrollers"): ("status.replicas",),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
    ("certificates.k8s.io", "clustertrustbundles"): ("spec.signerName",),
    ("certificates.k8s.io", "podcertificaterequests"): ("spec.nodeName", "spec.signerName"),
    ("resource.k8s.io", "resourceslices"): ("spec.driver", "spec.nodeName"),
}
"""Paths for field selectors, by group and plural."""

_KEPT_AT = {"status.successful": "status.succeeded"}
_NUMBERS = ("status.replicas", "status.successful")


def selected(plain: Mapping[str, Any], path: str) -> Any:
    """
    Return what a field selector compares: a number that is missing is zero.

    >>> selected({"status": {"succeeded": 2}}, "status.successful"), selected({}, "status.replicas")
    (2, 0)
    """
    value = value_at(plain, _KEPT_AT.get(path, path))
    return 0 if value is None and path in _NUMBERS else value
