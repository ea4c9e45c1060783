"""The object tracker: a truthful, in-process API server without HTTP."""

from __future__ import annotations

from fakes.tracker.registry import Registry, ScalePaths, Served
from fakes.tracker.store import version_at
from fakes.tracker.tracker import Tracker

__all__ = ["Registry", "ScalePaths", "Served", "Tracker", "version_at"]
