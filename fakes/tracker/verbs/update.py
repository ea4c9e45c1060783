"""Update: replace an object, or the part of it that a subresource stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.admission import MUTATING, UPDATE, Attributes, admit, mutate
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import decode
from ctrlkit.fakes.tracker.kinds import metadata
from ctrlkit.fakes.tracker.kinds.deletion import is_finished
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.ownership import managed_fields
from ctrlkit.fakes.tracker.ownership.managers import Entries
from ctrlkit.fakes.tracker.refusals import (
    Cause,
    bad_request,
    conflict,
    invalid,
    invalid_resource,
    json_text,
    modified,
    storage_error,
    unreadable_patch,
)
from ctrlkit.fakes.tracker.store import Stored, encode_tail
from ctrlkit.fakes.tracker.verbs.create import check_namespace, create
from ctrlkit.model import Action, PatchType, Verb

Plain = dict[str, Any]


def update(core: Core, served: Strategy, action: Action) -> Stored:
    """
    Update an object, its status, or a namespace's finalizers.

    Errors  BadRequest (wrong kind, name or namespace), NotFound, Conflict (stale version, other uid), Invalid.
    """
    body = action.body
    if not isinstance(body, (dict, Mapping)):
        raise bad_request(f"the object provided is unrecognized (must be of type {served.resource.kind})")
    current = core.find(served, action.key)
    if current is None:
        _check_kind(served, action, body)
        check_identity(served, action, decode(served, action, body)["metadata"])
        if creates(core, served, action):
            return create(core, served, action)
        current = core.get(served, action.key)
    return replace(core, served, action, current, body)


def creates(core: Core, served: Strategy, action: Action) -> bool:
    """Whether an update creates the object, which is not there."""
    return served.creates_on_update and not action.subresource and core.find(served, action.key) is None


def replace(
    core: Core,
    served: Strategy,
    action: Action,
    current: Stored,
    body: Mapping[str, Any],
    *,
    owners: Entries | None = None,
    seen: tuple[Attributes, Callable[[Stored], Plain]] | None = None,
) -> Stored:
    """
    Replace an object by `body`, by the rules of the action's subresource.

    A body that changes nothing leaves the version as it is. An object that waited only for this to be deleted is
    removed; the answer is then its last state at the version it had. `owners` are the new state's
    managedFields, None: whoever acts owns what changed. `seen` says what admission
    sees of the new object, if that is not the object; it has completed that already.
    """
    _check_kind(served, action, body)
    theirs = decode(served, action, body, current.plain)
    check_identity(served, action, theirs["metadata"])
    attributes = Attributes(served=served, action=action, operation=UPDATE, name=action.name, old=current.plain)
    sees_all = seen is None and MUTATING.sees_all(core)
    sent = _sent(served, action.subresource, current, theirs)
    if owners is None and (not served.custom or sees_all):
        owners = _owners_as_sent(core, attributes, current, body, sent)
    if owners is not None and sees_all:
        theirs, owners = _completed(core, attributes, theirs, owners)
        sent = _sent(served, action.subresource, current, theirs)
    _check_version(served, action, current, theirs["metadata"])
    plain = _restored(served, action.subresource, current, sent)
    if not (sees_all or seen):
        mutate(core, attributes, plain)
    plain = served.prepare(core, served, plain, action)
    _check_rules(core, served, action.subresource, current, plain)
    counts = served.generation and action.subresource != "status"
    if counts and not _is_same(_spec(served, plain), _spec(served, current.plain)):
        plain["metadata"]["generation"] = current.metadata.get("generation", 0) + 1
    if owners is None:
        owners = managed_fields.of_update(served, action, current, body, plain)
    managed_fields.settle(plain, current.plain, owners)
    core.foresee(served, plain)
    if seen:
        admit(core, seen[0], seen[1](Stored(current.key, current.version, encode_tail(plain))))
    else:
        admit(core, attributes, plain)
    if _is_same(plain, current.plain) and (served.forms is None or served.forms.is_new(current)):
        return current
    dry_run = action.options.dry_run
    if is_finished(served, plain):
        core.remove(served, current.key, dry_run=dry_run)
        return Stored(current.key, current.version, encode_tail(plain))
    return core.write(served, current.key, plain, dry_run=dry_run)


def _owners_as_sent(
    core: Core, attributes: Attributes, current: Stored, body: Mapping[str, Any], sent: Plain
) -> Entries:
    """Return the managedFields that an update makes by itself: also of what is not kept, not of what admission adds."""
    served, action = attributes.served, attributes.action
    plain = served.prepare(core, served, deepcopy(sent), action) if served.custom else sent
    return managed_fields.of_update(served, action, current, body, plain)


def _completed(core: Core, attributes: Attributes, theirs: Plain, owners: Entries) -> tuple[Plain, Entries]:
    """Let admission complete what was sent, before it is combined with what is stored; return it and its owners."""
    served, action = attributes.served, attributes.action
    theirs = {**theirs, "metadata": dict(theirs["metadata"])}
    if action.namespace:
        theirs["metadata"]["namespace"] = action.namespace
    if not action.subresource:
        served.defaults(theirs)
    served.defaults_beside_spec(theirs)
    managed_fields.set_entries(theirs, owners)
    plain = mutate(core, attributes, theirs)
    return plain, managed_fields.kept(plain, owners)


def _check_kind(served: Strategy, action: Action, body: Mapping[str, Any]) -> None:
    """Refuse a body of another kind; a strategic merge patch cannot change the kind."""
    if served.custom or action.verb is not Verb.PATCH or action.patch_type is PatchType.APPLY:
        metadata.check_kind(served.resource, body, custom=served.custom)
    elif action.patch_type is not PatchType.STRATEGIC and action.subresource != "scale":
        problem = metadata.patched_kind_problem(served.resource, body)
        if problem:
            raise unreadable_patch(json_text(body), problem)


def check_identity(served: Strategy, action: Action, meta: Mapping[str, Any]) -> None:
    """Refuse metadata of another object than the URL's. Errors: BadRequest."""
    name = meta.get("name") or ""
    check_namespace(served, action, meta)
    if not name:
        raise name_undetermined(action)
    if name != action.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({action.name})")


def name_undetermined(action: Action) -> ApiError:
    """The object that a client sent has no name."""
    return bad_request(f"the name of the object ({action.name} based on URL) was undeterminable: name must be provided")


def _check_version(served: Strategy, action: Action, current: Stored, meta: Mapping[str, Any]) -> None:
    resource, name = served.resource, current.key.name
    uid = meta.get("uid")
    if uid and uid != current.metadata["uid"]:
        if action.verb is Verb.PATCH:
            raise invalid(resource, name, *[Cause.wrong("metadata.uid", uid, "field is immutable")] * 2)
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.metadata['uid']}"
        raise conflict(resource, name, storage_error(resource, current.key, text))
    version = meta.get("resourceVersion") or ""
    if not version and not served.blind_updates:
        text = "must be specified for an update"
        raise invalid_resource(resource, name, Cause.invalid("metadata.resourceVersion", "0", text))
    if version and version != str(current.version):
        raise modified(resource, name)


def _sent(served: Strategy, subresource: str, current: Stored, theirs: Mapping[str, Any]) -> Plain:
    """The object as the caller means it, with its defaults."""
    plain = dict(theirs)
    if subresource == "status":
        plain = _with_status(current.plain, theirs)
    elif subresource not in served.parts and served.has_status:
        plain = _with_status(theirs, current.plain)
    plain["metadata"] = metadata.updated(theirs["metadata"], current.metadata)
    if subresource != "status" and ("spec" not in plain or plain["spec"] is not current.plain.get("spec")):
        served.defaults(plain)
    served.defaults_beside_spec(plain)
    return plain


def _restored(served: Strategy, subresource: str, current: Stored, plain: Plain) -> Plain:
    """The object with what the caller cannot change as it is stored."""
    if subresource in served.parts:
        part = served.parts[subresource]
        combined = part.combine(plain, current.plain)
        meta = current.metadata if part.keeps_metadata else combined["metadata"]
        return {**combined, "metadata": metadata.updated(meta, current.metadata)}
    if subresource == "status":
        if "metadata" in served.kept_by_status:
            plain["metadata"] = metadata.updated(_kept_metadata(served, current, plain), current.metadata)
        served.keep_status(plain, current.plain)
    else:
        served.drop(plain)
        served.keep(plain, current.plain)
    return plain


_SENT_WITH_STATUS = ("generateName", "deletionGracePeriodSeconds")
"""Fields of the metadata that a server takes from a write of the status, where it keeps the others."""


def _kept_metadata(served: Strategy, current: Stored, plain: Plain) -> Plain:
    """The metadata of a kind whose status is written alone; of most of them two fields are not kept."""
    if "metadata.generateName" in served.kept_by_status:
        return dict(current.metadata)
    kept = {name: value for name, value in current.metadata.items() if name not in _SENT_WITH_STATUS}
    return kept | {name: value for name, value in plain["metadata"].items() if name in _SENT_WITH_STATUS}


def _with_status(plain: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in plain.items() if name != "status"}
    return rest | {"status": source["status"]} if "status" in source else rest


def _check_rules(core: Core, served: Strategy, subresource: str, current: Stored, plain: dict[str, Any]) -> None:
    causes: list[Cause] = []
    if "spec" in plain and plain["spec"] is not current.plain.get("spec"):
        causes += served.allocate(core, plain, current.plain)
    if not causes:
        causes += metadata.update_causes(served, plain["metadata"], current.metadata, subresource)
        causes += _causes(served, subresource, current.plain, plain)
    if causes:
        raise invalid(served.refused_as, current.key.name, *causes)
    for text in served.warn(plain, current.plain) if not subresource else ():
        notice(text)
    if served.custom:
        metadata.tell_of_finalizers(plain["metadata"], current.metadata)


def _causes(served: Strategy, subresource: str, old: Mapping[str, Any], plain: Mapping[str, Any]) -> Iterable[Cause]:
    if subresource in served.parts:
        return served.parts[subresource].validate(plain, old)
    if subresource == "status" and served.validate_status is not None:
        return served.validate_status(plain, old)
    return served.validate(plain, old)


def _spec(served: Strategy, plain: Mapping[str, Any]) -> Any:
    """The part of an object whose changes raise the generation."""
    if served.counted is not None:
        return served.counted(plain)
    left_out = ("metadata", "status") if served.has_status else ("metadata",)
    return {name: value for name, value in plain.items() if name not in left_out}


def _is_same(new: Any, old: Any) -> bool:
    """Whether two values are the same in JSON, where 1 is not true as it is in Python."""
    return bool(new == old) and _agree(new, old)


def _agree(new: Any, old: Any) -> bool:
    """Whether equal values have true and false at the same places."""
    if isinstance(new, (dict, Mapping)):
        return all(_agree(value, old[name]) for name, value in new.items())
    if isinstance(new, (list, tuple)):
        return all(map(_agree, new, old))
    return isinstance(new, bool) is isinstance(old, bool)
