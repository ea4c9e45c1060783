"""Fakes for tests: virtual time, an API server, the controllers of a cluster, simulated bitcoin nodes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrlkit.fakes.apiserver.access import Security
    from ctrlkit.fakes.apiserver.server import ApiServer
    from ctrlkit.fakes.clientset.calls import Calls
    from ctrlkit.fakes.clientset.clientset import FakeClientset, Write
    from ctrlkit.fakes.clientset.faults import Faults
    from ctrlkit.fakes.clientset.seeding import seed
    from ctrlkit.fakes.controlplane import ControlPlane, NoControlPlane
    from ctrlkit.fakes.loop import Skew, VirtualTimeLoop
    from ctrlkit.fakes.tracker.tracker import Tracker
    from ctrlkit.fakes.world.live import LiveWorld
    from ctrlkit.fakes.world.sync import SyncWorld
    from ctrlkit.fakes.world.trace import Began, Called, Changed, Ended
    from ctrlkit.fakes.world.unforeseen import UnforeseenFailure
    from ctrlkit.fakes.world.webhooks import allow, deny
    from ctrlkit.fakes.world.world import NeverHeld, NeverSettled, World

_HOMES = {
    "ctrlkit.fakes.apiserver.access": ("Security",),
    "ctrlkit.fakes.apiserver.server": ("ApiServer",),
    "ctrlkit.fakes.clientset.calls": ("Calls",),
    "ctrlkit.fakes.clientset.clientset": ("FakeClientset", "Write"),
    "ctrlkit.fakes.clientset.seeding": ("seed",),
    "ctrlkit.fakes.clientset.faults": ("Faults",),
    "ctrlkit.fakes.controlplane": ("ControlPlane", "NoControlPlane"),
    "ctrlkit.fakes.loop": ("Skew", "VirtualTimeLoop"),
    "ctrlkit.fakes.tracker.tracker": ("Tracker",),
    "ctrlkit.fakes.world.live": ("LiveWorld",),
    "ctrlkit.fakes.world.sync": ("SyncWorld",),
    "ctrlkit.fakes.world.trace": ("Began", "Called", "Changed", "Ended"),
    "ctrlkit.fakes.world.unforeseen": ("UnforeseenFailure",),
    "ctrlkit.fakes.world.webhooks": ("allow", "deny"),
    "ctrlkit.fakes.world.world": ("NeverHeld", "NeverSettled", "World"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ApiServer",
    "Began",
    "Called",
    "Calls",
    "Changed",
    "ControlPlane",
    "Ended",
    "FakeClientset",
    "Faults",
    "LiveWorld",
    "NeverHeld",
    "NeverSettled",
    "NoControlPlane",
    "Security",
    "Skew",
    "SyncWorld",
    "Tracker",
    "UnforeseenFailure",
    "VirtualTimeLoop",
    "World",
    "Write",
    "allow",
    "deny",
    "seed",
]


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        """Load the main names when they are first asked for, so that one fake costs no other."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ctrlkit.extras import require  # noqa: PLC0415 - pytest imports this package at its start

        require("fakes", __name__)
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
