"""Controllers: the sources that enqueue keys, the workers that reconcile them, and helpers for reconcilers."""

from __future__ import annotations

from ctrlkit.controller.controller import Controller, Replicas
from ctrlkit.controller.helpers.apply import Applier
from ctrlkit.controller.helpers.children import Children
from ctrlkit.controller.helpers.converge import FROM_SERVER, Converged, Convergence, create_or_patch, create_or_update
from ctrlkit.controller.helpers.finalizers import Cleanup, Finalizers, add_finalizer, remove_finalizer
from ctrlkit.controller.helpers.owners import (
    AlreadyOwned,
    controller_reference,
    has_owner_reference,
    remove_owner_reference,
    set_controller_reference,
)
from ctrlkit.controller.helpers.rollout import Rollout, rollout_of
from ctrlkit.controller.helpers.status import set_status
from ctrlkit.controller.reconcile import (
    DONE,
    Done,
    Outcome,
    Reconcile,
    ReconcilerExit,
    ReconcileTimeout,
    Request,
    RequeueAfter,
    Result,
)
from ctrlkit.controller.retries import Retry
from ctrlkit.controller.runs import ControllerStatistics
from ctrlkit.controller.sources.feed import Feed, FeedFull
from ctrlkit.controller.sources.schedule import Cron, Every, Schedule
from ctrlkit.controller.sources.source import Sink, Source
from ctrlkit.controller.sources.watch import (
    Mapper,
    Predicate,
    Watch,
    annotations_changed,
    generation_changed,
    label_selector,
    labels_changed,
    resource_version_changed,
    to_mapped,
    to_owner,
    to_self,
)
from ctrlkit.controller.writes import WritesNotSeen, seeing_writes

__all__ = [
    "DONE",
    "FROM_SERVER",
    "AlreadyOwned",
    "Applier",
    "Children",
    "Cleanup",
    "Controller",
    "ControllerStatistics",
    "Converged",
    "Convergence",
    "Cron",
    "Done",
    "Every",
    "Feed",
    "FeedFull",
    "Finalizers",
    "Mapper",
    "Outcome",
    "Predicate",
    "Reconcile",
    "ReconcileTimeout",
    "ReconcilerExit",
    "Replicas",
    "Request",
    "RequeueAfter",
    "Result",
    "Retry",
    "Rollout",
    "Schedule",
    "Sink",
    "Source",
    "Watch",
    "WritesNotSeen",
    "add_finalizer",
    "annotations_changed",
    "controller_reference",
    "create_or_patch",
    "create_or_update",
    "generation_changed",
    "has_owner_reference",
    "label_selector",
    "labels_changed",
    "remove_finalizer",
    "remove_owner_reference",
    "resource_version_changed",
    "rollout_of",
    "seeing_writes",
    "set_controller_reference",
    "set_status",
    "to_mapped",
    "to_owner",
    "to_self",
]
