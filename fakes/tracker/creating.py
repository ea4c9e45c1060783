"""Create: what a server makes of a new object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.model import Action, ObjectKey, kinds
from fakes.tracker import builtin, definitions, metadata
from fakes.tracker.core import Core
from fakes.tracker.naming import GENERATE_TRIES, generate_name
from fakes.tracker.patching import drop_nulls
from fakes.tracker.refusals import (
    already_exists,
    bad_request,
    invalid,
    namespace_terminating,
    not_found,
    plain_failure,
)
from fakes.tracker.registry import Served
from fakes.tracker.store import NOTHING_APPLIED, Stored


def create(core: Core, served: Served, action: Action) -> Stored:
    """
    Carry out a create.

    Errors  BadRequest (wrong kind or namespace), NotFound or Forbidden (namespace missing, terminating), Invalid,
            AlreadyExists.
    """
    return make(core, served, action, _checked_body(served, action))


def make(
    core: Core, served: Served, action: Action, body: Mapping[str, Any], applied: Mapping[str, Any] = NOTHING_APPLIED
) -> Stored:
    """Store a new object from a body that is of the right kind; `applied` is what managers applied to it."""
    _check_namespace(core, served, action, body)
    plain = _initial(served, body, action.namespace)
    name = _choose_name(core, served, plain["metadata"], action.namespace)
    plain["metadata"]["name"] = name
    plain = definitions.conform(served, _filled_in(served, plain), action.options)
    causes = metadata.birth_causes(served.resource, plain["metadata"])
    if served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity:
        causes += definitions.definition_causes(plain)
    causes += definitions.custom_causes(served, plain)
    if causes:
        raise invalid(served.resource, name, *causes)
    key = ObjectKey(action.namespace, name)
    if core.find(served, key) is not None:
        raise already_exists(served.resource, name)
    return core.write(served, key, plain, applied=applied, dry_run=action.options.dry_run)


def _checked_body(served: Served, action: Action) -> Mapping[str, Any]:
    body = action.body
    if not isinstance(body, Mapping):
        raise bad_request(f"the object provided is unrecognized (must be of type {served.resource.kind})")
    metadata.check_kind(served.resource, body, custom=served.custom)
    meta = body.get("metadata") or {}
    metadata.check_types(served.resource, meta)
    namespace = meta.get("namespace") or ""
    if served.resource.namespaced and not action.namespace:
        raise bad_request("an empty namespace may not be set during creation")
    if namespace and namespace != action.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if meta.get("resourceVersion"):
        raise plain_failure("resourceVersion should not be set on objects to be created")
    return body


def _check_namespace(core: Core, served: Served, action: Action, body: Mapping[str, Any]) -> None:
    if not served.resource.namespaced:
        return
    namespace = core.namespace(action.namespace)
    if namespace is None:
        raise not_found(kinds.NAMESPACES, action.namespace)
    if namespace.metadata.get("deletionTimestamp"):
        name = (body.get("metadata") or {}).get("name") or ""
        raise namespace_terminating(served.resource, name, action.namespace)


def _initial(served: Served, body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    plain = {name: value for name, value in body.items() if name not in ("kind", "apiVersion")}
    if served.has_status:
        plain.pop("status", None)
    if not served.custom:
        plain = drop_nulls(plain)
    plain["metadata"] = metadata.born(body.get("metadata") or {}, namespace, generation=served.generation)
    return plain


def _filled_in(served: Served, plain: dict[str, Any]) -> dict[str, Any]:
    resource = served.resource
    plain = builtin.settle(resource, builtin.fill_in(resource, plain))
    status = builtin.first_status(resource)
    if status is not None:
        plain["status"] = status
    if resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity:
        plain = definitions.complete(plain)
    return plain


def _choose_name(core: Core, served: Served, meta: Mapping[str, Any], namespace: str) -> str:
    name: str = meta.get("name") or ""
    base: str = meta.get("generateName") or ""
    if name or not base:
        return name
    for _ in range(GENERATE_TRIES):
        name = generate_name(base)
        if core.find(served, ObjectKey(namespace, name)) is None:
            break
    return name
