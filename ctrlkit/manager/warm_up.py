"""Controllers that are ready to work before they may (row K17)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from ctrlkit.controller import Controller
from ctrlkit.errors import NotSynced


async def warm_up(controllers: Collection[Controller], *, within_s: float) -> None:
    """
    Return when the sources of each have handed over all that was there at the beginning; those that ended are passed
    over.

    Errors  NotSynced after `within_s` seconds, naming those that are cold.
    """
    try:
        async with asyncio.timeout(within_s):
            for controller in controllers:
                with suppress(NotSynced):  # it has ended; if it failed, the manager ends with its error
                    await controller.wait_synced()
    except TimeoutError:
        cold = ", ".join(controller.name for controller in controllers if not controller.has_synced())
        raise NotSynced(
            f"warm up the controllers: the sources of {cold} brought no first state within "
            f"{within_s:g} s; see what they wait for, or allow more time with sync_timeout_s"
        ) from None
