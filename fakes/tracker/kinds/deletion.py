"""What a delete does to an object: it goes at once, after a grace period, or with its last finalizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Options

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.kinds.strategy import Strategy

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

Plain = dict[str, Any]


def delete_object(core: Core, strategy: Strategy, stored: Stored, options: Options) -> tuple[Stored, bool]:
    """Delete an object of a kind without ways of its own; returns what `Strategy.delete` does."""
    meta = stored.metadata
    if meta.get("deletionTimestamp") and not _is_shorter(meta, options):
        return stored, True  # already on its way
    finalizers = finalizers_after(meta, options.propagation_policy)
    if strategy.grace_s is None and not finalizers:
        core.remove(strategy, stored.key, dry_run=options.dry_run)
        return stored, strategy.deleted_is_shown
    marked = _marked(stored.plain, strategy.grace_s(stored.plain, options) if strategy.grace_s else 0)
    marked = marked | {"metadata": with_finalizers(marked["metadata"], finalizers)}
    return write_marked(core, strategy, stored, marked, options), True


def write_marked(core: Core, strategy: Strategy, stored: Stored, marked: Plain, options: Options) -> Stored:
    """Store an object with its time of deletion, and remove it if nothing holds it."""
    written = core.write(strategy, stored.key, marked, dry_run=options.dry_run)
    if is_finished(strategy, marked):
        core.remove(strategy, stored.key, dry_run=options.dry_run)
    return written


def is_finished(strategy: Strategy, plain: Mapping[str, Any]) -> bool:
    """Whether an object's deletion was asked for and waits for nothing any more."""
    meta = plain["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not strategy.is_held(plain)


def finalizers_after(meta: Mapping[str, Any], policy: str) -> list[str]:
    """The finalizers a deletion leaves on an object; without a policy those already there decide."""
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
    """Metadata with these finalizers in place of those it has."""
    rest = {name: value for name, value in meta.items() if name != "finalizers"}
    return rest | {"finalizers": finalizers} if finalizers else rest


def asked_grace_s(options: Options) -> int | None:
    """The grace period that a delete asks for; what is less than none is one second."""
    grace = options.grace_period_s
    return 1 if grace is not None and grace < 0 else grace


def _is_shorter(meta: Mapping[str, Any], options: Options) -> bool:
    """Whether a delete of an object already being deleted gives it less time than it has."""
    have, asked = meta.get("deletionGracePeriodSeconds") or 0, asked_grace_s(options)
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
