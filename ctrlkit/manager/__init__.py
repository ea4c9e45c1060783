"""The Manager, which runs caches, controllers and election in order; settings, signals, `run` and `reconciler`."""

from __future__ import annotations

from ctrlkit.manager.context import Context
from ctrlkit.manager.decorator import ReconcilerFunction, reconciler
from ctrlkit.manager.dependencies import Dependency, DependencyFailed, Provided, dependency
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
    "Dependency",
    "DependencyFailed",
    "Endpoints",
    "GraceExceeded",
    "Manager",
    "Provided",
    "ReconcilerFunction",
    "Settings",
    "SettingsError",
    "StillRunning",
    "connect",
    "controllers_of",
    "dependency",
    "manager_from",
    "reconciler",
    "run",
    "run_program",
    "run_until_signalled",
    "stop_on_signals",
    "tell_unknown_variables",
    "unless_stopped",
]
