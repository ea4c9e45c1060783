"""
What the server fills into objects of built-in kinds.

Each function is given a kind's typed fields as a new value, which it changes in place. What is there stays.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.pod_defaults import fill_in_pod, fill_in_template
from ctrlkit.model import AnyResource

Plain = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"
_STICKY_SECONDS = 10_800


def fill_in(resource: AnyResource, plain: Plain) -> None:
    """Fill an object's fields in, status and metadata apart; `plain` is changed."""
    filler = _FILLERS.get(resource.identity)
    if filler:
        filler(plain)


def _pod(plain: Plain) -> None:
    fill_in_template(plain["spec"])
    fill_in_pod(plain["spec"])
    if plain["spec"]["terminationGracePeriodSeconds"] < 0:
        plain["spec"]["terminationGracePeriodSeconds"] = 1


def _stateful_set(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")
    fill_in_template(spec["template"]["spec"])
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _claim(claim)


def _deployment(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    spec.setdefault("replicas", 1)
    strategy = spec["strategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    fill_in_template(spec["template"]["spec"])


def _service(plain: Plain) -> None:
    spec: Plain = plain["spec"]
    kind = spec.setdefault("type", "ClusterIP")
    if spec.setdefault("sessionAffinity", "None") == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _STICKY_SECONDS)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _claim(plain: Plain) -> None:
    plain["spec"].setdefault("volumeMode", "Filesystem")


def _secret(plain: Plain) -> None:
    plain.setdefault("type", "Opaque")
    texts = plain.pop("stringData", None)
    if texts:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        plain["data"] = (plain.get("data") or {}) | encoded


def _binding(plain: Plain) -> None:
    reference = plain["roleRef"]
    if not reference.get("apiGroup"):
        reference["apiGroup"] = _RBAC
    for subject in plain.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _RBAC)


_FILLERS: dict[tuple[str, str], Callable[[Plain], None]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "secrets"): _secret,
    ("", "persistentvolumeclaims"): _claim,
    ("apps", "statefulsets"): _stateful_set,
    ("apps", "deployments"): _deployment,
    (_RBAC, "rolebindings"): _binding,
    (_RBAC, "clusterrolebindings"): _binding,
}
