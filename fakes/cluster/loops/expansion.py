"""Says of a claim that is to grow who will do it: no volume grows by the cluster itself, its driver lets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctrlkit.cache import Change, Lister
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.loops.storage_objects import requested
from ctrlkit.fakes.cluster.loops.storage_plan import Phase
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.manager import Manager
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS

_TEXT = "waiting for an external controller to expand this PVC"


@dataclass(frozen=True, slots=True)
class Expansion:
    """Reconciles claims whose request has grown."""

    claims: Lister[Unstructured]
    recorder: EventRecorder

    async def reconcile(self, request: Request) -> Outcome:
        """Tell of a bound claim that asks for more than it has."""
        claim = self.claims.find(request.key)
        if claim is not None and claim.at("status.phase") == Phase.BOUND:
            has = (claim.at("status.capacity") or {}).get("storage", "0")
            if quantity_value(requested(claim)) > quantity_value(has):
                about = claim.metadata
                self.recorder.event(about, PERSISTENT_VOLUME_CLAIMS, EventType.NORMAL, "ExternalExpanding", _TEXT)
        return DONE


def add_expansion(manager: Manager) -> None:
    """Add the controller of growing claims to a manager."""
    claims = manager.informer(PERSISTENT_VOLUME_CLAIMS)
    loop = Expansion(claims.lister, manager.recorder("volume_expand"))
    watches = [Watch(claims, to_self, predicate=_asks_for_more)]
    manager.add(Controller(name="volume-expansion", reconcile=loop.reconcile, watches=watches))


def _asks_for_more(change: Change[Any]) -> bool:
    if change.old is None or change.new is None:
        return False
    before, now = (quantity_value(requested(record.shared)) for record in (change.old, change.new))
    return now > before
