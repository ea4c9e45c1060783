"""Delete: at once, gracefully, or after finalizers; one object or a whole selection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.definitions.definitions import CLEANUP_FINALIZER, identity_of, serves
from ctrlkit.fakes.tracker.kinds.registry import Served
from ctrlkit.fakes.tracker.refusals import Cause, forbidden, invalid_options, method_not_allowed, precondition_failed
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.fakes.tracker.verbs.selection import Selection
from ctrlkit.fakes.tracker.verbs.update import is_finished
from ctrlkit.model import Action, Options, kinds

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_POLICIES = ("Foreground", "Background", "Orphan", "nil")
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_ANSWERED_WITH_OBJECT = frozenset(
    resource.identity
    for resource in (kinds.PODS, kinds.SERVICES, kinds.SERVICE_ACCOUNTS, kinds.PERSISTENT_VOLUME_CLAIMS)
)

Plain = dict[str, Any]


def delete(core: Core, served: Served, action: Action) -> tuple[Stored, bool]:
    """
    Carry out a delete: the object's last state, and whether it is what the server answers with (else a Status).

    An object with finalizers is marked and stays. A pod on a node is marked with its grace period and stays until its
    kubelet deletes it with none; others go at once. A policy adds the finalizer that the garbage collector acts on.
    Errors  NotFound, Conflict (a precondition does not hold), Forbidden (a namespace that must stay), Invalid.
    """
    _check_policy(action.options)
    stored = core.get(served, action.key)
    _check_preconditions(served, stored, action.options)
    if served.resource.identity == kinds.NAMESPACES.identity:
        return _delete_namespace(core, served, stored, action.options), True
    return _delete_any(core, served, stored, action)


def delete_collection(core: Core, served: Served, action: Action) -> list[Stored]:
    """Carry out a delete of all that is selected; the objects as they were before. Errors: MethodNotAllowed."""
    if served.resource.identity == kinds.NAMESPACES.identity:
        raise method_not_allowed()
    selection = Selection(served, action)
    _check_policy(action.options)
    collection = core.store.collection(served.resource.identity)
    found = [stored for stored in collection.within(action.namespace) if selection.matches(stored)]
    for stored in found:
        _delete_any(core, served, stored, action)
    return found


def _delete_any(core: Core, served: Served, stored: Stored, action: Action) -> tuple[Stored, bool]:
    if served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity:
        return _delete_definition(core, served, stored, action)
    return _delete_object(core, served, stored, action.options)


def _delete_object(core: Core, served: Served, stored: Stored, options: Options) -> tuple[Stored, bool]:
    is_pod = served.resource.identity == kinds.PODS.identity
    meta = stored.metadata
    if meta.get("deletionTimestamp") and not _is_shorter(meta, options):
        return stored, True  # already on its way
    finalizers = _finalizers(meta.get("finalizers") or [], options.propagation_policy)
    if not is_pod and not finalizers:
        core.remove(served, stored.key, dry_run=options.dry_run)
        return stored, served.resource.identity in _ANSWERED_WITH_OBJECT
    marked = _marked(stored.plain, _grace(stored.plain, options) if is_pod else 0)
    marked = marked | {"metadata": _with_finalizers(marked["metadata"], finalizers)}
    stored = core.write(served, stored.key, marked, dry_run=options.dry_run)
    if is_finished(served, marked):
        core.remove(served, stored.key, dry_run=options.dry_run)
    return stored, True


def _delete_namespace(core: Core, served: Served, stored: Stored, options: Options) -> Stored:
    """A namespace is only marked; whoever empties it then removes its last finalizer."""
    if stored.key.name in _IMMORTAL:
        raise forbidden(served.resource, stored.key.name, "this namespace may not be deleted")
    if stored.metadata.get("deletionTimestamp"):
        return stored
    meta = stored.metadata | {"deletionTimestamp": clock.timestamp(clock.now())}
    status = (stored.plain.get("status") or {}) | {"phase": "Terminating"}
    marked = stored.plain | {"metadata": meta, "status": status}
    marked["metadata"] = _with_finalizers(meta, _finalizers(meta.get("finalizers") or [], options.propagation_policy))
    written = core.write(served, stored.key, marked, dry_run=options.dry_run)
    if is_finished(served, marked):
        core.remove(served, stored.key, dry_run=options.dry_run)
    return written


def _delete_definition(core: Core, served: Served, stored: Stored, action: Action) -> tuple[Stored, bool]:
    """A definition takes its objects along and waits for those that have finalizers."""
    if action.options.dry_run or stored.metadata.get("deletionTimestamp"):
        return stored, True
    meta = stored.metadata | {"deletionTimestamp": clock.timestamp(clock.now())}
    meta = _with_finalizers(meta, [*(meta.get("finalizers") or []), CLEANUP_FINALIZER])
    marked = core.write(served, stored.key, stored.plain | {"metadata": meta})
    identity = identity_of(stored.plain)
    kind = next((one for one in core.registry.served() if one.resource.identity == identity), None)
    objects = tuple(core.store.collection(identity).all()) if serves(core.registry, stored.plain) else ()
    if kind:
        for child in objects:
            _delete_object(core, kind, child, Options())
    if not (kind and objects):
        core.release_definition(stored.key.name)
    return marked, True


def _check_policy(options: Options) -> None:
    policy = options.propagation_policy
    if policy and policy not in _POLICIES[:3]:
        raise invalid_options("DeleteOptions", Cause.unsupported("propagationPolicy", policy, _POLICIES))


def _check_preconditions(served: Served, stored: Stored, options: Options) -> None:
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


def _finalizers(have: list[str], policy: str) -> list[str]:
    """The finalizers a deletion leaves on an object; without a policy those already there decide."""
    if not policy:
        return have
    kept = [name for name in have if name not in (ORPHAN, FOREGROUND)]
    match policy:
        case "Orphan":
            kept.append(ORPHAN)
        case "Foreground":
            kept.append(FOREGROUND)
    return kept


def _grace(pod: Plain, options: Options) -> int:
    """How long a pod may take to end: none where no kubelet runs it any more, or yet."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = _asked(options)
    if grace is None:
        grace = int(spec.get("terminationGracePeriodSeconds", 30))
    return grace if grace >= 0 else 1


def _asked(options: Options) -> int | None:
    """The grace period that a delete asks for; what is less than none is one second."""
    grace = options.grace_period_s
    return 1 if grace is not None and grace < 0 else grace


def _is_shorter(meta: Mapping[str, Any], options: Options) -> bool:
    """Whether a delete of an object already being deleted gives it less time than it has."""
    have, asked = meta.get("deletionGracePeriodSeconds") or 0, _asked(options)
    return asked is not None and asked < have


def _marked(plain: Plain, grace: int) -> Plain:
    """The object with its time of deletion; a second delete brings that forward."""
    meta = plain["metadata"]
    before = meta.get("deletionTimestamp")
    now = clock.now()
    if before:
        asked_at = datetime.fromisoformat(before) - _duration(meta.get("deletionGracePeriodSeconds", 0))
        when = asked_at + _duration(grace)
        if when < now:
            when, grace = now, min(grace, 1)
    else:
        when = now + _duration(grace)
    meta = meta | {"deletionTimestamp": clock.timestamp(when), "deletionGracePeriodSeconds": grace}
    if "generation" in meta and not before:
        meta["generation"] += 1
    return plain | {"metadata": meta}


def _duration(seconds: int) -> timedelta:
    """So many seconds as the server counts them: in nanoseconds, in 64 bits."""
    nanoseconds = (seconds * 10**9 + 2**63) % 2**64 - 2**63
    return timedelta(seconds=nanoseconds // 10**9)


def _with_finalizers(meta: Plain, finalizers: list[str]) -> Plain:
    rest = {name: value for name, value in meta.items() if name != "finalizers"}
    return rest | {"finalizers": finalizers} if finalizers else rest
