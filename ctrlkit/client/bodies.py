"""What may be sent where: bodies turned into plain data and checked against their resource before anything travels."""

from __future__ import annotations

from typing import Any

import msgspec

from ctrlkit.model import (
    AnyResource,
    ApplyPatch,
    JsonPatch,
    MergePatch,
    ObjectKey,
    OnConflict,
    PatchType,
    StrategicMergePatch,
    to_plain,
)
from ctrlkit.model.pydantic_models import is_model
from ctrlkit.model.values import has_fields


def _as_sent(body: object) -> Any:
    """
    Return a body as the server would read it, a copy: by way of JSON, which costs a quarter of `to_plain`.

    What JSON does not know, such as a model of the kubernetes package, takes the longer way. Errors: as `to_plain`.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(body))
    except (TypeError, ValueError):
        return to_plain(body)


def whole_object(resource: AnyResource, body: object) -> dict[str, Any]:
    """
    An object to create: `apiVersion` and `kind` filled in.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> whole_object(CONFIG_MAPS, {"metadata": {"name": "a"}})
    {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'a'}}

    Errors  TypeError for what is no object, and for a resource of metadata alone; ValueError for an object of
            another kind.
    """
    if resource.is_metadata_only:
        raise TypeError(
            f"a whole object of {resource}: only its metadata is dealt with here; use the kind's own resource"
        )
    plain = _as_sent(body)
    if not isinstance(plain, dict):
        raise TypeError(f"an object of {resource} must be a mapping, got {type(body).__name__}")
    if not isinstance(plain.get("metadata") or {}, dict):
        raise TypeError(f"an object of {resource} needs a mapping as its metadata")
    for field, want in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        have = plain.get(field)
        if have and have != want:
            raise ValueError(
                f"{resource}: the body says {field} {str(have)[:64]!r}, the resource {want!r}; use one of the two"
            )
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    return identity | {field: value for field, value in plain.items() if field not in identity}


def replacement(resource: AnyResource, body: object) -> dict[str, Any]:
    """
    An object to put in the place of another; what was decoded to part of its fields would erase the others.

    >>> from ctrlkit.model import ObjectMeta
    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> class Slim(msgspec.Struct):
    ...     metadata: ObjectMeta
    >>> replacement(CONFIG_MAPS, Slim(ObjectMeta(name="a")))
    Traceback (most recent call last):
      ...
    TypeError: update configmaps: a Slim holds only some of the object's fields and a PUT would erase the rest;
        patch or apply it, or update the whole object

    Errors  TypeError for Structs, dataclasses, attrs classes and the resource's own pydantic model, unless it keeps
            extra fields, and as `whole_object`.
    """
    if _is_partial(resource, body):
        raise TypeError(
            f"update {resource}: a {type(body).__name__} holds only some of the object's fields and a PUT would erase "
            "the rest; patch or apply it, or update the whole object"
        )
    return whole_object(resource, body)


def patch_body(resource: AnyResource, key: ObjectKey, patch: object) -> tuple[Any, PatchType, bool]:
    """
    The patch as plain data, its type, and whether it takes fields from other managers by force.

    Errors  TypeError for what is no patch, such as a bare dict. As `whole_object` for an ApplyPatch, and ValueError if
            it carries managedFields or another name.
    """
    match patch:
        case JsonPatch(operations):
            return _as_sent(operations), PatchType.JSON, False
        case MergePatch(fields):
            return _as_sent(fields), PatchType.MERGE, False
        case StrategicMergePatch(fields):
            return _as_sent(fields), PatchType.STRATEGIC, False
        case ApplyPatch(fields, on_conflict):
            return _applied(resource, key, fields), PatchType.APPLY, on_conflict is OnConflict.FORCE
    raise TypeError(
        f"patch {resource} {key}: a {type(patch).__name__} does not say how it is meant; "
        "wrap it, as in MergePatch({...})"
    )


def _applied(resource: AnyResource, key: ObjectKey, fields: object) -> dict[str, Any]:
    plain = whole_object(resource, fields)
    metadata = plain.get("metadata") or {}
    if metadata.get("managedFields"):
        raise ValueError(
            f"apply {resource} {key}: the fields carry managedFields, so they were read from a server; "
            "apply only the fields you want to own"
        )
    if metadata.get("name", key.name) != key.name:
        raise ValueError(f"apply {resource} {key}: the fields name {str(metadata['name'])[:64]!r}; use one of the two")
    where = {"name": key.name, "namespace": key.namespace} if key.namespace else {"name": key.name}
    return {**plain, "metadata": {**metadata, **where}}


def _is_partial(resource: AnyResource, body: Any) -> bool:
    """Whether an object was decoded to some of its fields."""
    if isinstance(body, dict):
        return False
    kind = type(body)
    if is_model(kind):
        return kind is resource.type and kind.model_config.get("extra") != "allow"
    return has_fields(body) and not isinstance(body, type)
