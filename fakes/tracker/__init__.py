"""The object tracker: a truthful, in-process API server without HTTP."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.registry import Registry, ScalePaths, Served
from ctrlkit.fakes.tracker.store import version_at
from ctrlkit.fakes.tracker.tracker import Tracker

__all__ = ["Registry", "ScalePaths", "Served", "Tracker", "version_at"]
