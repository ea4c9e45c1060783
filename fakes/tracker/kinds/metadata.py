"""The server's rules for metadata: what it sets itself, what it keeps, and what it refuses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.kinds.naming import base_causes, name_causes
from ctrlkit.fakes.tracker.kinds.validation_metadata import metadata_causes
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, qualified_kind
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.model import AnyResource, kinds

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
_OTHER_VERSIONS = {
    "apps": ("v1beta1", "v1beta2"),
    "apiextensions.k8s.io": ("v1beta1",),
    "coordination.k8s.io": ("v1alpha2", "v1beta1"),
    "events.k8s.io": ("v1beta1",),
    "rbac.authorization.k8s.io": ("v1alpha1", "v1beta1"),
}
_WELL_KNOWN_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_KEPT_ON_UPDATE = ("namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def clean(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without fields that are null or empty, which the server never stores."""
    return {name: value for name, value in metadata.items() if value not in (None, "", [], {})}


def born(metadata: Mapping[str, Any], namespace: str, *, generation: bool) -> dict[str, Any]:
    """The metadata of a new object: whatever the caller says of the server's own fields is ignored (row X5)."""
    fresh = {name: value for name, value in clean(metadata).items() if name not in _SET_BY_SERVER}
    fresh.pop("namespace", None)
    if namespace:
        fresh["namespace"] = namespace
    fresh["uid"] = str(uuid.UUID(int=clock.random_source().getrandbits(128), version=4))
    fresh["creationTimestamp"] = clock.timestamp(clock.now())
    if generation:
        fresh["generation"] = 1
    return fresh


def updated(metadata: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of an updated object: the caller's, with the server's own fields as they are."""
    kept = (*_KEPT_ON_UPDATE, "generation", "resourceVersion", "managedFields")
    merged = {name: value for name, value in clean(metadata).items() if name not in kept and name not in _SET_BY_SERVER}
    merged.update((name, current[name]) for name in kept if name in current)
    return merged


def of(resource: AnyResource, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A body's metadata; BadRequest where that is no object."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        kind = resource.kind
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {kind}: json: cannot unmarshal '
            f"{json_type(metadata)} into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    return metadata


def birth_causes(resource: AnyResource, metadata: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a new object's metadata."""
    name, base = metadata.get("name") or "", metadata.get("generateName") or ""
    found = base_causes(resource, base) if base else []
    if not name:
        found.append(Cause.required("metadata.name", "name or generateName is required"))
    else:
        found += name_causes(resource, name)
    return [*found, *metadata_causes(metadata), *_finalizer_causes(resource, metadata)]


def update_causes(resource: AnyResource, metadata: Mapping[str, Any], current: Mapping[str, Any]) -> list[Cause]:
    """What the server has against a change of metadata; it tells of a forbidden finalizer twice."""
    found = [*metadata_causes(metadata), *_finalizer_causes(resource, metadata)]
    if current.get("deletionTimestamp"):
        had = frozenset(current.get("finalizers") or ())
        new = [name for name in metadata.get("finalizers") or () if name not in had]
        if new:
            names = ", ".join(f'"{name}"' for name in new)
            text = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{names}}}"
            )
            found += [Cause.forbidden("metadata.finalizers", text)] * 2
    return found


def _finalizer_causes(resource: AnyResource, metadata: Mapping[str, Any]) -> list[Cause]:
    """Kinds with types of their own want finalizers that are well known, or begin with a domain."""
    if resource.group == "apiextensions.k8s.io" or not typed.struct_of(resource):
        return []
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        Cause.wrong(f"metadata.finalizers[{index}]", name, text)
        for index, name in enumerate(metadata.get("finalizers") or ())
        if "/" not in name and name not in _WELL_KNOWN_FINALIZERS
    ]


def tell_of_finalizers(metadata: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Tell whoever gives a custom object a finalizer without a domain that others may have the same idea."""
    had = current.get("finalizers") or ()
    for name in metadata.get("finalizers") or ():
        if "/" not in name and name not in had and name not in _WELL_KNOWN_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            notice(
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name{path} to avoid accidental '
                "conflicts with other finalizer writers"
            )


def _versions_known(resource: AnyResource) -> Iterator[str]:
    """The apiVersions that a real server knows a built-in kind at, whether it serves them or not."""
    yield resource.api_version
    for version in _OTHER_VERSIONS.get(resource.group, ()):
        yield f"{resource.group}/{version}"


def check_kind(resource: AnyResource, body: Mapping[str, Any], *, custom: bool) -> None:
    """Refuse a body that says it is of another kind; one that says nothing passes."""
    for name in ("apiVersion", "kind"):
        if not isinstance(body.get(name, ""), (str, NoneType)):
            found = f"cannot unmarshal {json_type(body[name])} into Go struct field .{name} of type string"
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; "
                f"json parse error: json: {found}"
            )
    api_version = body.get("apiVersion") or resource.api_version
    kind = body.get("kind") or resource.kind
    problem = "" if custom else _kind_problem(resource, kind, api_version)
    if problem:
        version = api_version.rpartition("/")[2]
        wanted = qualified_kind(resource)
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {wanted}: {problem}')
    if kind == resource.kind and api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        group, _, version = api_version.rpartition("/")
        theirs = f"{kind}.{group}" if group else kind
        why = f"unexpected kind {kind}"
        raise bad_request(f'{theirs} in version "{version}" cannot be handled as a {qualified_kind(resource)}: {why}')


def patched_kind_problem(resource: AnyResource, patched: Mapping[str, Any]) -> str:
    """What is wrong with the kind that a patch gave to a built-in object; "" where nothing is."""
    kind, api_version = patched.get("kind") or resource.kind, patched.get("apiVersion") or resource.api_version
    return _kind_problem(resource, str(kind), str(api_version))


def _kind_problem(resource: AnyResource, kind: str, api_version: str) -> str:
    version = api_version.rpartition("/")[2]
    if kind == resource.kind and api_version in _versions_known(resource):
        return ""
    if kind == resource.kind or not _is_known(kind, api_version):
        return _unregistered(kind, api_version)
    wanted = f"({(resource.group or 'core').partition('.')[0]}.{resource.kind})"
    return f"converting ({version}.{kind}) to {wanted}: unknown conversion"


def _is_known(kind: str, api_version: str) -> bool:
    return any((one.kind, one.api_version) == (kind, api_version) for one in kinds.BUILT_IN)


def unregistered(kind: str, api_version: str, wanted: str) -> str:
    """What the server says of a body of a kind that there is not, where another one is expected."""
    version = api_version.rpartition("/")[2]
    return f'{kind} in version "{version}" cannot be handled as a {wanted}: {_unregistered(kind, api_version)}'


def _unregistered(kind: str, api_version: str) -> str:
    return f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'
