"""
Server-side apply: merge what one manager wants into an object.

What the manager gives is merged into the object by the schema of its kind; what it applied before and gives no more is
removed unless somebody else owns it too; and where a change takes a field from another manager, the apply fails unless
it is forced. Who owns what is kept in `metadata.managedFields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, difference, intersection, union
from ctrlkit.fakes.tracker.ownership.managed_fields import (
    before_first_apply,
    check_conflicts,
    misfit,
    node_of,
    now,
    ownable,
    writable,
)
from ctrlkit.fakes.tracker.ownership.managers import Entry, Operation, after_apply, distinct, find, make_entry
from ctrlkit.fakes.tracker.ownership.object_fields import applied, compare, with_named
from ctrlkit.fakes.tracker.ownership.typed_merge import merge, problems, remove
from ctrlkit.fakes.tracker.refusals import bad_request, conflict, not_found, plain_failure
from ctrlkit.fakes.tracker.schema.nodes import Node
from ctrlkit.fakes.tracker.schema.typed import json_type
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.client_side_apply import allowed_conflicts, with_last_applied
from ctrlkit.fakes.tracker.verbs.create import make
from ctrlkit.fakes.tracker.verbs.update import name_undetermined, replace
from ctrlkit.model import Action, AnyResource, ObjectKey

Plain = dict[str, Any]


def apply(core: Core, served: Strategy, action: Action) -> tuple[Stored, bool]:
    """
    Apply to an object; return its new state, and whether it was created.

    Errors  BadRequest for managedFields, another kind, or another name than the URL's; ApiError 500 for fields the kind
            does not have; Conflict with other managers; all of create and update.
    """
    current = core.find(served, action.key)
    if current is None and action.subresource:
        raise not_found(served.resource, action.name)
    check_applied(served.resource, action, node_of(served))
    if current is not None:
        return _apply_to(core, served, action, current), False
    body = action.body
    _check_uid(served, action)
    if not (body.get("metadata") or {}).get("name"):
        raise name_undetermined(action)
    if served.resource.namespaced and (body["metadata"].get("namespace") or action.namespace) != action.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    named = {**body, "metadata": {**(body.get("metadata") or {}), "name": action.name}}
    fields = ownable(served, "", applied(body, node_of(served)))
    entries = after_apply((), _entry(served, action, fields, now()), {}, {})
    return make(core, served, action, with_last_applied(action, named), owners=entries), True


def _apply_to(core: Core, served: Strategy, action: Action, current: Stored) -> Stored:
    node, subresource = node_of(served), action.subresource
    live = {"apiVersion": served.resource.api_version, "kind": served.resource.kind, **current.plain}
    live["metadata"] = {name: value for name, value in current.metadata.items() if name != "managedFields"}
    had = distinct(current.metadata.get("managedFields") or ())
    entries = had or before_first_apply(served, action, live)
    fields = writable(served, subresource, applied(action.body, node))
    mine = _entry(served, action, ownable(served, subresource, fields), "")
    before = find(entries, mine)
    merged = merge(live, action.body, node)
    if before:
        others = [entry["fieldsV1"] for entry in entries if entry is not before]
        merged = _pruned(merged, before["fieldsV1"], [fields, *others], node)
    if problem := misfit(served, entries, live):
        raise plain_failure(f"failed to convert old object: {problem}")
    if problem := misfit(served, entries, merged):
        raise plain_failure(f"failed to convert new object: {problem}")
    changed, removed = (writable(served, subresource, part) for part in compare(live, merged, node))
    check_conflicts(action, entries, mine, changed, lambda: allowed_conflicts(served, action, live, node))
    time = now() if merged != live else before.get("time", "") if before else ""
    after = after_apply(entries, _entry(served, action, mine["fieldsV1"], time), changed, removed)
    given = (action.body.get("metadata") or {}).get("resourceVersion")
    merged = with_last_applied(action, merged)
    meta = merged["metadata"] | {"name": action.name, "resourceVersion": given or str(current.version)}
    return replace(core, served, action, current, merged | {"metadata": meta}, owners=after)


def _entry(served: Strategy, action: Action, fields: FieldSet, time: str) -> Entry:
    """Make the entry of an apply's manager."""
    options, api_version = action.options, served.resource.api_version
    return make_entry(
        options.field_manager, Operation.APPLY, api_version, fields, subresource=action.subresource, time=time
    )


def _pruned(merged: Plain, last: FieldSet, owned: list[FieldSet], node: Node) -> Plain:
    """
    Remove from the merged object what the manager applied last and no manager owns now.

    A field on the way to such a field goes too, with whatever it holds, if nothing below it is owned any more.
    """
    if not difference(last, owned[0]):
        return merged
    kept: FieldSet = {}
    for fields in owned:
        kept = union(kept, fields)
    last, kept = with_named(last, node), with_named(kept, node)
    if not difference(last, kept):
        return merged
    present = with_named(applied(merged, node), node)
    bare = with_named(applied(remove(merged, last, node), node), node)
    shared = remove(merged, difference(present, union(bare, kept)), node)
    left = with_named(applied(shared, node), node)
    pruned: Plain = remove(merged, intersection(difference(present, left), last), node)
    return pruned


def check_applied(resource: AnyResource, action: Action, node: Node) -> None:
    """Refuse an applied body of another kind or name, or with what its type does not have. Errors: see `apply`."""
    body = action.body
    body = {} if body is None else body
    if not isinstance(body, Mapping):
        wrong = f"json: cannot unmarshal {json_type(body)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {wrong}")
    group, version, kind = _kind_of(body)
    if (group, version, kind) != (resource.group, resource.version, resource.kind):
        raise bad_request(f"invalid object type: {group}/{version}, Kind={kind}")
    meta = body.get("metadata") or {}
    meta = meta if isinstance(meta, Mapping) else {}
    if meta.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    found = list(problems(body, node))
    if found:
        place = ObjectKey(_text(meta, "namespace"), _text(meta, "name"))
        text = found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {one}" for one in found)])
        raise plain_failure(
            f"failed to create typed patch object ({place.namespace}/{place.name}; {group}/{version}, Kind={kind}): "
            f"{text}"
        )
    if (meta.get("name") or action.name) != action.name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({action.name})")


def _kind_of(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """The group, version and kind that a body names, empty where they are no text."""
    api_version, kind = _text(body, "apiVersion"), _text(body, "kind")
    if api_version.count("/") > 1:
        return "", "", ""
    group, _, version = api_version.rpartition("/")
    return group, version, kind


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def _check_uid(served: Strategy, action: Action) -> None:
    uid = (action.body.get("metadata") or {}).get("uid")
    if uid:
        text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(served.resource, action.name, text)
