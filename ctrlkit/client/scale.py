"""The scale subresource: one small shape for every kind that has replicas."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ctrlkit.errors import DecodeError
from ctrlkit.model import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """
    An `autoscaling/v1` Scale, with the fields that a client reads.

    `selector` is the label selector, as text, that finds the replicas; `version` is the object's resourceVersion.
    """

    spec_replicas: int
    status_replicas: int
    selector: str
    version: str


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 0


class _Status(msgspec.Struct, frozen=True):
    replicas: int = 0
    selector: str = ""


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Body(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()
    status: _Status = _Status()


def read_scale(action: Action, data: bytes) -> Scale:
    """The answer to a call on the subresource; DecodeError where it is no Scale."""
    try:
        body = msgspec.json.decode(data, type=_Body)
    except msgspec.DecodeError as error:
        raise DecodeError(f"{action}: the answer is no Scale: {error}; does the kind serve it?") from error
    return Scale(
        spec_replicas=body.spec.replicas,
        status_replicas=body.status.replicas,
        selector=body.status.selector,
        version=body.metadata.resource_version,
    )
