"""
Sees that a network has the objects that it is to have: applies, grows, removes and releases them, and tells of it.

O-a  An object that is as it was left costs no call; one that was changed by hand is put back, what others added stays.
O-b  An object of somebody else is never touched. One that nobody controls and that has our label is adopted: it was
     left by a network with deletionPolicy Orphan.
O-c  What cannot change in a StatefulSet is applied as it is there. Larger claims are asked for one by one; then the
     StatefulSet is made anew, without its pods, so that later claims are as large; not before its controller has seen
     what was changed of it.
O-d  A change that the server refuses leaves all as it was, and is told in the server's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin.bitcoin_conf import amount_of
from ctrlkit.bitcoin.layout import DATA_VOLUME, Plain, Wanted, is_seen
from ctrlkit.bitcoin.names import (
    NETWORK_LABEL,
    budget_name,
    config_name,
    credentials_name,
    policy_name,
    service_name,
)
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, GROUP, BitcoinNetwork, DeletionPolicy
from ctrlkit.bitcoin.objects import (
    BUDGETS,
    CLAIMS,
    POLICIES,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    Claim,
    Service,
    StatefulSet,
)
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.texts import shown
from ctrlkit.bounded import BoundedDict
from ctrlkit.cache import Lister
from ctrlkit.client import Client, Propagation
from ctrlkit.clock import monotonic
from ctrlkit.controller import Applier, Convergence
from ctrlkit.errors import ApiError, BadRequest, Conflict, CtrlkitError, Forbidden, Invalid, NotFound, TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import (
    AnyResource,
    MergePatch,
    ObjectKey,
    ObjectMeta,
    PartialObjectMetadata,
    StrategicMergePatch,
)

FINALIZER: Final = f"{GROUP}/orphan"
"""On a network whose deletionPolicy is Orphan, so that its objects are released before it goes."""

GROW_RETRY_S: Final = 600.0
"""Seconds until a claim that the server did not let grow is asked for again."""

_RESIZE_ERRORS: Final = ("ControllerResizeError", "NodeResizeError")

_REMEMBERED_MAX: Final = 10_000


class Blocked(CtrlkitError):
    """An object of a network cannot be created or used; `trouble` says which and why."""

    def __init__(self, network: BitcoinNetwork, trouble: Trouble, why: str) -> None:
        super().__init__(f"reconcile network {network.metadata.key}: {why}")
        self.trouble: Trouble = trouble


class NameTaken(Blocked, TerminalError):
    """An object that the network does not own has the name of one of its objects."""


class CreationFailed(Blocked):
    """The server refused to create an object."""


@dataclass(frozen=True, slots=True)
class Ensured:
    """The StatefulSets of a network as they are now, and which change the server refused; empty for none."""

    statefulsets: tuple[StatefulSet, ...]
    refused: str = ""


def owner_problem(network: BitcoinNetwork, resource: AnyResource, meta: ObjectMeta) -> str:
    """Say why an object cannot be the network's; empty where it is, or can be adopted."""
    if meta.is_controlled_by(network.metadata):
        return ""
    holder, what = meta.controller, f"{resource.kind.lower()} {meta.name}"
    if holder is None and (meta.labels or {}).get(NETWORK_LABEL) == network.metadata.name:
        return ""
    if holder is not None and (holder.kind, holder.name) == (BITCOIN_NETWORKS.kind, network.metadata.name):
        return f"{what} belongs to a former network of this name; wait until it is collected"
    return f"{what} exists and is not this network's; delete it, or give the network another name"


class OwnedObjects:
    """
    Applies the objects of networks, as the client's field manager. `created` is called with each that was not there.

    Errors  Blocked; ApiError for a call that may succeed when it is made again, TransportError without an answer.
    Owner   One event loop, as an Applier.
    """

    def __init__(
        self,
        *,
        services: Lister[Service],
        budgets: Lister[PartialObjectMetadata],
        policies: Lister[PartialObjectMetadata],
        client: Client,
        recorder: EventRecorder,
        created: Callable[[ObjectMeta, AnyResource, str], None],
    ) -> None:
        self._created = created
        self._listers: dict[AnyResource, Lister[Any]] = {SERVICES: services, BUDGETS: budgets, POLICIES: policies}
        self._client = client
        self._recorder = recorder
        self._applier = Applier(client)
        self._wanted: BoundedDict[tuple[AnyResource, ObjectKey], bytes] = BoundedDict(limit=_REMEMBERED_MAX)
        self._stuck: BoundedDict[str, tuple[str, float, str]] = BoundedDict(limit=_REMEMBERED_MAX)

    async def ensure(
        self,
        network: BitcoinNetwork,
        objects: Sequence[Wanted],
        statefulsets: Iterable[StatefulSet],
        claims: Iterable[Claim],
    ) -> Ensured:
        """See that the objects are there and as wanted; `statefulsets` and `claims` are those the cache has."""
        sets = {one.metadata.name: one for one in statefulsets}
        found: list[StatefulSet] = []
        refusals: list[str] = []
        for resource, body in objects:
            key = ObjectKey(network.metadata.namespace, body["metadata"]["name"])
            if resource is not STATEFULSETS:
                refusals.append((await self._ensure(network, resource, body, self._listers[resource].find(key)))[1])
                continue
            current = sets.get(key.name)
            wanted = body if current is None else as_made(body, current)
            after, refused = await self._ensure(network, resource, wanted, current)
            refusals.append(refused)
            if after is not None:
                found.append(after)
                if not after.metadata.deleting and not network.spec.storage.ephemeral:
                    refusals.append(await self._grow(network, after, claims))
        return Ensured(tuple(found), "; ".join(filter(None, refusals)))

    async def prune(
        self, network: BitcoinNetwork, objects: Sequence[Wanted], statefulsets: Iterable[StatefulSet]
    ) -> None:
        """Delete what the spec has no more: the StatefulSets of groups, and the NetworkPolicy."""
        wanted = {(resource, body["metadata"]["name"]) for resource, body in objects}
        there: list[tuple[AnyResource, ObjectMeta]] = [(STATEFULSETS, one.metadata) for one in statefulsets]
        policy = self._listers[POLICIES].find(ObjectKey(network.metadata.namespace, policy_name(network.metadata.name)))
        if policy is not None:
            there.append((POLICIES, policy.metadata))
        for resource, meta in there:
            is_surplus = (resource, meta.name) not in wanted and meta.is_controlled_by(network.metadata)
            if is_surplus and not meta.deleting and await self._delete(resource, meta, Propagation.BACKGROUND):
                what = f"{resource.kind.lower()} {meta.name}"
                self._tell(network, f"Removed{resource.kind}", f"removed {what}, which the spec has no more")

    # ---- one object ----------------------------------------------------------------------------------------------

    async def _ensure(
        self, network: BitcoinNetwork, resource: AnyResource, body: Plain, current: Any
    ) -> tuple[Any, str]:
        """Apply an object; return it as it is then, if that is known, and which change the server refused."""
        if current is None:
            return await self._create(network, resource, body), ""
        self._check(network, resource, current.metadata)
        if current.metadata.deleting:
            return current, ""
        what = f"{resource.kind.lower()} {current.metadata.name}"
        try:
            result, after = await self._applier.apply(resource, body, current=current)
        except (BadRequest, Forbidden, Invalid) as error:
            return current, f"{what} could not be changed: {shown(error.message)}"
        if result is Convergence.UNCHANGED:
            return current, ""
        changed = msgspec.convert(after, resource.type)
        if result is Convergence.UPDATED:
            self._tell_change(network, resource, body, current, changed)
        self._remember(resource, body)
        return changed, ""

    async def _create(self, network: BitcoinNetwork, resource: AnyResource, body: Plain) -> Any:
        """Create an object; None where there is one that the cache does not show yet."""
        key, what = _key(body), f"{resource.kind.lower()} {body['metadata']['name']}"
        try:
            there = await self._client.get_metadata(resource, key)
        except NotFound:
            pass
        else:
            self._check(network, resource, there.metadata)
            return None  # its next change leads to the next pass
        try:
            _, after = await self._applier.apply(resource, body, current=None)
        except ApiError as error:
            fact = f"{what} could not be created: {shown(error.message)}"
            raise CreationFailed(network, Trouble(Reason.CREATION_ERROR, fact), str(error)) from error
        self._remember(resource, body)
        self._created(network.metadata, resource, key.name)
        return msgspec.convert(after, resource.type)

    def _check(self, network: BitcoinNetwork, resource: AnyResource, meta: ObjectMeta) -> None:
        problem = owner_problem(network, resource, meta)
        if problem:
            raise NameTaken(network, Trouble(Reason.NAME_TAKEN, problem), problem)

    async def _delete(
        self, resource: AnyResource, meta: ObjectMeta, propagation: Propagation, *, version: str = ""
    ) -> bool:
        try:
            await self._client.delete(resource, meta.key, uid=meta.uid, version=version, propagation=propagation)
        except (NotFound, Conflict):
            return False  # gone, or another one by now: the cache is about to show it
        return True

    # ---- claims that grow ----------------------------------------------------------------------------------------

    async def _grow(self, network: BitcoinNetwork, statefulset: StatefulSet, claims: Iterable[Claim]) -> str:
        """
        Have the claims of a group as large as the spec says; return what the server refused, or its driver cannot do.

        Only bound claims can grow; one that is not bound yet is asked for when it is. Claims are never made smaller.
        The StatefulSet goes when its controller has seen it as it is now: until then this may be giving claims to an
        owner that is about to go, which the garbage collector takes for a reason to delete them.
        """
        name, size = statefulset.metadata.name, network.spec.storage.size
        refusals: list[str] = []
        failures: list[str] = []
        grown: list[str] = []
        for claim in _bound(claims, statefulset.spec.selector.match_labels):
            asked = claim.spec.resources.requests.storage
            if asked and _amount(asked) is None:
                refusals.append(f"claim {claim.metadata.name} asks for {asked[:40]!r}, which is no size; correct it")
            elif _is_less(asked, size):
                refused = await self._grow_one(claim, size)
                (refusals if refused else grown).append(refused or claim.metadata.name)
            elif failure := _failure_to_grow(claim):
                failures.append(failure)
        if grown:
            self._tell(network, "GrewClaims", f"asked for {size} for {len(grown)} claims of statefulset {name}")
        if refusals:
            return f"claims of statefulset {name} stay as they are: {refusals[0]}"
        is_made_anew = _is_less(_size_made(statefulset), size) and is_seen(statefulset)
        if is_made_anew and await self._delete(
            STATEFULSETS, statefulset.metadata, Propagation.ORPHAN, version=statefulset.metadata.resource_version
        ):
            text = f"statefulset {name} is made anew for claims of {size}; its pods go on"
            self._tell(network, "RemadeStatefulSet", text)
        return failures[0] if failures else ""

    async def _grow_one(self, claim: Claim, size: str) -> str:
        known = self._stuck.get(claim.metadata.uid)
        if known is not None and known[0] == size and monotonic() < known[1]:
            return known[2]
        fields = {"metadata": {"uid": claim.metadata.uid}, "spec": {"resources": {"requests": {"storage": size}}}}
        try:
            await self._client.patch(CLAIMS, claim.metadata.key, MergePatch(fields))
        except NotFound:
            return ""
        except (BadRequest, Forbidden, Invalid) as error:
            refused = f"claim {claim.metadata.name} cannot have {size}: {shown(error.message)}"
            self._stuck.put(claim.metadata.uid, (size, monotonic() + GROW_RETRY_S, refused))
            return refused
        return ""

    # ---- deletion ------------------------------------------------------------------------------------------------

    async def keep_finalizer(self, network: BitcoinNetwork) -> None:
        """See that a network that is not being deleted has the finalizer where its deletion policy needs it."""
        have = network.metadata.finalizers or ()
        if network.spec.deletion_policy is DeletionPolicy.ORPHAN and FINALIZER not in have:
            await self._set_finalizers(network.metadata, (*have, FINALIZER))
        elif network.spec.deletion_policy is not DeletionPolicy.ORPHAN and FINALIZER in have:
            await self._set_finalizers(network.metadata, [each for each in have if each != FINALIZER])

    async def release(self, meta: ObjectMeta, statefulsets: Iterable[StatefulSet], policy: DeletionPolicy) -> None:
        """Let the objects of a network that is being deleted stay, where its policy is Orphan; then let it go."""
        have = meta.finalizers or ()
        if FINALIZER not in have:
            return
        if policy is DeletionPolicy.ORPHAN:
            namespace, name = meta.namespace, meta.name
            kept: list[tuple[AnyResource, ObjectKey]] = [(STATEFULSETS, one.metadata.key) for one in statefulsets]
            kept += [(resource, ObjectKey(namespace, of(name))) for resource, of in _BESIDE_SETS.items()]
            kept += [(SECRETS, ObjectKey(namespace, of(name))) for of in (config_name, credentials_name)]
            for resource, key in kept:
                await self._release(meta, resource, key)
        await self._set_finalizers(meta, [each for each in have if each != FINALIZER])

    async def _set_finalizers(self, meta: ObjectMeta, names: Sequence[str]) -> None:
        """Under the version that was read: a Conflict, and so another pass, where somebody was faster."""
        fields = {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": list(names)}
        with suppress(NotFound):
            await self._client.patch(BITCOIN_NETWORKS.metadata_only(), meta.key, MergePatch({"metadata": fields}))

    async def _release(self, network: ObjectMeta, resource: AnyResource, key: ObjectKey) -> None:
        """Take the network from the owners of an object, which has the label by which a new one adopts it."""
        thing = resource.metadata_only()
        try:
            found = await self._client.get(thing, key)
            if found.metadata.is_controlled_by(network):
                owners = [{"$patch": "delete", "uid": network.uid}]
                fields = {"uid": found.metadata.uid, "ownerReferences": owners}
                await self._client.patch(thing, key, StrategicMergePatch({"metadata": fields}))
        except NotFound:
            return

    # ---- telling -------------------------------------------------------------------------------------------------

    def _tell_change(
        self, network: BitcoinNetwork, resource: AnyResource, body: Plain, current: Any, after: Any
    ) -> None:
        kind, what = resource.kind, f"{resource.kind.lower()} {current.metadata.name}"
        if current.metadata.controller is None:
            self._tell(network, f"Adopted{kind}", f"took over {what}, which a former network left")
            return
        if not _is_changed(current.metadata, after.metadata):
            return
        is_as_before = self._wanted.get((resource, _key(body))) == _digest(body)
        if isinstance(current, StatefulSet):
            before, now = current.spec.replicas, after.spec.replicas
            if before != now:
                self._tell(network, "AdjustedReplicas", f"adjusted replicas of {what} from {before} to {now}")
            if before != now and is_as_before and current.spec.template == after.spec.template:
                return
        if is_as_before:
            self._tell(network, f"Restored{kind}", f"put back {what}, which was changed")
        else:
            self._tell(network, f"Changed{kind}", f"changed {what} as the spec says")

    def _remember(self, resource: AnyResource, body: Plain) -> None:
        self._wanted.put((resource, _key(body)), _digest(body))

    def _tell(self, network: BitcoinNetwork, reason: str, message: str) -> None:
        self._recorder.event(network.metadata, BITCOIN_NETWORKS, EventType.NORMAL, reason, message)


_BESIDE_SETS: Final[Mapping[AnyResource, Callable[[str], str]]] = {
    SERVICES: service_name,
    BUDGETS: budget_name,
    POLICIES: policy_name,
}
"""The objects beside StatefulSets and Secrets, and their names."""


def as_made(body: Plain, current: StatefulSet) -> Plain:
    """
    Return a StatefulSet's body with the storage that it was made with, which no server lets be changed.

    >>> from ctrlkit.bitcoin.layout import claim_template
    >>> from ctrlkit.bitcoin.objects import StatefulSetSpec
    >>> made = StatefulSet(metadata=ObjectMeta(), spec=StatefulSetSpec())
    >>> body = {"spec": {"volumeClaimTemplates": [claim_template("1Gi", None)], "template": {"spec": {"volumes": []}}}}
    >>> as_made(body, made)["spec"]
    {'template': {'spec': {'volumes': [{'name': 'data', 'emptyDir': {}}]}}}
    """
    made = [dict(template) for template in current.spec.volume_claim_templates or ()]
    wanted = body["spec"].get("volumeClaimTemplates", [])
    if [*map(_comparable, made)] == [*map(_comparable, wanted)]:
        return body
    template = body["spec"]["template"]
    volumes = [volume for volume in template["spec"]["volumes"] if volume["name"] != DATA_VOLUME]
    volumes += [] if made else [{"name": DATA_VOLUME, "emptyDir": {}}]
    spec = body["spec"] | {"template": template | {"spec": template["spec"] | {"volumes": volumes}}}
    spec.pop("volumeClaimTemplates", None)
    return body | {"spec": spec | ({"volumeClaimTemplates": made} if made else {})}


def _comparable(template: Mapping[str, Any]) -> Plain:
    """A claim's template with what the server adds to each, and with its size as a number."""
    defaults = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}
    size = _size_in(template)
    spec = {"volumeMode": "Filesystem"} | template["spec"] | {"resources": _amount(size) or size}
    return defaults | dict(template) | {"spec": spec}


def _bound(claims: Iterable[Claim], labels: Mapping[str, str]) -> Iterator[Claim]:
    """The claims of a group that can grow."""
    for claim in claims:
        have = claim.metadata.labels or {}
        is_of_group = all(have.get(label) == value for label, value in labels.items())
        if is_of_group and claim.status.phase == "Bound" and not claim.metadata.deleting:
            yield claim


def _failure_to_grow(claim: Claim) -> str:
    for condition in claim.status.conditions or ():
        if condition.type in _RESIZE_ERRORS and condition.status == "True":
            return f"claim {claim.metadata.name} does not grow: {shown(condition.message) or condition.reason}"
    return ""


def _size_in(template: Mapping[str, Any]) -> str:
    return str((((template.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage") or "")


def _size_made(statefulset: StatefulSet) -> str:
    return next(map(_size_in, statefulset.spec.volume_claim_templates or ()), "")


def _is_less(size: str, than: str) -> bool:
    """Whether a claim that asks for a size asks for less than another; not where it says none that can be read."""
    amount = None if size == than else _amount(size)
    return amount is not None and amount < amount_of(than)


def _amount(size: str) -> Fraction | None:
    """Return a size as a number; None for what is none, which may stand in objects of others."""
    try:
        return amount_of(size)
    except ValueError:
        return None


def _is_changed(before: ObjectMeta, after: ObjectMeta) -> bool:
    """By the generation, where the kind counts it: a status of others moves the version alone."""
    if after.generation:
        return before.generation != after.generation
    return before.resource_version != after.resource_version


def _key(body: Plain) -> ObjectKey:
    return ObjectKey(body["metadata"]["namespace"], body["metadata"]["name"])


def _digest(body: Plain) -> bytes:
    """Of all but the replicas, whose changes are told apart."""
    text = msgspec.json.encode(body["spec"] | {"replicas": None}, order="deterministic")
    return blake2b(text, digest_size=16).digest()
