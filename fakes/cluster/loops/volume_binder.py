"""
The scheduler's part in binding claims: it says on which node a volume is to be, and waits until the claim is bound.

The rest is done by the controller of volumes and by provisioners. Nothing is watched before the first pod has a claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ctrlkit import clock
from ctrlkit.cache import Change, Informer
from ctrlkit.client import Client
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.volume_needs import Choices, Refused, VolumeNeeds, needs_of
from ctrlkit.fakes.cluster.loops.storage_objects import held_for
from ctrlkit.fakes.cluster.loops.storage_plan import BIND_COMPLETED, SELECTED_NODE
from ctrlkit.fakes.tracker.kinds.storage.volumes import class_of
from ctrlkit.manager import Manager
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES
from ctrlkit.model.meta import is_newer

TIMEOUT_S = 600.0

_FAILED = 'running PreBind plugin "VolumeBinding": binding volumes: '


@dataclass(frozen=True, slots=True)
class Binding:
    """
    A pod that waits for its volumes, on the node that was chosen for it.

    Shape   `versions` are those of its claims once they name the node.
    """

    pod: PodFacts
    node: str
    choices: Choices
    until: datetime
    versions: dict[ObjectKey, str] = field(default_factory=dict)

    def problem(self, claims: Informer[Unstructured], now: datetime) -> str | None:
        """Return what has failed, "" if all is bound; None as long as it waits."""
        for key in (*self.choices.bind, *self.choices.make):
            claim = claims.lister.find_record(key)
            if claim is None:
                return f'{_FAILED}persistentvolumeclaim "{key.name}" not found'
            annotations = claim.meta.annotations or {}
            if is_newer(self.versions.get(key, ""), claim.version):
                return None
            if key in self.choices.make and annotations.get(SELECTED_NODE) != self.node:
                return f'{_FAILED}provisioning failed for PVC "{key.name}"'
            if BIND_COMPLETED not in annotations or not claim.shared.at("spec.volumeName"):
                return f"{_FAILED}context deadline exceeded" if now >= self.until else None
        return ""


@dataclass(slots=True)
class VolumeBinder:
    """
    Knows the claims of pods, and the pods that wait for theirs.

    Shape   `on_change` is called with a claim that has changed; with None for a volume or a class.
    """

    manager: Manager
    client: Client
    on_change: Callable[[ObjectKey | None], None]
    bindings: dict[str, Binding] = field(default_factory=dict)
    _claims: Informer[Unstructured] | None = None
    _promised: dict[str, str] = field(default_factory=dict)
    _chosen: dict[ObjectKey, Unstructured] = field(default_factory=dict)

    async def needs(self, pod: PodFacts, others: Callable[[], Iterable[PodFacts]]) -> VolumeNeeds | Refused | None:
        """Return what the volumes of a pod mean for each node."""
        if not pod.spec.get("volumes"):
            return None
        if pod.claims:
            await self._begin()
        return needs_of(pod, self, others())

    async def _begin(self) -> None:
        if self._claims is not None:
            return
        kinds = (PERSISTENT_VOLUMES, STORAGE_CLASSES, PERSISTENT_VOLUME_CLAIMS)
        for kind, handler in zip(kinds, (self._note, self._note, self._note_claim), strict=True):
            informer = self.manager.informer(kind)
            await informer.add_handler(handler, name=f"scheduler:{informer.name}").wait_synced()
        self._claims = self.manager.informer(PERSISTENT_VOLUME_CLAIMS)

    def _note(self, change: Change[Unstructured]) -> None:
        if change.new is not None:
            self.on_change(None)

    def _note_claim(self, change: Change[Unstructured]) -> None:
        self.on_change(change.key)

    # ---- what there is -----------------------------------------------------------------------------------------------

    def claim(self, key: ObjectKey) -> Unstructured | None:
        """As Storage.claim: one for which a node was just chosen is as it was written, until the cache shows that."""
        found = self._claims.lister.find(key) if self._claims is not None else None
        chosen = self._chosen.get(key)
        if chosen is None:
            return found
        if found is not None and is_newer(chosen.metadata.resource_version, found.metadata.resource_version):
            return chosen
        del self._chosen[key]
        return found

    def volume(self, name: str) -> Unstructured | None:
        """As Storage.volume."""
        return self.manager.informer(PERSISTENT_VOLUMES).lister.find(ObjectKey("", name))

    def volumes_of(self, class_name: str) -> Iterator[Unstructured]:
        """As Storage.volumes_of: those that were just promised to a claim are left out."""
        for volume in self.manager.informer(PERSISTENT_VOLUMES).lister.list():
            if (
                class_of(volume) == class_name
                and self._promised.get(volume.key.name) != volume.metadata.resource_version
            ):
                yield volume

    def storage_class(self, name: str) -> Unstructured | None:
        """As Storage.storage_class."""
        return self.manager.informer(STORAGE_CLASSES).lister.find(ObjectKey("", name)) if name else None

    # ---- binding -----------------------------------------------------------------------------------------------------

    async def begin(self, pod: PodFacts, node: str, choices: Choices) -> None:
        """Promise volumes to the claims of a pod, and have others made for its node."""
        until = clock.now() + timedelta(seconds=TIMEOUT_S)
        binding = self.bindings[pod.uid] = Binding(pod, node, choices, until)
        for key, volume in choices.bind.items():
            claim = self.claim(key)
            held = held_for(volume, claim) if claim is not None else None
            if held is not None:
                self._promised[volume.key.name] = volume.metadata.resource_version
                await self.client.update(PERSISTENT_VOLUMES, held)
        for key in choices.make:
            notes = MergePatch({"metadata": {"annotations": {SELECTED_NODE: node}}})
            claim = await self.client.patch(PERSISTENT_VOLUME_CLAIMS, key, notes)
            binding.versions[key] = claim.metadata.resource_version
            self._chosen[key] = claim

    def drop(self, uid: str) -> None:
        """Forget a pod that has gone."""
        self.bindings.pop(uid, None)

    def ends_with(self, claim: ObjectKey) -> bool:
        """Whether a pod that waits for a claim waits no longer."""
        claims, now = self._claims, clock.now()
        return claims is not None and any(
            (claim in one.choices.make or claim in one.choices.bind) and one.problem(claims, now) is not None
            for one in self.bindings.values()
        )

    def ended(self) -> list[tuple[Binding, str]]:
        """Take those that wait no longer, each with what has failed; "" where all its claims are bound."""
        if self._claims is None:
            return []
        now = clock.now()
        found = [(one, one.problem(self._claims, now)) for one in self.bindings.values()]
        over = [(one, problem) for one, problem in found if problem is not None]
        for one, _ in over:
            del self.bindings[one.pod.uid]
        return over

    def longest_wait_s(self) -> float | None:
        """Return in how many seconds the next of those that wait has waited too long; None if none waits."""
        now = clock.now()
        return min((max(0.001, (one.until - now).total_seconds()) for one in self.bindings.values()), default=None)
