"""
What a type checker must know of packages whose names are loaded on first use. Checked by mypy, never run.

A name that is not there is an error at its import, although the packages make their names when they are asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrlkit import reconcilr  # type: ignore[attr-defined]
    from ctrlkit.fakes import Worlds  # type: ignore[attr-defined]
    from ctrlkit.fakes.pytest import pytest_asyncio_loop_factory  # type: ignore[attr-defined]
    from ctrlkit.kinds import POD, app  # type: ignore[attr-defined]
    from ctrlkit.manager.endpoints import server_of  # type: ignore[attr-defined]

__all__ = ["POD", "Worlds", "app", "pytest_asyncio_loop_factory", "reconcilr", "server_of"]
