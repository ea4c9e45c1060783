"""Restore: store an object as another server has shown it, with what only a server says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import decode
from ctrlkit.fakes.tracker.kinds import metadata
from ctrlkit.fakes.tracker.kinds.deletion import is_finished
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.ownership import managers
from ctrlkit.fakes.tracker.refusals import Cause, invalid, unknown_resource
from ctrlkit.fakes.tracker.schema.typed import blank_status
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, ObjectKey

Plain = dict[str, Any]

_NOT_KEPT = ("resourceVersion", "selfLink")
_FOR_CREATORS = "cannot be set on create"


def restore(core: Core, served: Strategy, action: Action) -> Stored:
    """
    Store an object of another server, in the place of one that is there: nobody admits it, and nothing is made up.

    Its uid, its times, owners, finalizers, managedFields and status stay as they are; its version is new. What it
    lacks, it gets as a new object does.

    Errors  BadRequest for fields that the kind does not have, Invalid for what breaks its rules, and NotFound for a
            kind of which no objects are stored.
    """
    body: Mapping[str, Any] = action.body
    if not served.keeps_objects:
        raise unknown_resource()
    metadata.check_kind(served.resource, body, custom=served.custom)
    metadata.of(served.resource, body)
    plain = decode(served, action, body)
    plain["metadata"] = _restored(served, plain["metadata"], action.namespace)
    served.defaults(plain)
    if served.has_status and "status" not in plain:
        plain = _begun(core, served, plain, action)
    name = plain["metadata"].get("name") or ""
    causes = [*metadata.new_causes(served, plain["metadata"]), *_causes(core, served, plain)]
    if plain["metadata"].get("managedFields", ()) is None:
        text = "each entry has a manager, an operation, an apiVersion, and fieldsV1 of the type FieldsV1"
        causes.append(Cause.invalid("metadata.managedFields", "entries of another form", text))
    if is_finished(served, plain):
        when = plain["metadata"]["deletionTimestamp"]
        text = "must not be set where no finalizer and no grace period holds the object"
        causes.append(Cause.invalid("metadata.deletionTimestamp", f'"{when}"', text))
    if causes:
        raise invalid(served.refused_as, name, *causes)
    core.foresee(served, plain)
    return core.write(served, ObjectKey(action.namespace, name), plain)


def _restored(served: Strategy, meta: Mapping[str, Any], namespace: str) -> Plain:
    kept = {name: value for name, value in metadata.clean(meta).items() if name not in _NOT_KEPT}
    if not namespace:
        kept.pop("namespace", None)
    if "managedFields" in kept:
        kept["managedFields"] = managers.read(kept["managedFields"])
    fresh = metadata.born(meta, namespace, generation=served.generation)
    return {**{name: fresh[name] for name in ("uid", "creationTimestamp", "generation") if name in fresh}, **kept}


def _begun(core: Core, served: Strategy, plain: Plain, action: Action) -> Plain:
    """Give an object that says nothing of its status that of a new one."""
    first = served.first_status or blank_status(served.types, served.resource)
    if first is not None:
        plain["status"] = dict(first)
    return served.prepare(core, served, plain, action)


def _causes(core: Core, served: Strategy, plain: Plain) -> Iterable[Cause]:
    """The rules that it breaks as it is stored, without those for who creates an object."""
    if served.conversion is not None:
        return _causes(core, core.served(served.conversion.stored), served.conversion.store(plain))
    return (cause for cause in served.validate(plain, None) if not cause.message.endswith(_FOR_CREATORS))
