"""The scale subresource (autoscaling/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as with_changes
from typing import Any

from ctrlkit.fakes.tracker.admission import UPDATE, Attributes, mutate
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import NOTHING_KNOWN, refusal, tell_unknown
from ctrlkit.fakes.tracker.kinds.metadata import new_causes, selector_text, unregistered
from ctrlkit.fakes.tracker.kinds.strategy import ScalePaths, Strategy
from ctrlkit.fakes.tracker.notices import body_was_read
from ctrlkit.fakes.tracker.ownership.scales import of_scale
from ctrlkit.fakes.tracker.refusals import (
    Cause,
    bad_request,
    invalid,
    unknown_resource,
)
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.nodes import type_node
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.apply import check_applied
from ctrlkit.fakes.tracker.verbs.update import check_identity, replace
from ctrlkit.model import Action, PatchType, Verb, custom_resource, value_at

WORKLOAD_SCALE = ScalePaths("spec.replicas", "status.replicas", "spec.selector")
"""Where the built-in kinds have it."""
_SCALES = custom_resource(group="autoscaling", version="v1", kind="Scale", plural="scales")
_SERVED = Strategy(resource=_SCALES)
_SHOWN_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(served: Strategy, stored: Stored) -> dict[str, Any]:
    """Return the Scale of an object."""
    paths = _paths(served)
    status: dict[str, Any] = {"replicas": value_at(stored.plain, paths.status_replicas) or 0}
    selector = _selector(value_at(stored.plain, paths.selector)) if paths.selector else ""
    if selector:
        status["selector"] = selector
    replicas = value_at(stored.plain, paths.spec_replicas)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: stored.metadata[name] for name in _SHOWN_METADATA if name in stored.metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _bare(served: Strategy, stored: Stored) -> dict[str, Any]:
    """Return the Scale of an object without kind and apiVersion."""
    return {name: value for name, value in scale_of(served, stored).items() if name not in ("kind", "apiVersion")}


def _selector(value: Any) -> str:
    """Format a selector; a ReplicationController has a map of labels there."""
    is_map = isinstance(value, dict) and not value.keys() & {"matchLabels", "matchExpressions"}
    return selector_text({"matchLabels": value} if is_map else value)


def check_applied_scale(served: Strategy, action: Action) -> None:
    """Refuse an applied body that is no Scale. Errors: those of an apply."""
    check_applied(_SCALES, action, type_node(served.types, "Scale"))


def write_scale(core: Core, served: Strategy, action: Action, scale: Any) -> Stored:
    """
    Set an object's replicas to those of a Scale.

    Errors  BadRequest where it is no Scale, Invalid for a negative number, Conflict for a stale version.
    """
    known = scale_of(served, core.get(served, action.key)) if action.verb is Verb.PATCH else NOTHING_KNOWN
    scale = _read(served, action, scale, known)
    meta = scale["metadata"]
    check_identity(served, action, meta)
    current = core.get(served, action.key)
    old, form = _bare(served, current), (_SCALES.group, _SCALES.version, _SCALES.kind)
    attributes = Attributes(served=served, action=action, operation=UPDATE, name=action.name, old=old, form=form)
    scale = mutate(core, attributes, scale)
    replicas = scale["spec"].get("replicas") or 0
    causes = [] if served.custom else new_causes(_SERVED, meta)
    if replicas < 0 and not served.custom:
        causes.append(Cause.invalid("spec.replicas", str(replicas), "must be greater than or equal to 0"))
    if causes:
        raise invalid(_SCALES, action.name, *causes)
    path = _paths(served).spec_replicas
    body = _with_value(current.plain, path, replicas)
    version = meta.get("resourceVersion") or str(current.version)
    body["metadata"] = current.metadata | {"resourceVersion": version}
    had = value_at(current.plain, path) or 0
    owners = of_scale(served, action, current, path, had=had, wanted=replicas)
    action, seen = with_changes(action, subresource=""), (attributes, lambda stored: _bare(served, stored))
    return replace(core, served, action, current, body, owners=owners, seen=seen)


def _read(served: Strategy, action: Action, scale: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Read a Scale from a client, or the result of a patch of one."""
    if not isinstance(scale, Mapping):
        raise bad_request("the object provided is unrecognized (must be of type Scale)")
    kind, api_version = scale.get("kind") or "Scale", scale.get("apiVersion") or _SCALES.api_version
    if kind != "Scale":
        raise bad_request(unregistered(str(kind), str(api_version), "Scale"))
    try:
        read, unknown = typed.read_form(served.types, "Scale", scale)
    except typed.DoesNotFit as error:
        text = error.converted if action.patch_type is PatchType.STRATEGIC else str(error)
        raise refusal(_SERVED, action, text, scale, known) from None
    body_was_read()
    if unknown:
        tell_unknown(_SERVED, action, unknown, scale, known)
    return read


def _with_value(plain: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a dotted path."""
    name, dot, rest = path.partition(".")
    inner = plain.get(name)
    return {**plain, name: _with_value(inner if isinstance(inner, Mapping) else {}, rest, value) if dot else value}


def _paths(served: Strategy) -> ScalePaths:
    if served.scale is None and served.custom:
        raise unknown_resource()
    return served.scale or WORKLOAD_SCALE
