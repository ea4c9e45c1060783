"""Lifetimes: caches first, then workers; back in reverse; settings, signals, and what runs it all in one line."""

from __future__ import annotations

from ctrlkit.manager.endpoints import CheckKind, Endpoints
from ctrlkit.manager.errors import GraceExceeded, StillRunning
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
from ctrlkit.manager.short_form import Context, ShortForm, controller
from ctrlkit.manager.signals import stop_on_signals, unless_stopped

__all__ = [
    "Build",
    "CheckKind",
    "Context",
    "Endpoints",
    "GraceExceeded",
    "Manager",
    "Settings",
    "SettingsError",
    "ShortForm",
    "StillRunning",
    "connect",
    "controller",
    "controllers_of",
    "manager_from",
    "run",
    "run_program",
    "run_until_signalled",
    "stop_on_signals",
    "tell_unknown_variables",
    "unless_stopped",
]
