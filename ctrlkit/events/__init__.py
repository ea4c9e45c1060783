"""Record Kubernetes Events: without waiting, similar ones combined, written by one task."""

from __future__ import annotations

from ctrlkit.events.forms import EventsApi
from ctrlkit.events.occurrence import EventType
from ctrlkit.events.recorder import DropReason, EventRecorder, RecorderStatistics

__all__ = ["DropReason", "EventRecorder", "EventType", "EventsApi", "RecorderStatistics"]
