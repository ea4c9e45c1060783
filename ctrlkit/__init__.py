"""
Kubernetes controllers in Python: informers, rate-limited work queues, and one `reconcile`.

The names a controller's author needs are here; each package has the rest. They are loaded when first asked for, so that
a program pays only for the parts it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrlkit.cache import Informer, Lister
    from ctrlkit.client import Client
    from ctrlkit.controller import (
        DONE,
        Applier,
        Controller,
        Finalizers,
        Outcome,
        Request,
        RequeueAfter,
        Watch,
        controller_reference,
        create_or_patch,
        create_or_update,
        set_controller_reference,
        to_mapped,
        to_owner,
        to_self,
    )
    from ctrlkit.errors import ApiError, CtrlkitError, RetryLater, TerminalError
    from ctrlkit.events import EventRecorder, EventType
    from ctrlkit.manager import Context, Manager, Settings, run
    from ctrlkit.model import (
        ApplyPatch,
        Condition,
        JsonPatch,
        MergePatch,
        ObjectKey,
        ObjectMeta,
        Record,
        Resource,
        Scope,
        StrategicMergePatch,
        Unstructured,
        custom_resource,
        set_conditions,
    )

_HOMES = {
    "ctrlkit.cache": ("Informer", "Lister"),
    "ctrlkit.client": ("Client",),
    "ctrlkit.controller": (
        "DONE",
        "Applier",
        "Controller",
        "Finalizers",
        "Outcome",
        "Request",
        "RequeueAfter",
        "Watch",
        "controller_reference",
        "create_or_patch",
        "create_or_update",
        "set_controller_reference",
        "to_mapped",
        "to_owner",
        "to_self",
    ),
    "ctrlkit.errors": ("ApiError", "CtrlkitError", "RetryLater", "TerminalError"),
    "ctrlkit.events": ("EventRecorder", "EventType"),
    "ctrlkit.manager": ("Context", "Manager", "Settings", "run"),
    "ctrlkit.model": (
        "ApplyPatch",
        "Condition",
        "JsonPatch",
        "MergePatch",
        "ObjectKey",
        "ObjectMeta",
        "Record",
        "Resource",
        "Scope",
        "StrategicMergePatch",
        "Unstructured",
        "custom_resource",
        "set_conditions",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DONE",
    "ApiError",
    "Applier",
    "ApplyPatch",
    "Client",
    "Condition",
    "Context",
    "Controller",
    "CtrlkitError",
    "EventRecorder",
    "EventType",
    "Finalizers",
    "Informer",
    "JsonPatch",
    "Lister",
    "Manager",
    "MergePatch",
    "ObjectKey",
    "ObjectMeta",
    "Outcome",
    "Record",
    "Request",
    "RequeueAfter",
    "Resource",
    "RetryLater",
    "Scope",
    "Settings",
    "StrategicMergePatch",
    "TerminalError",
    "Unstructured",
    "Watch",
    "controller_reference",
    "create_or_patch",
    "create_or_update",
    "custom_resource",
    "run",
    "set_conditions",
    "set_controller_reference",
    "to_mapped",
    "to_owner",
    "to_self",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
