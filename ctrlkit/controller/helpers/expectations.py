"""
Seeing what one wrote, within one reconcile (rows Q24, Q25).

Between two reconciles of a key a controller's gate does this by itself: the next one begins when the informers that the
controller watches show what the last one wrote (gate.py). What is left for an author is the rest of the same reconcile,
writes outside of any, and informers that the controller does not watch. There is nothing to count, so a create that
failed, an event that was merged and an object that somebody else made cannot put a count out of step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ctrlkit.cache import Informer
from ctrlkit.client import noting_writes
from ctrlkit.controller.gate import SEEN_WITHIN_S
from ctrlkit.errors import CtrlkitError
from ctrlkit.model import Write


class WritesNotSeen(CtrlkitError):
    """Caches did not show in time what was written; `writes` are those that are still to be seen."""

    def __init__(self, message: str, writes: Sequence[Write]) -> None:
        super().__init__(message)
        self.writes = tuple(writes)


@asynccontextmanager
async def seeing_writes(*informers: Informer[Any], within_s: float = SEEN_WITHIN_S) -> AsyncIterator[list[Write]]:
    """
    At the end of the block, wait until these informers show what was written in it, by this task or any it starts.

        async with seeing_writes(pods) as writes:
            for pod in missing:
                await client.create(PODS, pod)
        assert len(pods.lister.list(selector=selector)) >= len(writes)

    Shape   Writes of other kinds, and of objects that an informer does not select, are not waited for. `writes` are
            those carried out so far. A block that raises is not waited for.
    Units   `within_s`: seconds from the end of the block.
    Errors  WritesNotSeen after that time; NotSynced where an informer has ended.
    """
    with noting_writes() as writes:
        yield writes
    try:
        async with asyncio.timeout(within_s):
            for write in tuple(writes):
                for informer in informers:
                    await informer.shown(write)
    except TimeoutError:
        unseen = [write for write in writes if not all(informer.shows(write) for informer in informers)]
        names = ", ".join(map(str, unseen))
        raise WritesNotSeen(
            f"wait for {len(unseen)} writes: the caches did not show them within {within_s:g} s; "
            f"look at the informers' state [{names}]",
            unseen,
        ) from None
