"""The Manager, which runs caches, controllers and election in order; settings, signals, `run` and `reconciler`."""

from __future__ import annotations

from ctrlkit.manager.decorator import Context, ReconcilerFunction, reconciler
from ctrlkit.manager.endpoints import CheckKind, Endpoints
from ctrlkit.manager.manager import Manager
from ctrlkit.manager.program import (
    Build,
    connect,
    controllers_of,
    manager_from,
    run,
    run_program,
    run_until_signalled,
)
from ctrlkit.manager.settings import Settings, SettingsError, tell_unknown_variables
from ctrlkit.manager.signals import stop_on_signals, unless_stopped
from ctrlkit.manager.tasks import GraceExceeded, StillRunning

__all__ = [
    "Build",
    "CheckKind",
    "Context",
    "Endpoints",
    "GraceExceeded",
    "Manager",
    "ReconcilerFunction",
    "Settings",
    "SettingsError",
    "StillRunning",
    "connect",
    "controllers_of",
    "manager_from",
    "reconciler",
    "run",
    "run_program",
    "run_until_signalled",
    "stop_on_signals",
    "tell_unknown_variables",
    "unless_stopped",
]
