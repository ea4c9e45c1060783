"""Leases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause


def _validate(plain: Object, _old: object) -> Iterator[Cause]:
    spec = plain["spec"]
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield Cause.wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield Cause.wrong("spec.leaseTransitions", transitions, "must be greater than or equal to 0")


def _cells(lease: Object, now: datetime) -> list[Any]:
    return [name_of(lease), section(lease, "spec").get("holderIdentity") or "", age_of(lease, now)]


def _drop_strategy(lease: Plain) -> None:
    """Coordinated election is a feature that is off."""
    for name in ("strategy", "preferredHolder"):
        lease["spec"].pop(name, None)


LEASES = Strategy(blind_updates=False, creates_on_update=True, drop=_drop_strategy, validate=_validate, cells=_cells)
