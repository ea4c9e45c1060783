"""Deletion: an object is removed at once, after a grace period, or with its last finalizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Options

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.kinds.strategy import Strategy

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

Plain = dict[str, Any]


def delete_object(core: Core, strategy: Strategy, stored: Stored, options: Options) -> tuple[Stored, bool]:
    """Delete an object; the default of `Strategy.delete`, which says what is returned."""
    meta = stored.metadata
    if strategy.grace_s and is_leaving(stored, options):
        return stored, True
    finalizers = finalizers_after(meta, _policy(strategy, meta, options) if strategy.has_dependents else "")
    if strategy.grace_s is None and not finalizers:
        core.remove(strategy, stored.key, dry_run=options.dry_run)
        return stored, strategy.deleted_is_shown
    if meta.get("deletionTimestamp") and not strategy.grace_s:
        marked = stored.plain
    else:
        marked = _marked(stored.plain, strategy.grace_s(stored.plain, options) if strategy.grace_s else 0)
    marked = marked | {"metadata": with_finalizers(marked["metadata"], finalizers)}
    return write_marked(core, strategy, stored, marked, options), True


def is_leaving(stored: Stored, options: Options) -> bool:
    """Whether an object is on its way already, and a delete does not shorten that."""
    meta = stored.metadata
    return bool(meta.get("deletionTimestamp")) and not _is_shorter(meta, options)


def write_marked(core: Core, strategy: Strategy, stored: Stored, marked: Plain, options: Options) -> Stored:
    """Store an object that was marked as deleted, and remove it if nothing holds it."""
    if marked == stored.plain:
        return stored
    written = core.write(strategy, stored.key, marked, dry_run=options.dry_run)
    if is_finished(strategy, marked):
        core.remove(strategy, stored.key, dry_run=options.dry_run)
    return written


def is_finished(strategy: Strategy, plain: Mapping[str, Any]) -> bool:
    """Whether an object is marked as deleted and nothing holds it any more."""
    meta = plain["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not strategy.is_held(plain)


def _policy(strategy: Strategy, meta: Mapping[str, Any], options: Options) -> str:
    """What is to become of the dependents; a finalizer that says so already counts more than the kind's custom."""
    is_decided = options.propagation_policy or {ORPHAN, FOREGROUND} & {*(meta.get("finalizers") or ())}
    return "Orphan" if strategy.orphans and not is_decided else options.propagation_policy


def finalizers_after(meta: Mapping[str, Any], policy: str) -> list[str]:
    """The finalizers of an object after a delete with this propagation policy, "" for none."""
    have: list[str] = meta.get("finalizers") or []
    if not policy:
        return have
    kept = [name for name in have if name not in (ORPHAN, FOREGROUND)]
    match policy:
        case "Orphan":
            kept.append(ORPHAN)
        case "Foreground":
            kept.append(FOREGROUND)
    return kept


def with_finalizers(meta: Mapping[str, Any], finalizers: Sequence[str]) -> Plain:
    """Return metadata with these finalizers in place of its own."""
    rest = {name: value for name, value in meta.items() if name != "finalizers"}
    return rest | {"finalizers": finalizers} if finalizers else rest


def asked_grace_s(options: Options) -> int | None:
    """The grace period in the options of a delete; a negative one counts as one second."""
    grace = options.grace_period_s
    return 1 if grace is not None and grace < 0 else grace


def _is_shorter(meta: Mapping[str, Any], options: Options) -> bool:
    """Whether a second delete shortens the grace period of the first."""
    have, asked = meta.get("deletionGracePeriodSeconds") or 0, asked_grace_s(options)
    return asked is not None and asked < have


def _marked(plain: Plain, grace: int) -> Plain:
    """Return the object with a deletion timestamp; a second delete may bring that forward."""
    meta = plain["metadata"]
    before = meta.get("deletionTimestamp")
    now = exchanges.now()
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
    """Convert seconds as the server does: to nanoseconds in 64 bits, which overflow."""
    nanoseconds = (seconds * 10**9 + 2**63) % 2**64 - 2**63
    return timedelta(seconds=nanoseconds // 10**9)
