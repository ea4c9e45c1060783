"""An informer that runs for the length of a block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.cache import Informer


@asynccontextmanager
async def running(informer: Informer[Any]) -> AsyncIterator[None]:
    """Run it, past its first list; its end is its cancellation and nothing else."""
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
