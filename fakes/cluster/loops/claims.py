"""
Which objects a controller's owner claims: those that it controls, and those without a controller that it selects.

One that its selector does not match any more is released, one without a controller is adopted. `claim` decides,
`Claims` reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ctrlkit.cache import Informer, Lister
from ctrlkit.client import Client
from ctrlkit.errors import Conflict, Invalid, NotFound
from ctrlkit.model import (
    AnyResource,
    LabelSelector,
    ObjectKey,
    ObjectMeta,
    Record,
    StrategicMergePatch,
    Unstructured,
    to_plain,
)

BATCH_S: Final = 1e-6
"""In this time a controller collects changes of what it claims: on virtual time, all that one moment leads to."""

BY_CONTROLLER = "controller"
_ORPHANS = "orphans"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an owner keeps, adopts and releases."""

    keep: list[Unstructured] = field(default_factory=list)
    adopt: list[Unstructured] = field(default_factory=list)
    release: list[Unstructured] = field(default_factory=list)


def _any(_child: Unstructured) -> bool:
    return True


def claim(
    owner: ObjectMeta,
    selector: LabelSelector,
    candidates: Iterable[Unstructured],
    *,
    fits: Callable[[Unstructured], bool] = _any,
) -> Claim:
    """
    Decide about objects that an owner controls, or that nobody does; what does not fit is not selected.

    >>> pod = Unstructured({"metadata": {"name": "a", "labels": {"app": "web"}}})
    >>> claimed = claim(ObjectMeta(name="web", uid="1"), LabelSelector.parse("app=web"), [pod])
    >>> [one.key.name for one in claimed.adopt], claimed.keep
    (['a'], [])
    """
    claimed = Claim()
    for one in candidates:
        metadata = one.metadata
        matches = selector.matches(metadata.labels) and fits(one)
        if metadata.controller is not None:
            if metadata.controller.uid != owner.uid:
                continue
            if matches:
                claimed.keep.append(one)
            elif not owner.deleting:
                claimed.release.append(one)
        elif matches and not owner.deleting and not metadata.deleting:
            claimed.adopt.append(one)
    return claimed


def index_children(informer: Informer[Unstructured]) -> None:
    """Let objects be found by the uid of their controller, and those without one by their namespace. Once is enough."""
    if BY_CONTROLLER not in informer.indexes:
        informer.add_index(BY_CONTROLLER, lambda record: [record.meta.controller.uid] if record.meta.controller else [])
        informer.add_index(_ORPHANS, lambda record: [] if record.meta.controller else [record.meta.namespace])


@dataclass(frozen=True, slots=True)
class Claims:
    """
    The objects of one kind that owners of another kind control; call `index_children` on their informer first.

    What is adopted gets the `finalizer`, and what is released loses it.
    """

    client: Client
    owners: AnyResource
    children: AnyResource
    lister: Lister[Unstructured]
    finalizer: str = ""

    def controlled_by(self, uid: str) -> Sequence[Unstructured]:
        """Return what an owner controls, whatever its selector says; not to be changed."""
        return self._under(BY_CONTROLLER, uid)

    async def claim(
        self,
        owner: Unstructured,
        selector: LabelSelector,
        *,
        only: Callable[[Unstructured], bool] = _any,
        fits: Callable[[Unstructured], bool] = _any,
    ) -> list[Unstructured]:
        """
        Adopt and release what has to be, and return what is the owner's then; not to be changed.

        `only` selects what is looked at; what does not fit is taken for one that the selector does not match.

        An owner that has gone or changed its uid adopts nothing: the server is asked before the first adoption.
        """
        metadata = owner.metadata
        candidates = [*self.controlled_by(metadata.uid), *self._under(_ORPHANS, metadata.namespace)]
        claimed = claim(metadata, selector, filter(only, candidates), fits=fits)
        for child in claimed.release:
            await self._release(child, metadata.uid)
        if not claimed.adopt or not await self._may_adopt(metadata):
            return claimed.keep
        reference = to_plain(self.owners.owner_reference(metadata))
        adopted = [await self._adopt(child, reference) for child in claimed.adopt]
        return [*claimed.keep, *filter(None, adopted)]

    def _under(self, index: str, value: str) -> list[Unstructured]:
        return [record.shared for record in self.lister.records_by_index(index, value)]

    async def _may_adopt(self, owner: ObjectMeta) -> bool:
        try:
            live = await self.client.get(self.owners, ObjectKey(owner.namespace, owner.name))
        except NotFound:
            return False
        metadata: ObjectMeta = live.metadata
        return metadata.uid == owner.uid and not metadata.deleting

    async def _adopt(self, child: Unstructured, reference: dict[str, Any]) -> Unstructured | None:
        """Return what it is then; None for one that has gone, or been replaced."""
        metadata: dict[str, Any] = {"uid": child.metadata.uid, "ownerReferences": [reference]}
        if self.finalizer:
            metadata["finalizers"] = [self.finalizer]
        try:
            return await self.client.patch(self.children, child.key, StrategicMergePatch({"metadata": metadata}))
        except (NotFound, Conflict):
            return None

    async def _release(self, child: Unstructured, uid: str) -> None:
        released = {"$patch": "delete", "uid": uid}
        metadata: dict[str, Any] = {"uid": child.metadata.uid, "ownerReferences": [released]}
        if self.finalizer:
            metadata |= {"$deleteFromPrimitiveList/finalizers": [self.finalizer]}
        with suppress(NotFound, Conflict, Invalid):  # gone, or another by now, or another's
            await self.client.patch(self.children, child.key, StrategicMergePatch({"metadata": metadata}))


def to_selecting(
    owners: Lister[Unstructured], selector_of: Callable[[Unstructured], LabelSelector | None]
) -> Callable[[Record[Any]], Iterable[ObjectKey]]:
    """Make a mapper from an object to the objects of its namespace that select it; a selector of None selects none."""

    def selecting(record: Record[Any]) -> Iterable[ObjectKey]:
        found = [(one.key, selector_of(one.shared)) for one in owners.records(namespace=record.key.namespace)]
        return [key for key, selector in found if selector is not None and selector.matches(record.meta.labels)]

    return selecting


def to_adopting(
    owners: Lister[Unstructured], selector_of: Callable[[Unstructured], LabelSelector | None]
) -> Callable[[Record[Any]], Iterable[ObjectKey]]:
    """Make a mapper from an object with labels and without a controller to the owners that would adopt it."""
    selecting = to_selecting(owners, selector_of)
    return lambda record: selecting(record) if record.meta.labels and record.meta.controller is None else ()
