"""A kind in three versions, its webhooks, and reviews as a server posts them."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from ctrlkit import ObjectMeta, custom_resource
from ctrlkit.webhooks import Answer, Webhooks


class Spec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of v1."""

    size: int = 1
    image: str = ""


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    """v1."""

    metadata: ObjectMeta
    spec: Spec = Spec()


class SpecV2(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of v2: size has another name, and there is a policy."""

    replicas: int = 1
    image: str = ""
    policy: str = ""


class CacheV2(msgspec.Struct, frozen=True, omit_defaults=True):
    """v2."""

    metadata: ObjectMeta
    spec: SpecV2 = SpecV2()


class SpecV3(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of v3: the image is in parts."""

    replicas: int = 1
    repository: str = ""
    tag: str = ""
    policy: str = ""


class CacheV3(msgspec.Struct, frozen=True, omit_defaults=True):
    """v3."""

    metadata: ObjectMeta
    spec: SpecV3 = SpecV3()


CACHES = custom_resource(group="example.com", kind="Cache", plural="caches").of(Cache)
CACHES_V2 = custom_resource(group="example.com", version="v2", kind="Cache", plural="caches").of(CacheV2)
CACHES_V3 = custom_resource(group="example.com", version="v3", kind="Cache", plural="caches").of(CacheV3)


def cache(version: str = "v1", name: str = "a", **spec: Any) -> dict[str, Any]:
    """An object as it travels."""
    metadata = {"name": name, "namespace": "demo"}
    return {"apiVersion": f"example.com/{version}", "kind": "Cache", "metadata": metadata, "spec": spec}


def admission(obj: Any, operation: str = "CREATE", *, version: str = "v1", **more: Any) -> bytes:
    """An AdmissionReview; `more` are fields of the request."""
    request = {"uid": "u-1", "operation": operation, "name": "a", "namespace": "demo", "object": obj, **more}
    return msgspec.json.encode(
        {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": request}
    )


def conversion_review(wanted: str, *objects: Any, version: str = "v1") -> bytes:
    """A ConversionReview."""
    request = {"uid": "u-1", "desiredAPIVersion": f"example.com/{wanted}", "objects": objects}
    return msgspec.json.encode(
        {"kind": "ConversionReview", "apiVersion": f"apiextensions.k8s.io/{version}", "request": request}
    )


async def ask(webhooks: Webhooks, body: bytes, path: str = "", **more: Any) -> dict[str, Any]:
    """Post to a path, that of the only webhook unless given; return the response, its patch decoded."""
    path = path or next(iter(webhooks.statistics()))
    answer: Answer = await webhooks.answer(path, body, **more)
    assert answer.status == 200
    response: dict[str, Any] = msgspec.json.decode(answer.body)["response"]
    if "patch" in response:
        response["patch"] = msgspec.json.decode(base64.b64decode(response["patch"]))
    return response
