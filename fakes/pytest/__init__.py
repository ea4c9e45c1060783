"""
The pytest plugin, and two hooks that give a whole folder virtual time.

A conftest.py switches virtual time on for its folder:

    from ctrlkit.fakes.pytest import pytest_asyncio_loop_factories, pytest_pyfunc_call
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrlkit.fakes.pytest.virtual_time import pytest_asyncio_loop_factories, pytest_pyfunc_call

__all__ = ["pytest_asyncio_loop_factories", "pytest_pyfunc_call"]


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        """Import the hooks on first use: pytest loads this package with the plugin, in projects that never use them."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ctrlkit.fakes.pytest import virtual_time  # noqa: PLC0415

        return getattr(virtual_time, name)
