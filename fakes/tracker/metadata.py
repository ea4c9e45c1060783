"""The server's rules for metadata: what it sets itself, what it keeps, and what it refuses."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.model import AnyResource
from fakes.tracker.naming import name_causes
from fakes.tracker.refusals import Cause, bad_request, qualified_kind
from fakes.tracker.validation_metadata import metadata_causes

_SET_BY_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
    "managedFields",
)
_KEPT_ON_UPDATE = ("namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def clean(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without fields that are null or empty, which the server never stores."""
    return {name: value for name, value in metadata.items() if value not in (None, "", [], {})}


def born(metadata: Mapping[str, Any], namespace: str, *, generation: bool) -> dict[str, Any]:
    """The metadata of a new object: whatever the caller says of the server's own fields is ignored (row X5)."""
    fresh = {name: value for name, value in clean(metadata).items() if name not in _SET_BY_SERVER}
    if namespace:
        fresh["namespace"] = namespace
    fresh["uid"] = str(uuid.UUID(int=clock.random_source().getrandbits(128), version=4))
    fresh["creationTimestamp"] = clock.timestamp(clock.now())
    if generation:
        fresh["generation"] = 1
    return fresh


def updated(metadata: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of an updated object: the caller's, with the server's own fields as they are."""
    kept = (*_KEPT_ON_UPDATE, "generation", "resourceVersion")
    merged = {name: value for name, value in clean(metadata).items() if name not in kept and name not in _SET_BY_SERVER}
    merged.update((name, current[name]) for name in kept if name in current)
    return merged


def check_types(resource: AnyResource, metadata: Mapping[str, Any]) -> None:
    """Refuse labels and annotations that are not text."""
    for name in ("labels", "annotations"):
        for value in (metadata.get(name) or {}).values():
            if not isinstance(value, str):
                raise bad_request(
                    f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                    f"json: cannot unmarshal {_json_type(value)} into Go struct field ObjectMeta.metadata.{name} "
                    "of type string"
                )


def birth_causes(resource: AnyResource, metadata: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a new object's metadata."""
    name = metadata.get("name") or ""
    if not name:
        nameless = Cause.required("metadata.name", "name or generateName is required")
        return [nameless, *metadata_causes(metadata)]
    return [*name_causes(resource, name), *metadata_causes(metadata)]


def update_causes(resource: AnyResource, metadata: Mapping[str, Any], current: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a change of metadata; it tells of a forbidden finalizer twice."""
    found = list(metadata_causes(metadata))
    if current.get("deletionTimestamp"):
        new = [name for name in metadata.get("finalizers") or () if name not in (current.get("finalizers") or ())]
        if new:
            names = ", ".join(f'"{name}"' for name in new)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{names}}}"
            )
            found += [Cause.forbidden("metadata.finalizers", text)] * 2
    return found


def check_kind(resource: AnyResource, body: Mapping[str, Any], *, custom: bool) -> None:
    """Refuse a body that says it is of another kind; one that says nothing passes."""
    api_version = body.get("apiVersion") or resource.api_version
    kind = body.get("kind") or resource.kind
    if kind == resource.kind and api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        group, _, version = api_version.rpartition("/")
        wanted = f"({(resource.group or 'core').partition('.')[0]}.{resource.kind})"
        why = f"unexpected kind {kind}" if custom else f"converting ({version}.{kind}) to {wanted}: unknown conversion"
        theirs = f"{kind}.{group}" if group else kind
        raise bad_request(f'{theirs} in version "{version}" cannot be handled as a {qualified_kind(resource)}: {why}')


def _json_type(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case None:
            return "null"
        case list():
            return "array"
    return "object"
