"""
Create an object of the body of which the last one was made: they differ in their names and uids alone.

A ReplicaSet makes its pods one after the other, at one time. What a server makes of a body depends on what is stored,
on the time and on who acts; where nothing was written since and the others are the same, it is what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import sees_anything
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.metadata import generate_name, make_uid
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import is_noticed
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, ObjectKey


def is_repeatable(core: Core, served: Strategy, action: Action, body: Mapping[str, Any]) -> bool:
    """Whether what is made of a body may be made again: nobody is asked, and nothing is made up but name and uid."""
    return (
        served.is_repeated
        and _is_nameless(body.get("metadata") or {})
        and not (action.name or action.options.dry_run)
        and core.rights is None
        and "ServiceAccount" not in core.plugins  # it makes up names of volumes
        and not (is_noticed() or sees_anything(core))
    )


def _is_nameless(meta: Mapping[str, Any]) -> bool:
    return bool(meta.get("generateName")) and not meta.get("name")


def create_again(core: Core, served: Strategy, action: Action, body: bytes) -> Stored | None:
    """Store an object like the last one; None if it would not be like that, or has no free name at the first try."""
    if core.last is None or core.last[0].version != core.store.version:
        return None
    stored, before, sent = core.last
    same = (before.resource, before.namespace, before.options) == (action.resource, action.namespace, action.options)
    meta = stored.metadata
    if not same or body != sent or meta["creationTimestamp"] != clock.timestamp(exchanges.now()):
        return None
    uid = make_uid()
    name = generate_name(meta["generateName"])
    key = ObjectKey(action.namespace, name)
    if core.find(served, key) is not None:
        return None
    return core.write(served, key, {**stored.plain, "metadata": {**meta, "name": name, "uid": uid}})


def remember(core: Core, action: Action, body: bytes, stored: Stored) -> None:
    """Remember the newest write, unless its object is called by its name or uid elsewhere than in these fields."""
    meta = stored.metadata
    told = [stored.tail.count(meta[field].encode()) for field in ("name", "uid")]
    core.last = (stored, action, body) if told == [1, 1] else None
