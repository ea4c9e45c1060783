"""What the claims and disks of a pod mean for each node: where its volumes are, or could be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ctrlkit.fakes.cluster.loops.scheduling.node_fit import Object, selects
from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.cluster.loops.scheduling.verdicts import Plugin, Verdict
from ctrlkit.fakes.cluster.loops.storage_objects import read_claim, read_volume
from ctrlkit.fakes.cluster.loops.storage_plan import SELECTED_NODE, Claim, Phase, find_match
from ctrlkit.fakes.tracker.kinds.storage.volumes import class_of
from ctrlkit.fakes.tracker.kinds.tables import section
from ctrlkit.model import ObjectKey, Unstructured

_ELSEWHERE = "node(s) didn't match PersistentVolume's node affinity"
_NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
_OTHER_ZONE = Verdict(Plugin.VOLUME_ZONE, ("node(s) had no available volume zone",), is_hopeless=True)
_IN_USE = Verdict(
    Plugin.VOLUME_RESTRICTIONS,
    (
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another "
        "pod",
    ),
)
_NO_DISK = Verdict(Plugin.VOLUME_RESTRICTIONS, ("node(s) had no available disk",))

_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
_NO_PROVISIONER = ("", "kubernetes.io/no-provisioner")
_ZONES = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_OLD_ZONES = {
    "failure-domain.beta.kubernetes.io/zone": _ZONES[0],
    "failure-domain.beta.kubernetes.io/region": _ZONES[1],
}
_DISKS: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "gcePersistentDisk": (("pdName",), True),
    "awsElasticBlockStore": (("volumeID",), False),
    "iscsi": (("iqn",), True),
    "rbd": (("pool", "image"), True),
}
"""Volume sources of which a node takes one of the same at a time; whether several may read it."""


class Storage(Protocol):
    """What there is of claims, volumes and classes."""

    def claim(self, key: ObjectKey) -> Unstructured | None:
        """Return a claim."""
        ...

    def volume(self, name: str) -> Unstructured | None:
        """Return a volume."""
        ...

    def volumes_of(self, class_name: str) -> Iterable[Unstructured]:
        """Return the volumes of a class that are not promised to anybody."""
        ...

    def storage_class(self, name: str) -> Unstructured | None:
        """Return a storage class."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a pod fits no node: its claims are not ready."""

    plugin: Plugin
    reason: str


@dataclass(frozen=True, slots=True)
class Loose:
    """A claim that is bound where its first pod is placed; `selected` is the node chosen for it before, "" for none."""

    claim: Claim
    selected: str
    storage_class: Object
    volumes: tuple[Unstructured, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What is to be done about the loose claims of a pod: volumes to `bind`, by claim; claims to `make` volumes for."""

    bind: Mapping[ObjectKey, Unstructured]
    make: tuple[ObjectKey, ...]


@dataclass(frozen=True, slots=True)
class VolumeNeeds:
    """
    The volumes of one pod.

    Shape   `loose` has the smallest claims first. `once` are its claims for one pod alone, `users` how many pods on
            nodes have them.
    """

    pod: PodFacts
    bound: tuple[Unstructured, ...] = ()
    loose: tuple[Loose, ...] = ()
    once: frozenset[ObjectKey] = frozenset()
    users: int = 0

    def moved(self, other: PodFacts, sign: int) -> VolumeNeeds:
        """Return the needs once another pod has come to a node, or left it."""
        return replace(self, users=self.users + sign) if self.once.intersection(other.claims) else self

    def verdicts(self, node: NodeState) -> Iterator[Verdict]:
        """Yield what keeps the pod from a node."""
        if any(_disks_conflict(self.pod.spec, other.spec) for other in node.pods.values()):
            yield _NO_DISK
        if self.users:
            yield _IN_USE
        reasons = [] if all(_reaches(volume, node) for volume in self.bound) else [_ELSEWHERE]
        if self.choices(node) is None:
            reasons.append(_NO_VOLUME)
        if reasons:
            yield Verdict(Plugin.VOLUME_BINDING, tuple(reasons), is_hopeless=True)
        if not all(_is_in_zone(volume, node) for volume in self.bound):
            yield _OTHER_ZONE

    def choices(self, node: NodeState) -> Choices | None:
        """Return how the loose claims get their volumes on a node; None if some cannot."""
        bind: dict[ObjectKey, Unstructured] = {}
        make: list[ObjectKey] = []
        for loose in self.loose:
            if loose.selected not in ("", node.name):
                return None
            found = None if loose.selected else _match(loose, node, [one.key.name for one in bind.values()])
            if found is not None:
                bind[loose.claim.key] = found
            elif _can_make(loose.storage_class, node):
                make.append(loose.claim.key)
            else:
                return None
        return Choices(bind, tuple(make))


def needs_of(pod: PodFacts, storage: Storage, others: Iterable[PodFacts]) -> VolumeNeeds | Refused | None:
    """Return what the volumes of a pod mean; None where they mean nothing. `others` are the pods on nodes."""
    if not pod.claims:
        return VolumeNeeds(pod) if _has_disks(pod.spec) else None
    found: list[Unstructured] = []
    for key, is_own in pod.claims.items():
        claim = storage.claim(key)
        text = _not_ready(pod, key, claim, is_own=is_own)
        if text or claim is None:
            return Refused(Plugin.VOLUME_BINDING, text)
        found.append(claim)
    bound: list[Unstructured] = []
    loose: list[Loose] = []
    for claim in found:
        named, plain = claim.at("spec.volumeName") or "", read_claim(claim)
        if named and plain.is_bound:
            volume = storage.volume(named)
            if volume is None:
                return Refused(Plugin.VOLUME_ZONE, f'persistentvolume "{named}" not found')
            bound.append(volume)
            continue
        storage_class = storage.storage_class(plain.class_name or "")
        if named or storage_class is None or storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
            return Refused(Plugin.VOLUME_BINDING, _UNBOUND)
        selected = (claim.metadata.annotations or {}).get(SELECTED_NODE, "")
        loose.append(Loose(plain, selected, storage_class, tuple(storage.volumes_of(class_of(claim)))))
    once = frozenset(one.key for one in found if "ReadWriteOncePod" in (one.at("spec.accessModes") or ()))
    users = sum(bool(once.intersection(other.claims)) for other in others) if once else 0
    loose.sort(key=lambda one: (one.claim.request, one.claim.key))
    return VolumeNeeds(pod, tuple(bound), tuple(loose), once, users)


def _not_ready(pod: PodFacts, key: ObjectKey, claim: Unstructured | None, *, is_own: bool) -> str:
    if claim is None:
        text = f'persistentvolumeclaim "{key.name}" not found'
        made = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{key.name}"'
        return made if is_own else text
    if claim.at("status.phase") == Phase.LOST:
        volume = claim.at("spec.volumeName") or ""
        return f'persistentvolumeclaim "{key.name}" bound to non-existent persistentvolume "{volume}"'
    if claim.metadata.deleting:
        return f'persistentvolumeclaim "{key.name}" is being deleted'
    owner = claim.metadata.controller
    if is_own and (owner is None or owner.uid != pod.uid):
        return f"PVC {key} was not created for pod {pod.key} (pod is not owner)"
    return ""


def _reaches(volume: Unstructured, node: NodeState) -> bool:
    required = volume.at("spec.nodeAffinity.required")
    return required is None or selects(required, node.node or {})


def _match(loose: Loose, node: NodeState, taken: Collection[str]) -> Unstructured | None:
    there = {one.key.name: one for one in loose.volumes if one.key.name not in taken and _reaches(one, node)}
    found = find_match(loose.claim, map(read_volume, there.values()))
    return there[found.name] if found is not None else None


def _can_make(storage_class: Object, node: NodeState) -> bool:
    if (storage_class.get("provisioner") or "") in _NO_PROVISIONER:
        return False
    terms: Sequence[Any] = storage_class.get("allowedTopologies") or ()
    return not terms or any(
        all(node.labels.get(one["key"]) in one["values"] for one in term.get("matchLabelExpressions") or ())
        for term in terms
        if term.get("matchLabelExpressions")
    )


def _is_in_zone(volume: Unstructured, node: NodeState) -> bool:
    if not any(label in node.labels for label in (*_ZONES, *_OLD_ZONES)):
        return True
    labels = volume.metadata.labels or {}
    wanted = {label: labels[label].split("__") for label in (*_ZONES, *_OLD_ZONES) if label in labels}
    return all(
        node.labels.get(label, node.labels.get(_OLD_ZONES.get(label, ""))) in values for label, values in wanted.items()
    )


def _has_disks(spec: Object) -> bool:
    return any(name in volume for volume in spec.get("volumes") or () for name in _DISKS)


def _disks_conflict(spec: Object, other: Object) -> bool:
    return any(
        _same_disk(name, section(one, name), section(two, name))
        for one in spec.get("volumes") or ()
        for name in _DISKS
        if one.get(name)
        for two in other.get("volumes") or ()
        if two.get(name)
    )


def _same_disk(name: str, one: Object, two: Object) -> bool:
    fields, may_be_read = _DISKS[name]
    if may_be_read and one.get("readOnly") and two.get("readOnly"):
        return False
    if name == "rbd" and not set(one.get("monitors") or ()).intersection(two.get("monitors") or ()):
        return False
    return all(one.get(field) == two.get(field) for field in fields)
