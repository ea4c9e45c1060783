"""Delete: one object, or a selection; `Strategy.delete` does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import admit_delete
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.deletion import delete_object, is_leaving
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import notice
from ctrlkit.fakes.tracker.refusals import Cause, invalid_options, json_text, method_not_allowed, precondition_failed
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.list import Snapshot, snapshot
from ctrlkit.model import Action, Options, Verb

_POLICIES = ("Foreground", "Background", "Orphan", "nil")


def delete(core: Core, served: Strategy, action: Action) -> tuple[Stored, bool]:
    """
    Delete an object; return its last state, and whether the server answers with that (else with a Status).

    An object with finalizers is marked and stays. A pod on a node is marked with its grace period and stays until its
    kubelet deletes it with none; others go at once. A policy adds the finalizer that the garbage collector acts on.
    Errors  NotFound, Conflict (a precondition does not hold), Forbidden (a namespace that must stay), Invalid.
    """
    _begin(served, action.options)
    stored = core.get(served, action.key)
    check_preconditions(served, stored, action.options)
    return _delete(core, served, stored, action)


def delete_collection(core: Core, served: Strategy, action: Action) -> Snapshot:
    """Delete all selected objects; return them as they were before. Errors: MethodNotAllowed; those of list, delete."""
    if not served.supports(Verb.DELETE_COLLECTION):
        raise method_not_allowed()
    _begin(served, action.options)
    done = exchanges.done()
    listed: Snapshot = done.setdefault("listed", None) or snapshot(core, served, action)
    done["listed"] = listed
    for stored in listed.found:
        current = core.find(served, stored.key) if stored.key not in done else None
        if current is not None:
            check_preconditions(served, current, action.options)
            _delete(core, served, current, action)
        done[stored.key] = True
    return listed


def _delete(core: Core, served: Strategy, stored: Stored, action: Action) -> tuple[Stored, bool]:
    """Delete an object, unless admission refuses that; it does not see another delete of what ends in its own time."""
    has_own_time = served.grace_s is not None or served.delete is not delete_object
    if not (has_own_time and is_leaving(stored, action.options)):
        admit_delete(core, served, action, stored.plain)
    return served.delete(core, served, stored, action.options)


def _begin(served: Strategy, options: Options) -> None:
    check_policy(options)
    if served.delete_warning and not options.propagation_policy:
        notice(served.delete_warning)


def delete_causes(given: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield what is wrong with DeleteOptions, as a client gave them."""
    policy, orphan = given.get("propagationPolicy"), given.get("orphanDependents")
    if policy is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        yield Cause.wrong("propagationPolicy", policy, text)
    if policy is not None and policy not in _POLICIES[:3]:
        yield Cause.unsupported("propagationPolicy", policy, _POLICIES)
    yield from dry_run_causes(given.get("dryRun") or ())


def dry_run_causes(given: Sequence[str]) -> Iterator[Cause]:
    """Yield what is wrong with the values of `dryRun`."""
    if any(one != "All" for one in given):
        text = f'Unsupported value: {json_text(list(given))}: supported values: "All"'
        yield Cause("dryRun", "FieldValueNotSupported", text)


def check_policy(options: Options) -> None:
    """Refuse a propagation policy that is none. Errors: Invalid."""
    policy = options.propagation_policy
    if policy and policy not in _POLICIES[:3]:
        raise invalid_options("DeleteOptions", Cause.unsupported("propagationPolicy", policy, _POLICIES))


def check_preconditions(served: Strategy, stored: Stored, options: Options) -> None:
    """Refuse a delete of another object, or of another state of it, than is meant. Errors: Conflict."""
    uid, version = stored.metadata["uid"], str(stored.version)
    if options.precondition_uid and options.precondition_uid != uid:
        text = (
            f"the UID in the precondition ({options.precondition_uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise precondition_failed(served.resource, stored.key.name, text)
    if options.precondition_version and options.precondition_version != version:
        text = (
            f"the ResourceVersion in the precondition ({options.precondition_version}) does not match the "
            f"ResourceVersion in record ({version}). The object might have been modified"
        )
        raise precondition_failed(served.resource, stored.key.name, text)
