"""The phase that volumes and claims have if nobody says another one."""

from __future__ import annotations

from ctrlkit.fakes.tracker.kinds.strategy import Plain


def pending(plain: Plain) -> None:
    """Let a changed volume or claim without a phase be pending, in place."""
    status = plain.get("status") or {}
    if not status.get("phase"):
        plain["status"] = {"phase": "Pending", **{name: value for name, value in status.items() if name != "phase"}}
