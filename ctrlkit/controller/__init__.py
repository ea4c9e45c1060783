"""Reconcilers and what surrounds them: watches, workers, outcomes, owner references, Events for people."""

from __future__ import annotations

from ctrlkit.controller.controller import Controller, ControllerStatistics
from ctrlkit.controller.handlers import Mapper, Watch, to_mapped, to_owner, to_self
from ctrlkit.controller.outcome import DONE, Done, Outcome, RequeueAfter
from ctrlkit.controller.owners import AlreadyOwned, controller_reference, set_controller_reference
from ctrlkit.controller.recorder import EventRecorder, EventType
from ctrlkit.controller.request import Reconcile, Request
from ctrlkit.controller.verdict import Result

__all__ = [
    "DONE",
    "AlreadyOwned",
    "Controller",
    "ControllerStatistics",
    "Done",
    "EventRecorder",
    "EventType",
    "Mapper",
    "Outcome",
    "Reconcile",
    "Request",
    "RequeueAfter",
    "Result",
    "Watch",
    "controller_reference",
    "set_controller_reference",
    "to_mapped",
    "to_owner",
    "to_self",
]
