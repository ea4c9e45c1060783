"""
The managedFields of an object after a write, by the rules of its kind and of the subresource.

In       The object before and after a write, and the Action that made it.
Out      The entries of its new `metadata.managedFields`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ctrlkit import clock
from ctrlkit.errors import ApiError, Conflict
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership.fieldsets import FieldSet, Path, cut, path_text, paths, union
from ctrlkit.fakes.tracker.ownership.managers import (
    Entries,
    Entry,
    Operation,
    after_update,
    conflicts,
    describe,
    distinct,
    make_entry,
    read,
)
from ctrlkit.fakes.tracker.ownership.object_fields import Unkeyed, compare, emptied
from ctrlkit.fakes.tracker.ownership.typed_merge import problems
from ctrlkit.fakes.tracker.refusals import Cause, invalid_options
from ctrlkit.fakes.tracker.schema.nodes import Node, built_in, custom
from ctrlkit.fakes.tracker.schema.typed import may_be_null
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, PatchType, value_at

MANAGER_BYTES_MAX = 128
_STRICTNESS = ("", "Ignore", "Strict", "Warn")

Plain = dict[str, Any]

_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NOBODYS = ("apiVersion", "kind")
_NOBODYS_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
"""Fields that no manager owns, of the object and of its metadata."""


def check_options(action: Action) -> None:
    """Refuse options that a write cannot have. Errors: Invalid."""
    options = action.options
    is_usual = len(options.field_manager) < MANAGER_BYTES_MAX // 4 and options.field_manager.isprintable()
    if is_usual and not options.force and not options.field_validation and action.patch_type is not PatchType.APPLY:
        return
    causes = [*manager_causes(action), *validation_causes(action)]
    if causes:
        raise invalid_options(f"{action.verb.value.capitalize()}Options", *causes)


def manager_causes(action: Action) -> Iterator[Cause]:
    """Yield what is wrong with a field manager's name, and with `force` where nothing is applied."""
    name, force = action.options.field_manager, action.options.force
    is_apply = action.patch_type is PatchType.APPLY
    if is_apply and not name:
        yield Cause.required("fieldManager", "is required for apply patch")
    if force and not is_apply:
        yield Cause.forbidden("force", "may not be specified for non-apply patch")
    if len(name) >= MANAGER_BYTES_MAX // 4 and len(name.encode()) > MANAGER_BYTES_MAX:
        text = f"Too long: may not be more than {MANAGER_BYTES_MAX} bytes"
        yield Cause("fieldManager", "FieldValueTooLong", text)
    for place, letter in enumerate(name) if not name.isprintable() else ():
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {place})"
            yield Cause.wrong("fieldManager", name, text)


def validation_causes(action: Action) -> Iterator[Cause]:
    """Yield what is wrong with `fieldValidation`."""
    given = action.options.field_validation
    if given not in _STRICTNESS:
        yield Cause.unsupported("fieldValidation", given, _STRICTNESS)


_META = ("apiVersion", "kind", "metadata")


def node_of(served: Strategy) -> Node:
    """Return how the fields of a kind merge."""
    if served.schema is not None:
        return served.schema.node
    return _open_node() if served.custom else built_in(served.types, served.resource)


@functools.cache
def _open_node() -> Node:
    return custom(_OPEN)


def of_new(served: Strategy, action: Action, body: Mapping[str, Any], plain: Plain) -> Entries:
    """Return the entries of a new object: its creator owns its fields; `body` is the request."""
    node = node_of(served)
    if _is_unfit(served, body, {}):
        return ()
    try:
        changed, _ = compare(node.empty or {}, plain, node)
        changed = ownable(served, "", _with_emptied(served, action, changed, body, plain))
    except Unkeyed:
        return ()
    for path in served.set_by_server:
        if value_at(body, path) in (None, "", [], {}):
            changed = cut(changed, _steps(path))
    return after_update((), _update_entry(served, action, changed, now()), {})


def of_update(
    served: Strategy, action: Action, current: Stored, body: Mapping[str, Any], plain: Mapping[str, Any]
) -> Entries:
    """Return the entries of an updated or patched object: the writer owns what changed; `body` is the request."""
    entries = distinct(current.metadata.get("managedFields") or ())
    sent = (body.get("metadata") or {}).get("managedFields")
    if sent and sent != entries and not action.subresource:
        entries = () if sent == [{}] else read(sent) or entries
    if _is_unfit(served, body, current.plain):
        return ()
    if _other_versions(served, entries):
        theirs = served.schema.complete(body)[0] if served.schema is not None and action.subresource else plain
        if misfit(served, entries, theirs):
            return ()
    if not entries:
        return ()  # once reset, or never begun, this is noted no more until somebody applies
    try:
        changed, removed = compare(current.plain, plain, node_of(served))
        changed = ownable(served, action.subresource, _with_emptied(served, action, changed, body, plain))
        removed = writable(served, action.subresource, removed) if removed else removed
    except Unkeyed:
        return ()
    if not changed and not removed:
        return entries
    entries = [one for one in entries if _is_of_group(served, one)]
    return after_update(entries, _update_entry(served, action, changed, now()), removed)


def _is_unfit(served: Strategy, body: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """
    Whether what a writer of a custom object sent is not of the schema's types, in parts that are not known already.

    A server cannot compare that, and forgets who owns what. It does not look at what is twice in a list, and some
    values that fit no type are valid, as a list where a text has a format.
    """
    if served.schema is None:
        return False
    new = {name: value for name, value in body.items() if name not in _META and known.get(name) != value}
    found = problems(served.schema.complete(new)[0], node_of(served)) if new else ()
    return any(": duplicate entries for key " not in problem for problem in found)


def misfit(served: Strategy, entries: Entries, plain: Mapping[str, Any]) -> str:
    """
    What keeps an object from being compared in the words of an entry at another version; "" if nothing does.

    A server converts it for that, but prunes nothing; where that fails it forgets who owns what, and goes on.
    """
    forms, version = served.forms, served.resource.version
    for other in _other_versions(served, entries):
        if forms is not None:
            try:
                converted = forms.convert(plain, version, other)
            except ApiError as error:
                return error.message
            for problem in problems(converted, forms.schemas[other].node):
                return problem
    return ""


def _other_versions(served: Strategy, entries: Entries) -> list[str]:
    """The versions of a custom kind, besides the one that is written, in whose words there are entries."""
    forms, resource = served.forms, served.resource
    if forms is None:
        return []
    named = {entry.get("apiVersion", "") for entry in entries} - {resource.api_version}
    versions = {str(one).rpartition("/")[2] for one in named} - {resource.version}
    return sorted(version for version in versions if version in forms.schemas)


_EMPTY = re.compile(rb"\[\]|\{\}")
_EMPTIES = re.compile(rb"\[\]|\{\}|null")
"""What a merge patch has that may leave something empty."""


def _with_emptied(
    served: Strategy, action: Action, changed: FieldSet, body: Mapping[str, Any], plain: Mapping[str, Any]
) -> FieldSet:
    """Add to what a body sets the lists that it has empty, and that are kept as null."""
    if not may_be_null(served.types, served.resource):
        return changed
    if action.patch_type is PatchType.MERGE and not _EMPTIES.search(msgspec.json.encode(action.body)):
        return changed
    kept = msgspec.json.encode(plain)
    of_times = kept.count(b'Time":null') + kept.count(b'Timestamp":null')
    if kept.count(b"null") == of_times or not _EMPTY.search(msgspec.json.encode(body)):
        return changed
    return union(changed, emptied(body, plain, node_of(served)))


def _is_of_group(served: Strategy, entry: Entry) -> bool:
    """Whether an entry is in the words of the kind's group; a server forgets those of a form in another one."""
    version = entry.get("apiVersion", "")
    return version == served.resource.api_version or str(version).rpartition("/")[0] == served.resource.group


def check_conflicts(
    action: Action, entries: Entries, mine: Entry, changed: FieldSet, allowed: Callable[[], FieldSet] = dict
) -> None:
    """Refuse an apply that changes fields of other managers, unless it is forced, or these fields are allowed."""
    fought = conflicts(entries, mine, changed)
    if not fought or action.options.force:
        return
    free = frozenset(paths(allowed()))
    found = [
        (describe(other), path_text(path)) for other, fields in fought for path in paths(fields) if path not in free
    ]
    if not found:
        return
    if len(found) == 1:
        text = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        for other in dict.fromkeys(name for name, _ in found):
            lines += [f"conflicts with {other}:", *(f"- {path}" for name, path in found if name == other)]
        text = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {other}", "field": path} for other, path in found
    ]
    raise Conflict(text, details={"causes": causes})


def before_first_apply(served: Strategy, action: Action, plain: Mapping[str, Any]) -> Entries:
    """Return the first entries of an object that has none, for an apply."""
    node = node_of(served)
    changed, _ = compare(node.empty or {}, plain, node)
    entry = make_entry(
        "before-first-apply",
        Operation.UPDATE,
        served.resource.api_version,
        ownable(served, action.subresource, changed),
        subresource=action.subresource,
        time=now(),
    )
    return after_update((), entry, {})


def settle(plain: Plain, current: Plain, entries: Entries) -> None:
    """Set the entries of an object's new state, in place, unless only a time in them would change."""
    before: Entries = current["metadata"].get("managedFields") or ()
    if plain == current and [_timeless(entry) for entry in before] == [_timeless(entry) for entry in entries]:
        return
    set_entries(plain, entries)


def _timeless(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != "time"}


def set_entries(plain: Plain, entries: Entries) -> None:
    """Set the entries of a new object, in place."""
    if entries:
        plain["metadata"]["managedFields"] = list(entries)
    else:
        plain["metadata"].pop("managedFields", None)


def kept(plain: Plain, entries: Entries) -> Entries:
    """Return the entries of an object that admission has seen with `entries`: its own, unless they cannot be read."""
    found = plain["metadata"].get("managedFields") or ()
    return entries if found == list(entries) else read(found) or entries


def ownable(served: Strategy, subresource: str, fields: FieldSet) -> FieldSet:
    """Keep the fields that a manager can own by a write of a subresource, "" for the object as a whole."""
    fields = writable(served, subresource, fields)
    owned = {step: below for step, below in fields.items() if step not in _NOBODYS_STEPS}
    metadata = fields.get("f:metadata")
    if metadata is not None:
        owned["f:metadata"] = {step: below for step, below in metadata.items() if step not in _NOBODYS_METADATA_STEPS}
        if not owned["f:metadata"]:
            del owned["f:metadata"]
    return owned


_NOBODYS_STEPS = frozenset(f"f:{name}" for name in _NOBODYS)
_NOBODYS_METADATA_STEPS = frozenset((".", *(f"f:{name}" for name in _NOBODYS_METADATA)))


def writable(served: Strategy, subresource: str, fields: FieldSet) -> FieldSet:
    """Remove the fields that a write of a subresource does not change."""
    if subresource == "status" and len(fields) == 1 and "f:status" in fields:
        return fields
    if subresource == "status":
        kept: tuple[str, ...] = ("spec", *served.kept_by_status)
    elif subresource in served.parts:
        kept = served.parts[subresource].resets
    else:
        kept = ("status", *served.resets) if served.has_status else served.resets
    for path in kept:
        fields = cut(fields, _steps(path))
    return fields


@functools.cache
def _steps(path: str) -> Path:
    return tuple(f"f:{name}" for name in path.split("."))


def now() -> str:
    """The time of a write, as in entries."""
    return clock.timestamp(exchanges.now())


def _update_entry(served: Strategy, action: Action, fields: FieldSet, time: str) -> Entry:
    return make_entry(
        action.options.field_manager,
        Operation.UPDATE,
        served.resource.api_version,
        fields,
        subresource=action.subresource,
        time=time,
    )
