"""Update: what a server makes of a new state for an object that is there, as a whole or through a subresource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.model import Action, kinds
from fakes.tracker import builtin, definitions, metadata
from fakes.tracker.core import Core
from fakes.tracker.patching import drop_nulls, with_value
from fakes.tracker.refusals import Cause, bad_request, conflict, invalid, modified
from fakes.tracker.registry import Served
from fakes.tracker.store import Stored, encode_tail


def update(core: Core, served: Served, action: Action) -> Stored:
    """
    Carry out an update of an object, its status, or a namespace's finalizers.

    Errors  BadRequest (wrong kind, name or namespace), NotFound, Conflict (stale version, other uid), Invalid.
    """
    body = action.body
    if not isinstance(body, Mapping):
        raise bad_request(f"the object provided is unrecognized (must be of type {served.resource.kind})")
    return replace(core, served, action, core.get(served, action.key), body)


def replace(
    core: Core,
    served: Served,
    action: Action,
    current: Stored,
    body: Mapping[str, Any],
    *,
    applied: Mapping[str, Any] | None = None,
) -> Stored:
    """
    Put `body` in place of an object, under the rules for the action's subresource.

    A body that changes nothing leaves the version as it is. An object that waited only for this to be deleted is
    removed; the answer is then its last state at the version it had.
    """
    _check_identity(served, action, body)
    _check_version(served, current, body.get("metadata") or {})
    plain = definitions.conform(served, _combine(served, action.subresource, current, body), action.options)
    _check_rules(served, current, plain)
    if served.generation and _spec(served, plain) != _spec(served, current.plain):
        plain["metadata"]["generation"] = current.metadata.get("generation", 0) + 1
    applied = current.applied if applied is None else applied
    if plain == current.plain and applied == current.applied:
        return current
    dry_run = action.options.dry_run
    if is_finished(served, plain):
        core.remove(served, current.key, dry_run=dry_run)
        return Stored(current.key, current.version, encode_tail(plain), applied)
    return core.write(served, current.key, plain, applied=applied, dry_run=dry_run)


def is_finished(served: Served, plain: Mapping[str, Any]) -> bool:
    """Whether an object's deletion was asked for and waits for nothing any more."""
    meta = plain["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    is_namespace = served.resource.identity == kinds.NAMESPACES.identity
    return not (is_namespace and (plain.get("spec") or {}).get("finalizers"))


def _check_identity(served: Served, action: Action, body: Mapping[str, Any]) -> None:
    metadata.check_kind(served.resource, body, custom=served.custom)
    meta = body.get("metadata") or {}
    metadata.check_types(served.resource, meta)
    name = meta.get("name") or ""
    if not name:
        raise bad_request(
            f"the name of the object ({action.name} based on URL) was undeterminable: name must be provided"
        )
    if name != action.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({action.name})")
    namespace = meta.get("namespace") or action.namespace
    if namespace != action.namespace:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match "
            f"the namespace on the request ({action.namespace})"
        )


def _check_version(served: Served, current: Stored, meta: Mapping[str, Any]) -> None:
    resource, name = served.resource, current.key.name
    uid = meta.get("uid")
    if uid and uid != current.metadata["uid"]:
        path = "/".join(filter(None, (resource.group, resource.plural, str(current.key))))
        raise conflict(
            resource,
            name,
            f"StorageError: invalid object, Code: 4, Key: /registry/{path}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.metadata['uid']}",
        )
    version = meta.get("resourceVersion") or ""
    if not version and not served.blind_updates:
        text = "must be specified for an update"
        raise invalid(resource, name, Cause.invalid("metadata.resourceVersion", "0", text))
    if version and version != str(current.version):
        raise modified(resource, name)


def _combine(served: Served, subresource: str, current: Stored, body: Mapping[str, Any]) -> dict[str, Any]:
    """The object that results: the caller's part of it, the rest as it is."""
    theirs = {name: value for name, value in body.items() if name not in ("kind", "apiVersion")}
    if not served.custom:
        theirs = drop_nulls(theirs)
    meta = body.get("metadata") or {}
    match subresource:
        case "status":
            plain = _with_status(current.plain, theirs)
            meta = current.metadata if served.custom else meta
        case "finalize":
            finalizers = (theirs.get("spec") or {}).get("finalizers") or []
            spec = {name: value for name, value in current.plain["spec"].items() if name != "finalizers"}
            plain = current.plain | {"spec": spec | ({"finalizers": finalizers} if finalizers else {})}
        case _:
            plain = _with_status(theirs, current.plain) if served.has_status else theirs
            plain = builtin.settle(served.resource, plain)
            if served.resource.identity == kinds.NAMESPACES.identity:
                finalizers = (current.plain.get("spec") or {}).get("finalizers")
                plain = with_value(plain, "spec.finalizers", finalizers) if finalizers else plain
    plain = plain | {"metadata": metadata.updated(meta, current.metadata)}
    if served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity and not subresource:
        plain = definitions.complete(plain)
    return plain


def _with_status(plain: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in plain.items() if name != "status"}
    return rest | {"status": source["status"]} if "status" in source else rest


def _check_rules(served: Served, current: Stored, plain: Mapping[str, Any]) -> None:
    causes = metadata.update_causes(served.resource, plain["metadata"], current.metadata)
    if served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity:
        causes += definitions.definition_causes(plain)
    causes += definitions.custom_causes(served, plain)
    if causes:
        raise invalid(served.resource, current.key.name, *causes)


def _spec(served: Served, plain: Mapping[str, Any]) -> dict[str, Any]:
    """All that counts for the generation."""
    left_out = ("metadata", "status") if served.has_status else ("metadata",)
    return {name: value for name, value in plain.items() if name not in left_out}
