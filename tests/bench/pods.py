"""Pods as clusters send them, 4.5 KB each with managedFields, and the Python types they are measured with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pydantic

from ctrlkit.model import ObjectMeta, Resource
from ctrlkit.model.kinds import PODS

POD: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "pod.json").read_text())


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The status fields a controller such as ours reads."""

    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")


class Pod(msgspec.Struct, frozen=True):
    """A pod, as far as a controller such as ours reads it."""

    metadata: ObjectMeta
    status: PodStatus


class ModelStatus(pydantic.BaseModel):
    """The same fields, as a pydantic model."""

    phase: str = ""
    pod_ip: str = pydantic.Field(default="", alias="podIP")


class ModelPod(pydantic.BaseModel):
    """The same pod, as a pydantic model."""

    metadata: ObjectMeta
    status: ModelStatus


DICT_LIKE: Resource[Any] = PODS
STRUCT: Resource[Any] = PODS.of(Pod)
MODEL: Resource[Any] = PODS.of(ModelPod)


def pod(number: int, version: int) -> dict[str, Any]:
    """One of many pods, of 50 namespaces."""
    metadata = {
        "name": f"web-{number:06}",
        "namespace": f"ns-{number % 50:03}",
        "uid": f"6f1b3c1e-0000-4000-8000-{number:012}",
        "resourceVersion": str(version),
    }
    return POD | {"metadata": POD["metadata"] | metadata}


def encode(body: Any) -> bytes:
    """JSON as servers write it, without blanks."""
    return json.dumps(body, separators=(",", ":")).encode()


def lines(count: int, *, first_version: int) -> list[bytes]:
    """MODIFIED lines of that many pods, their versions rising."""
    return [encode({"type": "MODIFIED", "object": pod(n, first_version + n)}) for n in range(count)]


def pod_list(pods: list[dict[str, Any]], *, version: int) -> bytes:
    """A PodList."""
    return encode({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}, "items": pods})
