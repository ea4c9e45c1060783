"""
When volumes of pods are there: mounted one by one, tried again at a kubelet's distances, renewed as long as pods run.

A kubelet looks at a pod when something happens to it, and else about once a minute; then it renews the files of its
volumes. Here that minute has sixty seconds. Nothing is looked at in vain: what a pod's files are made of is followed,
and the pod is looked at when its minute is over after a change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ctrlkit import clock
from ctrlkit.cache import Change
from ctrlkit.client import Client
from ctrlkit.errors import ApiError, NotFound
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster.node.environment import SourceKind
from ctrlkit.fakes.cluster.node.fleet import Member
from ctrlkit.fakes.cluster.node.pod_fields import Around, SourceError
from ctrlkit.fakes.cluster.node.runtime import Runtime, Volume
from ctrlkit.fakes.cluster.node.volumes import claims
from ctrlkit.fakes.cluster.node.volumes.attachments import Attachments, Held
from ctrlkit.fakes.cluster.node.volumes.records import (
    Mounting,
    PodRecord,
    Token,
    facts_of,
    mount_delay_s,
)
from ctrlkit.fakes.cluster.node.volumes.sources import (
    Known,
    TokenWish,
    files_of,
    folder_of,
    is_renewed,
    references,
    token_wishes,
    used_volumes,
)
from ctrlkit.fakes.tracker.schema.go_text import quoted
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from ctrlkit.model import ObjectKey, Resource, Unstructured
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    SECRETS,
    SERVICE_ACCOUNTS,
)

Plain: TypeAlias = Mapping[str, Any]

RETRY_S = 10.0
"""When it looks again at a pod that it could not go on with."""

MEASURE_S = 10.0
"""How often a kubelet measures what is in volumes."""

ATTACH_S = 120.0
"""How long the control plane waits for a driver to attach a volume."""

_TOKEN_MOST_S = 24 * 3600.0

RESOURCES: Mapping[SourceKind, Resource[Unstructured]] = {
    SourceKind.SECRET: SECRETS,
    SourceKind.CONFIG_MAP: CONFIG_MAPS,
}


@dataclass(frozen=True, slots=True)
class VolumesState:
    """
    Whether a pod's volumes are all there, and when to look again, on the loop's clock.

    `overfull` says why the pod cannot stay: it has put too much into a volume.
    """

    ready: bool
    due_at: float | None = None
    overfull: str = ""


READY = VolumesState(ready=True)


class _MountFailed(SourceError):
    """A step of a mount that failed, with the volume's name as a kubelet says it."""

    def __init__(self, step: str, volume: str, text: str) -> None:
        super().__init__(f"{step} failed for volume {quoted(volume)} : {text}")


class _Taken(SourceError):
    """A disk that another node has; `due_at` is when to try again, unless it is given up before."""

    def __init__(self, held: Held, now: float) -> None:
        super().__init__(held.text)
        self.due_at = now + ATTACH_S if held.due_at is None else held.due_at


Tell: TypeAlias = Callable[[Unstructured, EventType, str, str], None]
"""Records an Event about a pod, by its reason and text."""

Follow: TypeAlias = Callable[[Resource[Unstructured], Callable[[Change[Unstructured]], None]], object]
"""Has a function called with all changes of a kind, from now on."""


@dataclass(slots=True)
class PodVolumes:
    """
    The volumes of the pods of all nodes.

    `tell` is the kubelets' voice, `tell_attaching` that of the controller that attaches volumes. `follow` is asked for
    the kinds that files are made of when a pod has such files for the first time; `wake` looks at a pod, by its uid.
    """

    client: Client
    runtime: Runtime
    attachments: Attachments
    tell: Tell
    tell_attaching: Tell
    follow: Follow
    wake: Callable[[str], None]
    _pods: dict[str, PodRecord] = field(default_factory=dict, init=False)
    _lost: dict[str, PodRecord] = field(default_factory=dict, init=False)
    """The pods of nodes that were lost, until these boot."""
    _followed: set[str] = field(default_factory=set, init=False)
    _used: dict[str, set[str]] = field(default_factory=dict, init=False)
    """The nodes on which PersistentVolumes were mounted, by the uids of the volumes."""

    async def advance(self, pod: Unstructured, member: Member) -> VolumesState:
        """Mount what is due of a pod's volumes, and renew what is due of their files."""
        wanted = used_volumes(pod)
        if not wanted:
            return READY
        now, mine = clock.monotonic(), self._pods.get(pod.metadata.uid)
        if mine is None:
            mine = self._pods[pod.metadata.uid] = self._begin(pod, member, wanted)
        missing = [volume for volume in wanted if not mine.volume(volume["name"]).is_mounted]
        if missing:
            await self._mount_due(pod, member, mine, missing)
            due_at = min((one.due_at for one in mine.volumes.values() if not one.is_mounted), default=None)
            if due_at is not None:
                return VolumesState(ready=False, due_at=due_at)
            mine.synced_at = now
        due_at = mine.due_at()
        if mine.facts != facts_of(pod) or (due_at is not None and now >= due_at):
            await self.renew(pod, member)
        overfull = ""
        if mine.sizes_at is not None and now >= mine.sizes_at:
            mine.sizes_at, overfull = None, self._overfull(pod, wanted)
        moments = [moment for moment in (mine.due_at(), mine.sizes_at) if moment is not None]
        return VolumesState(ready=True, due_at=min(moments, default=None), overfull=overfull)

    def _overfull(self, pod: Unstructured, wanted: Iterable[Plain]) -> str:
        """Say which volume holds more than it is to hold; "" for none."""
        for volume in wanted:
            limit = (volume.get("emptyDir") or {}).get("sizeLimit")
            name = volume["name"]
            if limit and self.runtime.volumes.size(pod.metadata.uid, name) > quantity_value(limit) > 0:
                return f"Usage of EmptyDir volume {quoted(name)} exceeds the limit {quoted(limit)}. "
        return ""

    def exceeded(self, pod_uid: str) -> None:
        """Measure a pod's volumes, when a kubelet would look the next time."""
        mine = self._pods.get(pod_uid)
        if mine is not None and mine.sizes_at is None:
            mine.sizes_at = clock.monotonic() + MEASURE_S
            self.wake(pod_uid)

    async def renew(self, pod: Unstructured, member: Member) -> None:
        """Renew the files of a pod's volumes that follow what they are made of, as whenever a kubelet looks at it."""
        mine, now = self._pods.get(pod.metadata.uid), clock.monotonic()
        if mine is None or (mine.due_at() is None and mine.facts == facts_of(pod)):
            return
        mine.facts, mine.stale_at, mine.synced_at = facts_of(pod), None, now
        for volume in used_volumes(pod):
            if is_renewed(volume) and now >= mine.volume(volume["name"]).due_at:
                await self._try(pod, member, mine, volume)

    def forget(self, pod_uid: str, *, is_lost: bool = False) -> None:
        """Let go of a pod that is gone, or lost with its node; its folders go with its sandbox."""
        mine = self._pods.pop(pod_uid, None)
        if mine is None:
            return
        if is_lost:
            self.runtime.volumes.keep(pod_uid)
            self._lost[pod_uid] = mine
        freed = self.attachments.leave(pod_uid, is_lost=is_lost)
        if freed:
            self.retry_attaching(freed)

    def retry_attaching(self, disks: Collection[str] | None = None) -> None:
        """Try now again to attach the disks that others held, or those of them that were freed."""
        for uid, mine in self._pods.items():
            for how in mine.volumes.values():
                if how.is_unattached and (disks is None or how.persistent in disks):
                    how.due_at = 0.0
                    self.wake(uid)

    def changed(self, kind: SourceKind, change: Change[Unstructured]) -> None:
        """Look again, when their minute is over, at the pods whose files are made of an object."""
        source, version = (kind, change.key.name), change.new.version if change.new is not None else ""
        for uid, mine in self._pods.items():
            is_its = mine.key.namespace == change.key.namespace and mine.sources.get(source, version) != version
            if is_its and source not in mine.immutable and mine.is_mounted and mine.stale_at is None:
                mine.stale_at = mine.next_sync(clock.monotonic())
                self.wake(uid)

    def _volume_gone(self, change: Change[Unstructured]) -> None:
        """Remove the folder of a volume that was deleted, where whoever made it does so."""
        if change.new is not None or change.old is None:
            return
        gone = change.old.value
        nodes = self._used.pop(gone.metadata.uid, set())
        if claims.is_cleared(gone):
            for node in nodes:
                self.runtime.volumes.remove(self._folder("", gone["spec"], node))

    def is_read_only(self, pod_uid: str, volume: str) -> bool:
        """Whether no container of a pod may write to a volume."""
        mine = self._pods.get(pod_uid)
        return mine is not None and volume in mine.volumes and mine.volumes[volume].is_read_only

    def _begin(self, pod: Unstructured, member: Member, wanted: Iterable[Plain]) -> PodRecord:
        mountings = {volume["name"]: Mounting() for volume in wanted}
        self.runtime.volumes.on_exceeded(self.exceeded)
        for uid, lost in [one for one in self._lost.items() if one[1].node == member.node.name]:
            del self._lost[uid]
            if not self.attachments.exists(lost.key, uid):
                self.runtime.volumes.forget(uid)  # its node has booted, and it is gone
        return PodRecord(pod.key, member.node.name, facts_of(pod), mountings, clock.monotonic())

    # ---- mounting ----------------------------------------------------------------------------------------------------

    async def _mount_due(self, pod: Unstructured, member: Member, mine: PodRecord, wanted: Iterable[Plain]) -> None:
        unprocessed: dict[str, str] = {}
        for volume in wanted:
            how = mine.volumes[volume["name"]]
            if clock.monotonic() < how.due_at:
                continue
            try:
                await self._try(pod, member, mine, volume)
            except claims.NotProcessed as error:
                unprocessed[volume["name"]] = str(error)
                how.due_at = clock.monotonic() + RETRY_S
        if unprocessed:
            missing = sorted(name for name, one in mine.volumes.items() if not one.is_mounted)
            unattached = sorted(name for name, one in mine.volumes.items() if one.is_unattached)
            self.tell(
                pod,
                EventType.WARNING,
                "FailedMount",
                f"Unable to attach or mount volumes: unmounted volumes=[{' '.join(missing)}], unattached "
                f"volumes=[{' '.join(unattached)}], failed to process volumes=[{' '.join(sorted(unprocessed))}]: "
                + "; ".join(unprocessed.values()),
            )

    async def _try(self, pod: Unstructured, member: Member, mine: PodRecord, volume: Plain) -> None:
        """Mount a volume, or renew its files; a failure is told and waited for. Errors: claims.NotProcessed."""
        how = mine.volumes[volume["name"]]
        try:
            await self._mount(pod, member, mine, volume)
        except _MountFailed as failure:
            how.failures += 1
            how.due_at = clock.monotonic() + mount_delay_s(how.failures)
            self.tell(pod, EventType.WARNING, "FailedMount", str(failure))
        except claims.NotAttached as reason:
            if how.failures:
                text = f"AttachVolume.Attach failed for volume {quoted(how.persistent)} : {reason}"
                self.tell_attaching(pod, EventType.WARNING, "FailedAttachVolume", text)
            how.failures, how.is_unattached = how.failures + 1, True
            how.due_at = clock.monotonic() + ATTACH_S
        except _Taken as reason:
            if not how.is_unattached:
                text = f"Multi-Attach error for volume {quoted(how.persistent)} {reason}"
                self.tell_attaching(pod, EventType.WARNING, "FailedAttachVolume", text)
            how.is_unattached, how.due_at = True, reason.due_at
        else:
            how.is_mounted, how.is_unattached, how.failures, how.due_at = True, False, 0, 0.0

    async def _mount(self, pod: Unstructured, member: Member, mine: PodRecord, volume: Plain) -> None:
        how, shown, spec = mine.volumes[volume["name"]], volume["name"], volume
        if claims.claim_name(pod, volume):
            persistent = await self._claimed(pod, volume)
            shown, spec = persistent.key.name, persistent["spec"]
            how.is_read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
            how.persistent = shown
            self._used.setdefault(persistent.metadata.uid, set()).add(member.node.name)
        claims.check_source(spec, shown)
        if how.persistent and claims.is_attached(spec):
            self._attach(pod, mine, how, spec)
        obstacle = claims.mount_obstacle(spec, await self._labels(member, spec))
        if obstacle is not None:
            raise _MountFailed(obstacle[0], shown, obstacle[1])
        if self._is_taken(pod.metadata.uid, mine, spec, how.persistent):
            text = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
            raise _MountFailed("MountVolume.SetUp", shown, text)
        try:
            await self._set_up(pod, member, mine, volume, spec)
        except SourceError as error:
            raise _MountFailed("MountVolume.SetUp", shown, str(error)) from None
        how.is_read_only |= is_renewed(volume) or "image" in volume

    def _attach(self, pod: Unstructured, mine: PodRecord, how: Mounting, spec: Plain) -> None:
        """Have the disk of a volume attached to a pod's node. Errors: _Taken."""
        disk, now, has = how.persistent, clock.monotonic(), self.attachments.nodes(how.persistent)
        modes = spec.get("accessModes") or ()
        held = self.attachments.attach(disk, modes, mine.node, pod.key, pod.metadata.uid, now=now)
        if held is not None:
            raise _Taken(held, now)
        if mine.node not in has:
            text = f"AttachVolume.Attach succeeded for volume {quoted(disk)} "
            self.tell_attaching(pod, EventType.NORMAL, "SuccessfulAttachVolume", text)

    async def _set_up(self, pod: Unstructured, member: Member, mine: PodRecord, volume: Plain, spec: Plain) -> None:
        name, uid = volume["name"], pod.metadata.uid
        if not is_renewed(volume):
            self.runtime.volumes.write(uid, self._folder(name, spec, member.node.name))
            return
        around = Around(host=member.address, allocatable=member.node.capacity())
        objects = {source: await self._look_up(mine, source) for source in references(volume)}
        tokens = {wish: await self._token(pod, mine, wish) for wish in token_wishes(volume)}
        files = files_of(volume, Known(pod=pod, around=around, objects=objects, tokens=tokens))
        self.runtime.volumes.write(uid, Volume(name=name, files=files))

    def _folder(self, name: str, spec: Plain, node: str) -> Volume:
        kept = claims.kept_name(spec)
        return Volume(name=name, kept_as=kept) if kept else folder_of(spec, node, name)

    # ---- what is needed ----------------------------------------------------------------------------------------------

    async def _look_up(self, mine: PodRecord, source: tuple[SourceKind, str]) -> Plain | None:
        """Read a Secret or ConfigMap, and follow what becomes of it; one that never changes is read once."""
        if source in mine.immutable:
            return mine.immutable[source]
        kind, name = source
        self._follow(RESOURCES[kind], lambda change: self.changed(kind, change))
        found = await self._find(RESOURCES[kind], ObjectKey(mine.key.namespace, name))
        mine.sources[source] = "" if found is None else found.metadata.resource_version
        if found is not None and found.get("immutable"):
            mine.immutable[source] = found
        return found

    def _follow(self, resource: Resource[Unstructured], handler: Callable[[Change[Unstructured]], None]) -> None:
        if resource.plural not in self._followed:
            self._followed.add(resource.plural)
            self.follow(resource, handler)

    async def _find(self, resource: Resource[Unstructured], key: ObjectKey) -> Unstructured | None:
        try:
            return await self.client.get(resource, key)
        except NotFound:
            return None

    async def _labels(self, member: Member, spec: Plain) -> Mapping[str, str]:
        """Return the labels of a node, where a volume asks for some."""
        node = await self._find(NODES, ObjectKey("", member.node.name)) if spec.get("nodeAffinity") else None
        return (node.metadata.labels if node is not None else None) or {}

    async def _claimed(self, pod: Unstructured, volume: Plain) -> Unstructured:
        """Return the PersistentVolume of a pod's volume. Errors: claims.NotProcessed."""
        key = ObjectKey(pod.key.namespace, claims.claim_name(pod, volume))
        claim = await self._find(PERSISTENT_VOLUME_CLAIMS, key)
        try:
            name = claims.bound_volume(pod, volume, claim)
            assert claim is not None  # it is bound
            persistent = await self._find(PERSISTENT_VOLUMES, ObjectKey("", name))
            claims.check_reference(claim, name, persistent)
        except claims.NotProcessed as error:
            raise claims.NotProcessed(f"error processing PVC {key}: {error}") from None
        if "ephemeral" in volume:
            claims.check_owner(pod, volume, claim)
        assert persistent is not None  # as it was checked
        claims.check_mode(pod, volume, persistent)
        self._follow(PERSISTENT_VOLUMES, self._volume_gone)
        return persistent

    def _is_taken(self, uid: str, mine: PodRecord, spec: Plain, persistent: str) -> bool:
        """Whether another pod of the node has a volume that one pod alone may have."""
        if not persistent or list(spec.get("accessModes") or ()) != ["ReadWriteOncePod"]:
            return False
        others = (one for other, one in self._pods.items() if other != uid and one.node == mine.node)
        return any(how.is_mounted and how.persistent == persistent for one in others for how in one.volumes.values())

    async def _token(self, pod: Unstructured, mine: PodRecord, wish: TokenWish) -> str:
        """Return a token for a pod, a new one when most of the last one's time is over. Errors: SourceError."""
        have, now = mine.tokens.get(wish), clock.monotonic()
        if have is not None and now < have.renew_at:
            return have.text
        account = ObjectKey(pod.key.namespace, pod.at("spec.serviceAccountName") or "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.key.name, "uid": pod.metadata.uid}
        spec: dict[str, Any] = {"boundObjectRef": bound, "expirationSeconds": wish.valid_s}
        if wish.audience:
            spec["audiences"] = [wish.audience]
        try:
            answer = await self.client.subresource(SERVICE_ACCOUNTS, account, "token").create({"spec": spec})
        except ApiError as error:
            if have is not None and clock.now() < have.expires_at:
                return have.text
            raise SourceError(f"failed to fetch token: {error.message}") from None
        valid_s = float(answer.at("spec.expirationSeconds"))
        expires_at = datetime.fromisoformat(answer.at("status.expirationTimestamp"))
        renew_at = now + min(0.8 * valid_s, _TOKEN_MOST_S)
        mine.tokens[wish] = Token(answer.at("status.token"), renew_at, expires_at)
        return mine.tokens[wish].text
