"""The types of what subresources read and answer with, as the facts have those of kinds; they are never stored."""

from __future__ import annotations

from collections.abc import Mapping

_TYPE_META = {"kind": "s in=TypeMeta", "apiVersion": "s in=TypeMeta"}
FORMS: Mapping[str, Mapping[str, str]] = {
    "Scale": {**_TYPE_META, "metadata": "ObjectMeta!", "spec": "ScaleSpec!", "status": "ScaleStatus!"},
    "ScaleSpec": {"replicas": "i32"},
    "ScaleStatus": {"replicas": "i32!", "selector": "s"},
    "Eviction": {**_TYPE_META, "metadata": "ObjectMeta!", "deleteOptions": "DeleteOptions"},
    "DeleteOptions": {
        **_TYPE_META,
        "gracePeriodSeconds": "i64*",
        "preconditions": "Preconditions",
        "orphanDependents": "b*",
        "propagationPolicy": "s*",
        "dryRun": "[]s",
        "ignoreStoreReadErrorWithClusterBreakingPotential": "b*",
    },
    "Preconditions": {"uid": "s*", "resourceVersion": "s*"},
    "TokenRequest": {
        **_TYPE_META,
        "metadata": "ObjectMeta!",
        "spec": "TokenRequestSpec!",
        "status": "TokenRequestStatus!",
    },
    "TokenRequestSpec": {"audiences": "[]s!", "expirationSeconds": "i64*", "boundObjectRef": "BoundObjectReference!*"},
    "BoundObjectReference": {"kind": "s", "apiVersion": "s", "name": "s", "uid": "s"},
    "TokenRequestStatus": {"token": "s", "expirationTimestamp": "t"},
}
