"""The reviews that webhooks for admission are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ctrlkit.fakes.tracker.admission import CREATE, DELETE, UPDATE, Attributes
from ctrlkit.fakes.tracker.callers import AgentName, caller
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.model import Options
from ctrlkit.model.kinds import NAMESPACES

Object = Mapping[str, Any]

_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}


def review(attributes: Attributes, form: Strategy, plain: Object | None, old: Object | None, version: str) -> bytes:
    """
    Return the review of a request for a webhook that wants the object as `form`, without the request's uid.

    Shape   `plain` and `old` are in that form, without kind and apiVersion.
    """
    kind = attributes.form or (form.resource.group, form.resource.version, form.resource.kind)
    request = {
        "kind": _kind(*kind),
        "resource": _resource(form),
        "subResource": attributes.subresource,
        "requestKind": _kind(*attributes.kind),
        "requestResource": _resource(attributes.served),
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
    }
    whole = {name: value for name, value in request.items() if value} | {
        "operation": attributes.operation,
        "userInfo": {name: value for name, value in caller().items() if value},
        "object": as_object(kind, plain),
        "oldObject": as_object(kind, old),
        "dryRun": attributes.dry_run,
        "options": _options(attributes, attributes.action.options),
    }
    body = {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": whole}
    return msgspec.json.encode(body)


def as_object(kind: tuple[str, str, str], plain: Object | None) -> dict[str, Any] | None:
    """Return an object with its kind and apiVersion."""
    if plain is None:
        return None
    group, version, name = kind
    return {"kind": name, "apiVersion": f"{group}/{version}" if group else version, **plain}


def _kind(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _resource(served: Strategy) -> dict[str, str]:
    resource = served.resource
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def _options(attributes: Attributes, options: Options) -> dict[str, Any] | None:
    operation = attributes.operation
    kind = _OPTIONS.get(operation)
    if kind is None:
        return None
    said: dict[str, Any] = {"dryRun": ["All"] if options.dry_run else None}
    if operation == DELETE:
        uid, old = options.precondition_uid, attributes.old
        if not uid and old is not None and attributes.served.resource.identity == NAMESPACES.identity:
            uid = old["metadata"]["uid"]  # a server sets it itself
        conditions = {"uid": uid, "resourceVersion": options.precondition_version}
        said |= {
            "gracePeriodSeconds": options.grace_period_s,
            "preconditions": {name: value for name, value in conditions.items() if value},
            "propagationPolicy": options.propagation_policy,
        }
    else:
        manager = options.field_manager
        said |= {
            "fieldManager": "" if isinstance(manager, AgentName) else manager,
            "fieldValidation": options.field_validation,
        }
    kept = {name: value for name, value in said.items() if value or value == 0}
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **kept}
