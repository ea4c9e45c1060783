"""The ControllerRevisions of an owner, as history.py decides about them: found, adopted, made, numbered, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ctrlkit.client import Client
from ctrlkit.errors import AlreadyExists, Conflict, NotFound
from ctrlkit.fakes.cluster.loops.claims import Claims
from ctrlkit.fakes.cluster.loops.history import Revision, is_same, read_revision
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS


@dataclass(frozen=True, slots=True)
class Revisions:
    """The ControllerRevisions of owners of one kind; call `index_children` on their informer first."""

    client: Client
    claims: Claims

    async def of(self, owner: Unstructured, selector: LabelSelector, *, releases: bool) -> list[Revision]:
        """
        Return an owner's revisions that its selector matches, in no order; those without a controller are adopted.

        One that is not matched any more is let go if the owner `releases` such, and left out in any case.
        """
        found = await self.claims.claim(
            owner, selector, only=lambda one: releases or selector.matches(one.metadata.labels)
        )
        return [read_revision(one) for one in found]

    async def create(
        self, body: dict[str, Any], name_of: Callable[[int], str], collisions: int
    ) -> tuple[Revision, int]:
        """
        Make a revision under the first name that is free; return it, and how many collisions there were by then.

        `name_of` names it after a number of collisions. One of that name with the same data is the one that was wanted.
        """
        metadata = body["metadata"]
        while True:
            metadata["name"] = name_of(collisions)
            try:
                return read_revision(await self.client.create(CONTROLLER_REVISIONS, body)), collisions
            except AlreadyExists:
                there = await self.client.get(CONTROLLER_REVISIONS, ObjectKey(metadata["namespace"], metadata["name"]))
            if is_same(there.get("data") or {}, body["data"]):
                return read_revision(there), collisions
            collisions += 1

    async def renumber(self, namespace: str, revision: Revision, number: int) -> None:
        """Give a revision another number."""
        one = self.claims.lister.find(ObjectKey(namespace, revision.name))
        if one is not None:
            await self.client.update(CONTROLLER_REVISIONS, {**one, "revision": number})

    async def delete(self, namespace: str, revisions: Iterable[Revision]) -> None:
        """Delete revisions."""
        for revision in revisions:
            with suppress(NotFound, Conflict):  # gone, or another by now
                await self.client.delete(CONTROLLER_REVISIONS, ObjectKey(namespace, revision.name), uid=revision.uid)
