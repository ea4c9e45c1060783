"""The object tracker: a truthful, in-process API server without HTTP."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.registry import Registry
from ctrlkit.fakes.tracker.kinds.strategy import ScalePaths, Strategy
from ctrlkit.fakes.tracker.store import version_at
from ctrlkit.fakes.tracker.tracker import Tracker

__all__ = ["Registry", "ScalePaths", "Strategy", "Tracker", "version_at"]
