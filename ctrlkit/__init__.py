"""
Kubernetes controllers in Python: informers, rate-limited work queues, and one `reconcile`.

The names that a controller's author needs are here; each package has the rest. They are loaded when first asked for, so
that a program pays only for the parts it uses. `kinds` has the built-in kinds: `kinds.PODS`, `kinds.CONFIG_MAPS`, ...

`ctrlkit.controller` is the package of the class Controller; the decorator that makes a controller of one function is
`reconciler`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrlkit import kinds
    from ctrlkit.cache import Delivery, Informer, InformerOptions, Lister, ReflectorOptions
    from ctrlkit.client import Client
    from ctrlkit.controller import (
        DONE,
        Applier,
        Controller,
        Cron,
        Every,
        Finalizers,
        Outcome,
        Request,
        RequeueAfter,
        Watch,
        controller_reference,
        create_or_patch,
        create_or_update,
        generation_changed,
        rollout_of,
        set_controller_reference,
        set_status,
        to_mapped,
        to_owner,
        to_self,
    )
    from ctrlkit.errors import ApiError, CtrlkitError, RetryLater, TerminalError
    from ctrlkit.events import EventRecorder, EventType
    from ctrlkit.manager import Context, Manager, Settings, connect, dependency, reconciler, run
    from ctrlkit.model import (
        NO_DEFAULT,
        ApplyPatch,
        Column,
        Condition,
        Definition,
        JsonPatch,
        MergePatch,
        ObjectKey,
        ObjectMeta,
        Record,
        Resource,
        Rule,
        ScaleFields,
        Schema,
        Scope,
        StrategicMergePatch,
        Unstructured,
        custom_resource,
        digest,
        set_conditions,
    )
    from ctrlkit.webhooks import Denied, Review, conversion, mutating, validating

_HOMES = {
    "ctrlkit.cache": "Delivery Informer InformerOptions Lister ReflectorOptions",
    "ctrlkit.client": "Client",
    "ctrlkit.controller": (
        "DONE Applier Controller Cron Every Finalizers Outcome Request RequeueAfter Watch "
        "controller_reference create_or_patch create_or_update generation_changed rollout_of set_controller_reference "
        "set_status to_mapped to_owner to_self"
    ),
    "ctrlkit.errors": "ApiError CtrlkitError RetryLater TerminalError",
    "ctrlkit.events": "EventRecorder EventType",
    "ctrlkit.manager": "Context Manager Settings connect dependency reconciler run",
    "ctrlkit.model": (
        "NO_DEFAULT ApplyPatch Column Condition Definition JsonPatch MergePatch ObjectKey ObjectMeta Record "
        "Resource Rule ScaleFields Schema Scope StrategicMergePatch Unstructured custom_resource digest kinds "
        "set_conditions"
    ),
    "ctrlkit.webhooks": "Denied Review conversion mutating validating",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "DONE",
    "NO_DEFAULT",
    "ApiError",
    "Applier",
    "ApplyPatch",
    "Client",
    "Column",
    "Condition",
    "Context",
    "Controller",
    "Cron",
    "CtrlkitError",
    "Definition",
    "Delivery",
    "Denied",
    "EventRecorder",
    "EventType",
    "Every",
    "Finalizers",
    "Informer",
    "InformerOptions",
    "JsonPatch",
    "Lister",
    "Manager",
    "MergePatch",
    "ObjectKey",
    "ObjectMeta",
    "Outcome",
    "Record",
    "ReflectorOptions",
    "Request",
    "RequeueAfter",
    "Resource",
    "RetryLater",
    "Review",
    "Rule",
    "ScaleFields",
    "Schema",
    "Scope",
    "Settings",
    "StrategicMergePatch",
    "TerminalError",
    "Unstructured",
    "Watch",
    "connect",
    "controller_reference",
    "conversion",
    "create_or_patch",
    "create_or_update",
    "custom_resource",
    "dependency",
    "digest",
    "generation_changed",
    "kinds",
    "mutating",
    "reconciler",
    "rollout_of",
    "run",
    "set_conditions",
    "set_controller_reference",
    "set_status",
    "to_mapped",
    "to_owner",
    "to_self",
    "validating",
]


if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "kinds":
            return importlib.import_module("ctrlkit.kinds")
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
