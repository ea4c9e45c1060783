"""
Plans what becomes of volumes and of claims to them: who is bound to whom, and what is left when one of them goes. Pure.

A volume names its claim in `spec.claimRef`, a claim its volume in `spec.volumeName`; they are bound when both do. The
volume is written first: so no volume is given to two claims, whoever looks at it in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum

from ctrlkit.model import LabelSelector, ObjectKey

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"

IN_TREE = "kubernetes.io/"
HOST_PATH = f"{IN_TREE}host-path"
MIGRATED: Mapping[str, str] = {
    f"{IN_TREE}aws-ebs": "ebs.csi.aws.com",
    f"{IN_TREE}azure-disk": "disk.csi.azure.com",
    f"{IN_TREE}azure-file": "file.csi.azure.com",
    f"{IN_TREE}cinder": "cinder.csi.openstack.org",
    f"{IN_TREE}gce-pd": "pd.csi.storage.gke.io",
    f"{IN_TREE}portworx-volume": "pxd.portworx.com",
    f"{IN_TREE}vsphere-volume": "csi.vsphere.vmware.com",
}
"""Provisioners that were part of Kubernetes, and the drivers that took their place."""


class Phase(StrEnum):
    """The phases of volumes and claims."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    BOUND = "Bound"
    RELEASED = "Released"
    FAILED = "Failed"
    LOST = "Lost"


@dataclass(frozen=True, slots=True)
class Holder:
    """The claim that a volume is kept for; without a uid it is reserved for whichever claim has the name."""

    key: ObjectKey
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The fields of a PersistentVolume that plans depend on. `source` is the name of its volume source."""

    name: str
    size: Decimal
    modes: frozenset[str] = frozenset({"ReadWriteOnce"})
    class_name: str = ""
    volume_mode: str = "Filesystem"
    attributes_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    phase: str = Phase.AVAILABLE
    holder: Holder | None = None
    policy: str = "Retain"
    source: str = ""
    host_path: str = ""
    provisioned_by: str = ""
    is_bound_by_controller: bool = False
    is_deleting: bool = False

    def is_kept_for(self, claim: Claim) -> bool:
        """Whether it is this claim that the volume names."""
        held = self.holder
        return held is not None and held.key == claim.key and held.uid in ("", claim.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The fields of a PersistentVolumeClaim that plans depend on; `class_name` is None where it names none."""

    key: ObjectKey
    uid: str
    request: Decimal = Decimal(0)
    modes: frozenset[str] = frozenset({"ReadWriteOnce"})
    class_name: str | None = None
    volume_mode: str = "Filesystem"
    attributes_class: str = ""
    selector: LabelSelector | None = None
    volume_name: str = ""
    phase: str = Phase.PENDING
    is_bound: bool = False
    """Whether its binding was completed once, whatever has become of it."""
    has_node: bool = False
    """Whether the scheduler has chosen a node for its first pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """The fields of a StorageClass that plans depend on."""

    name: str
    provisioner: str
    waits: bool = False
    """Whether its claims are bound when they are first used."""


# ---- which volume ----------------------------------------------------------------------------------------------------


def find_match(claim: Claim, candidates: Iterable[Volume], *, waits: bool = False) -> Volume | None:
    """
    Find the volume for a claim that names none: one that is kept for it, or the smallest that fits.

    >>> volumes = [Volume(name=name, size=Decimal(size)) for name, size in (("a", 3), ("b", 2), ("c", 1))]
    >>> claim = Claim(key=ObjectKey("demo", "data"), uid="1", request=Decimal(2))
    >>> find_match(claim, volumes).name
    'b'

    Volumes with fewer access modes are taken first. With `waits` it is the scheduler that chooses among free ones.
    """
    fitting = [one for one in candidates if _fits(claim, one) and (one.is_kept_for(claim) or not waits)]
    fitting = [one for one in fitting if one.is_kept_for(claim) or _is_free_for(claim, one)]
    return min(fitting, key=lambda one: _preference(claim, one), default=None)


def _fits(claim: Claim, volume: Volume) -> bool:
    return (
        volume.size >= claim.request
        and claim.modes <= volume.modes
        and claim.volume_mode == volume.volume_mode
        and claim.attributes_class == volume.attributes_class
        and not volume.is_deleting
    )


def _is_free_for(claim: Claim, volume: Volume) -> bool:
    return (
        volume.holder is None
        and volume.phase == Phase.AVAILABLE
        and volume.class_name == (claim.class_name or "")
        and (claim.selector is None or claim.selector.matches(volume.labels))
    )


def _preference(claim: Claim, volume: Volume) -> tuple[int, list[str], bool, Decimal, str]:
    return len(volume.modes), sorted(volume.modes), not volume.is_kept_for(claim), volume.size, volume.name


def mismatch(claim: Claim, volume: Volume) -> str:
    """Say why a claim cannot have the volume that it names; "" if it can."""
    reasons = (
        (volume.is_deleting, f'the volume is marked for deletion "{volume.name}"'),
        (volume.size < claim.request, "requested PV is too small"),
        (volume.class_name != (claim.class_name or ""), "storageClassName does not match"),
        (volume.attributes_class != claim.attributes_class, "volumeAttributesClassName does not match"),
        (volume.volume_mode != claim.volume_mode, "incompatible volumeMode"),
        (not claim.modes <= volume.modes, "incompatible accessMode"),
    )
    return next((text for is_so, text in reasons if is_so), "")


# ---- claims ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event to record."""

    reason: str
    text: str
    is_warning: bool = True


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind a claim to this volume, or complete what is there of the binding."""

    volume: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Let a claim be pending."""

    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Lose:
    """Call a claim lost, once."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class ChooseClass:
    """Give a claim that names no class the default one."""

    class_name: str


@dataclass(frozen=True, slots=True)
class Provision:
    """Leave a claim to a provisioner; "" for none that is to be noted."""

    provisioner: str
    notice: Notice


ClaimStep = Bind | Wait | Lose | ChooseClass | Provision


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What the plan of a claim depends on besides it.

    `named` is the volume that it names, `candidates` are those that may be free for it or kept for it. `pods` are the
    names of its pods that have no node yet.
    """

    named: Volume | None = None
    candidates: Collection[Volume] = ()
    storage_class: Class | None = None
    default_class: str = ""
    pods: Collection[str] = ()


def plan_claim(claim: Claim, around: Surroundings) -> ClaimStep:
    """
    Plan the next step for a claim.

    >>> claim = Claim(key=ObjectKey("demo", "data"), uid="1", class_name="")
    >>> plan_claim(claim, Surroundings()).notice.reason
    'FailedBinding'
    >>> plan_claim(claim, Surroundings(candidates=[Volume(name="a", size=Decimal(1))]))
    Bind(volume='a')
    """
    if claim.is_bound:
        return _of_bound(claim, around.named)
    return _of_named(claim, around.named) if claim.volume_name else _of_seeking(claim, around)


def _of_seeking(claim: Claim, around: Surroundings) -> ClaimStep:
    waits = around.storage_class is not None and around.storage_class.waits
    found = find_match(claim, around.candidates, waits=waits)
    if found is not None:
        return Bind(found.name)
    if claim.class_name is None and around.default_class:
        return ChooseClass(around.default_class)
    if waits and not claim.has_node:
        return Wait(_waiting_for(around.pods))
    if claim.class_name:
        return _provisioned(claim.class_name, around.storage_class)
    text = "no persistent volumes available for this claim and no storage class is set"
    return Wait(Notice("FailedBinding", text, is_warning=False))


def _of_bound(claim: Claim, volume: Volume | None) -> ClaimStep:
    if not claim.volume_name:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return Lose(Notice("ClaimLost", text))
    if volume is None:
        return Lose(Notice("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"))
    if volume.holder is None or volume.holder.uid == claim.uid:
        return Bind(volume.name)
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    return Lose(Notice("ClaimMisbound", text))


def _of_named(claim: Claim, volume: Volume | None) -> ClaimStep:
    if volume is None:
        return Wait()
    if volume.is_kept_for(claim):
        return Bind(volume.name)
    if volume.holder is not None:
        return Wait(Notice("FailedBinding", f'volume "{volume.name}" already bound to a different claim.'))
    if text := mismatch(claim, volume):
        return Wait(Notice("VolumeMismatch", f'Cannot bind to requested volume "{volume.name}": {text}'))
    return Bind(volume.name)


def _waiting_for(pods: Collection[str]) -> Notice:
    if not pods:
        text = "waiting for first consumer to be created before binding"
        return Notice("WaitForFirstConsumer", text, is_warning=False)
    word = "pod" if len(pods) == 1 else "pods"
    return Notice("WaitForPodScheduled", f"waiting for {word} {','.join(pods)} to be scheduled", is_warning=False)


def _provisioned(name: str, storage_class: Class | None) -> Provision:
    if storage_class is None:
        return Provision("", Notice("ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found'))
    asked = storage_class.provisioner
    provisioner = MIGRATED.get(asked, asked)
    if asked == HOST_PATH:
        text = f'Failed to create provisioner: provisioning in volume plugin "{asked}" is disabled'
        return Provision(asked, Notice("ProvisioningFailed", text))
    if provisioner.startswith(IN_TREE):
        return Provision("", Notice("ProvisioningFailed", f"no volume plugin matched name: {asked}"))
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    return Provision(provisioner, Notice("ExternalProvisioning", text, is_warning=False))


# ---- volumes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetPhase:
    """Write the phase of a volume, unless it has it."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class LookAtClaim:
    """Go on with the claim that a volume is kept for; with notices, tell both that they do not go together."""

    of_volume: Notice | None = None
    of_claim: Notice | None = None


@dataclass(frozen=True, slots=True)
class Unbind:
    """Take a volume from a claim that has another one; one that a user kept for it stays reserved."""


class Reclaim(Enum):
    """What to do with a volume whose claim has gone, after it was released."""

    NOTHING = "nothing"
    DELETE = "delete"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Release:
    """Call a volume released, and reclaim it; with `failure` it fails instead."""

    reclaim: Reclaim = Reclaim.NOTHING
    failure: Notice | None = None


VolumeStep = SetPhase | LookAtClaim | Unbind | Release


def plan_volume(volume: Volume, claim: Claim | None) -> VolumeStep:
    """
    Plan the next step for a volume; `claim` has the name that the volume's holder has, if there is such a one.

    >>> plan_volume(Volume(name="a", size=Decimal(1)), None)
    SetPhase(phase=<Phase.AVAILABLE: 'Available'>)
    >>> plan_volume(Volume(name="a", size=Decimal(1), holder=Holder(ObjectKey("demo", "data"), "1")), None)
    Release(reclaim=<Reclaim.NOTHING: 'nothing'>, failure=None)
    """
    if volume.holder is None or not volume.holder.uid:
        return SetPhase(Phase.AVAILABLE)
    if claim is None or claim.uid != volume.holder.uid:
        return _reclaimed(volume)
    if not claim.volume_name:
        return _unfinished(volume, claim)
    if claim.volume_name == volume.name:
        return SetPhase(Phase.BOUND)
    return _reclaimed(volume) if volume.provisioned_by and volume.policy == "Delete" else Unbind()


def _unfinished(volume: Volume, claim: Claim) -> VolumeStep:
    if volume.volume_mode == claim.volume_mode:
        return LookAtClaim()
    of_volume = (
        f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{claim.key.name}" due to incompatible '
        "volumeMode."
    )
    of_claim = (
        f'Cannot bind PersistentVolume "{volume.name}" to requested PersistentVolumeClaim due to incompatible '
        "volumeMode."
    )
    return LookAtClaim(Notice("VolumeMismatch", of_volume), Notice("VolumeMismatch", of_claim))


def _reclaimed(volume: Volume) -> Release:
    match volume.policy:
        case "Delete":
            return _deleted(volume)
        case "Recycle" if volume.source in ("hostPath", "nfs"):
            return Release(Reclaim.FREE)
        case "Recycle":
            text = "No recycler plugin found for the volume!"
            return Release(failure=Notice("VolumeFailedRecycle", text))
    return Release()


def _deleted(volume: Volume) -> Release:
    """Decide about a volume that is to be deleted with its data: most are left to those who made them."""
    text = ""
    if volume.provisioned_by and (volume.provisioned_by in MIGRATED or not volume.provisioned_by.startswith(IN_TREE)):
        return Release()
    if volume.provisioned_by and volume.provisioned_by != HOST_PATH:
        text = f"no volume plugin matched name: {volume.provisioned_by}"
    elif volume.source == "hostPath":
        if volume.host_path.startswith("/tmp/") and volume.host_path != "/tmp/":
            return Release(Reclaim.DELETE)
        text = f"host_path deleter only supports /tmp/.+ but received provided {volume.host_path}"
    elif volume.source == "csi":
        return Release()
    else:
        known = "no deletable volume plugin matched" if volume.source in _UNDELETABLE else "no volume plugin matched"
        text = f'error getting deleter volume plugin for volume "{volume.name}": {known}'
    return Release(failure=Notice("VolumeFailedDelete", text))


_UNDELETABLE = frozenset({"nfs"})
"""Sources with a plugin that cannot delete."""
