"""
Children that a reconcile made without saying whose they are.

A controller that watches children by `to_owner` is told of a change to one by the owner reference that the child bears.
A child without it is made, and never looked at again: nothing fails, and nobody learns of it. So it is told, once for
each kind of child.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.controller.sources.handlers import Watch
from ctrlkit.model import AnyResource, Effect, ObjectKey, Verb, Write
from ctrlkit.telemetry import logger


class Orphans:
    """
    Looks at what reconciles of one controller made.

    Owner   The controller, which says what it watches; its workers tell what was written.
    """

    def __init__(self, *, controller: str) -> None:
        self._watches: Counter[tuple[Informer[Any], AnyResource]] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._log = logger("controller", controller=controller)

    def include(self, watch: Watch[Any]) -> None:
        """The controller has a watch, perhaps once more."""
        if watch.owner is not None:
            self._watches[watch.informer, watch.owner] += 1

    def exclude(self, watch: Watch[Any]) -> None:
        """It has it once less."""
        if watch.owner is not None:
            self._watches[watch.informer, watch.owner] -= 1
            self._watches += Counter()  # drops what counts 0

    def look(self, key: ObjectKey, write: Write) -> None:
        """A reconcile of this key has just written this; caches do not show it yet."""
        kind = write.resource.identity
        watches = [each for each in self._watches if each[0].resource.identity == kind and kind not in self._told]
        if watches and _is_new(write, watches[0][0]) and not any(_is_owned(write, owner) for _, owner in watches):
            self._told.add(kind)
            owners = " or ".join(sorted({owner.kind for _, owner in watches}))
            self._log.warning("child_without_owner", key=str(key), child=f"{write.resource} {write.key}", owner=owners)


def _is_new(write: Write, informer: Informer[Any]) -> bool:
    """Whether a write made its object: a create, or an apply of what the cache does not have."""
    if write.effect is not Effect.WRITTEN or write.subresource:
        return False
    return write.verb == Verb.CREATE or (write.verb == Verb.PATCH and informer.lister.find_record(write.key) is None)


def _is_owned(write: Write, owner: AnyResource) -> bool:
    """Whether an object of a kind controls what was written, so that `to_owner` finds it."""
    return any(
        each.controller and each.kind == owner.kind and each.group == owner.group for each in write.owner_references
    )
