"""Lifetimes: caches first, then workers; back in reverse; and signals that ask for it."""

from __future__ import annotations

from ctrlkit.manager.manager import GraceExceeded, Manager
from ctrlkit.manager.program import Build, connect, controllers_of, run, run_until_signalled
from ctrlkit.manager.signals import stop_on_signals

__all__ = [
    "Build",
    "GraceExceeded",
    "Manager",
    "connect",
    "controllers_of",
    "run",
    "run_until_signalled",
    "stop_on_signals",
]
