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
        Controller,
        EventRecorder,
        EventType,
        Outcome,
        Request,
        RequeueAfter,
        Watch,
        controller_reference,
        to_mapped,
        to_owner,
        to_self,
    )
    from ctrlkit.errors import ApiError, CtrlkitError, TerminalError
    from ctrlkit.manager import Manager, run
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
        "Controller",
        "EventRecorder",
        "EventType",
        "Outcome",
        "Request",
        "RequeueAfter",
        "Watch",
        "controller_reference",
        "to_mapped",
        "to_owner",
        "to_self",
    ),
    "ctrlkit.errors": ("ApiError", "CtrlkitError", "TerminalError"),
    "ctrlkit.manager": ("Manager", "run"),
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
    "ApplyPatch",
    "Client",
    "Condition",
    "Controller",
    "CtrlkitError",
    "EventRecorder",
    "EventType",
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
    "Scope",
    "StrategicMergePatch",
    "TerminalError",
    "Unstructured",
    "Watch",
    "controller_reference",
    "custom_resource",
    "run",
    "set_conditions",
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
