"""The types of what subresources read and answer with, as the facts have those of kinds; they are never stored."""

from __future__ import annotations

from collections.abc import Mapping

from ctrlkit.fakes.tracker.schema.types import Field

_TYPE_META = {"kind": "s", "apiVersion": "s"}
_TEXTS: Mapping[str, Mapping[str, str]] = {
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
    "TokenRequestSpec": {"audiences": "[]s", "expirationSeconds": "i64*", "boundObjectRef": "BoundObjectReference"},
    "BoundObjectReference": {"kind": "s", "apiVersion": "s", "name": "s", "uid": "s"},
    "TokenRequestStatus": {"token": "s", "expirationTimestamp": "t"},
}

FORMS: Mapping[str, Mapping[str, Field]] = {
    name: {field: Field.parse(text) for field, text in fields.items()} for name, fields in _TEXTS.items()
}
