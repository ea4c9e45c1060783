"""Honest fakes: virtual time, an API server, the loops of a cluster, simulated bitcoin nodes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.calls import Calls
    from fakes.clientset import FakeClientset, Write
    from fakes.tracker import Tracker
    from fakes.world import World

__all__ = ["Calls", "FakeClientset", "Tracker", "World", "Write"]

_HOMES = {
    "Calls": "fakes.calls",
    "FakeClientset": "fakes.clientset",
    "Tracker": "fakes.tracker",
    "World": "fakes.world",
    "Write": "fakes.clientset",
}


def __getattr__(name: str) -> Any:
    """Load the main names when they are first asked for, so that one fake costs no other."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
