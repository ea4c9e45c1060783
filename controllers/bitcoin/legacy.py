"""
Networks made before v2: what is still done for them, and how a new StatefulSet takes the place of the old one.

Such a network has a StatefulSet that selects its pods by `app: NETWORK`, as it was made at commit a2a870f. It runs on
untouched: its replicas follow spec.nodes, its environment the named Secret, its nodes are connected, and whatever else
the spec says waits for `bitcoin-controller upgrade NETWORK` (upgrade.py).

The upgrade leaves the pods without their StatefulSet. The new one does not adopt them: a pod that lacks the claim of
its StatefulSet makes every pass of a StatefulSet's controller fail, because a pod's volumes cannot change, and while
the first pod is such a one no other pod of the set is made again. So leftover pods keep their places, and the new set
has the range of ordinals above them:

    leftovers  net-sts-0 net-sts-1 net-sts-2   the set wants  nothing
    leftovers  net-sts-0 net-sts-1             the set wants  net-sts-2
    leftovers  none                            the set wants  net-sts-0 net-sts-1 net-sts-2

The ordinary rollout deletes them from the highest down, as it does with all pods that are outdated. Everything here but
`MadeBefore` is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.names import GROUP_LABEL, NETWORK_LABEL, pod_name, service_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, MAIN_GROUP, BitcoinNetwork, Spec, Storage
from ctrlkit.bitcoin.objects import SERVICES, STATEFULSETS, Pod, Service, StatefulSet
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.client import Client
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import AnyResource, MergePatch, StrategicMergePatch, to_plain

DEFAULT_CREDENTIALS: Final = Credentials(user="user", password="password")
"""What the nodes of such a network accept where it names no Secret."""

_KEPT: Final = ("nodes", "secret", "paused", "deletion_policy")


# ---- before the upgrade ----------------------------------------------------------------------------------------------


def statefulset_made_before(network: BitcoinNetwork, statefulsets: Iterable[StatefulSet]) -> StatefulSet | None:
    """Return the network's StatefulSet if it was made before v2; None if there is none, or one of today."""
    meta = network.metadata
    for one in statefulsets:
        is_main = (one.metadata.namespace, one.metadata.name) == (meta.namespace, statefulset_name(meta.name))
        if is_main and one.metadata.is_controlled_by(meta) and one.spec.selector.match_labels == old_labels(meta.name):
            return one
    return None


def old_labels(network: str) -> dict[str, str]:
    """Return the labels of the pods of a network made before, by which Service and StatefulSet select them."""
    return {"app": network}


def as_made_before(network: BitcoinNetwork) -> BitcoinNetwork:
    """
    Return a network with the part of its spec that is in force for one made before.

    >>> from ctrlkit.model import ObjectMeta
    >>> network = BitcoinNetwork(metadata=ObjectMeta(name="net"), spec=Spec(nodes=3, image="bitcoin:29.1"))
    >>> spec = as_made_before(network).spec
    >>> spec.nodes, spec.image, spec.storage.ephemeral
    (3, None, True)
    """
    kept = {name: getattr(network.spec, name) for name in _KEPT}
    return msgspec.structs.replace(network, spec=Spec(storage=Storage(ephemeral=True), **kept))


def upgrade_brings(network: BitcoinNetwork) -> str:
    """
    Say that a network was made before, what an upgrade brings, and how to begin it.

    >>> from ctrlkit.model import ObjectMeta
    >>> print(upgrade_brings(BitcoinNetwork(metadata=ObjectMeta(name="net"), spec=Spec(nodes=3, image="bitcoin:29.1"))))
    made before v2: an upgrade brings storage, and what the spec says of image: bitcoin-controller upgrade net
    """
    meta, plain = network.metadata, Spec(nodes=network.spec.nodes)
    waiting = [
        field.encode_name
        for field in msgspec.structs.fields(Spec)
        if field.name not in _KEPT and getattr(network.spec, field.name) != getattr(plain, field.name)
    ]
    brings = "rollouts node by node" if network.spec.storage.ephemeral else "storage"
    said = f", and what the spec says of {', '.join(waiting)}" if waiting else ""
    return f"made before v2: an upgrade brings {brings}{said}: {upgrade_command(meta.name, meta.namespace)}"


def container_name(network: str) -> str:
    """Return the name of the container of the nodes of a network made before."""
    return f"{statefulset_name(network)}-ctr"


def upgrade_command(network: str, namespace: str) -> str:
    """
    Return the command that upgrades a network.

    >>> upgrade_command("net", "demo")
    'bitcoin-controller upgrade net -n demo'
    """
    return f"bitcoin-controller upgrade {network}" + (f" -n {namespace}" if namespace else "")


def statefulset_changes(network: BitcoinNetwork, statefulset: StatefulSet) -> dict[str, Any]:
    """Return the changes, for a strategic merge, that give the StatefulSet the spec's nodes and secret."""
    spec: dict[str, Any] = {}
    if statefulset.spec.replicas != network.spec.nodes:
        spec["replicas"] = network.spec.nodes
    name, secret = container_name(network.metadata.name), network.spec.secret
    found = next((one for one in statefulset.spec.template.spec.containers if one.name == name), None)
    wanted = ({"secretRef": {"name": secret, "optional": True}},) if secret else ()
    if found is not None and tuple(to_plain(one) for one in found.env_from or ()) != wanted:
        spec["template"] = {"spec": {"containers": [{"name": name, "envFrom": list(wanted) or None}]}}
    return spec


def selector_changes(network: BitcoinNetwork, service: Service) -> dict[str, str | None]:
    """Return the changes, for a merge, that give the Service its old selector."""
    wanted, found = old_labels(network.metadata.name), service.spec.selector
    return {} if found == wanted else {**dict.fromkeys(found.keys() - wanted.keys()), **wanted}


class MadeBefore:
    """
    Sees to the Service and StatefulSet of networks made before, and tells what it did in Events.

    Errors  Those of the client.
    """

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def ensure(self, network: BitcoinNetwork, service: Service | None, statefulset: StatefulSet) -> None:
        """Create the Service or repair it, and have the StatefulSet follow the spec's nodes and secret."""
        await self._ensure_service(network, service)
        changes = {} if statefulset.metadata.deleting else statefulset_changes(network, statefulset)
        if not changes:
            return
        name, before, after = statefulset.metadata.name, statefulset.spec.replicas, network.spec.nodes
        await self._client.patch(STATEFULSETS, statefulset.metadata.key, StrategicMergePatch({"spec": changes}))
        if "replicas" in changes:
            text = f"adjusted replicas of statefulset {name} from {before} to {after}"
            self._tell(network, "AdjustedReplicas", text)
        if "template" in changes:
            text = f"the nodes of statefulset {name} take their credentials from {network.spec.secret or 'no secret'}"
            self._tell(network, "ChangedSecret", text)

    async def _ensure_service(self, network: BitcoinNetwork, service: Service | None) -> None:
        meta, name = network.metadata, service_name(network.metadata.name)
        if service is None:
            owner = BITCOIN_NETWORKS.owner_reference(meta)
            metadata = {"name": name, "namespace": meta.namespace, "ownerReferences": [to_plain(owner)]}
            spec = {"clusterIP": "None", "selector": old_labels(meta.name)}
            await self._client.create(SERVICES, {"metadata": metadata, "spec": spec})
            self._tell(network, "CreatedService", f"created service {name}")
            return
        if service.metadata.deleting or not service.metadata.is_controlled_by(meta):
            return
        selector = selector_changes(network, service)
        if selector:
            await self._client.patch(SERVICES, service.metadata.key, MergePatch({"spec": {"selector": selector}}))
            self._tell(network, "RestoredService", f"put back service {name}, which was changed")

    def _tell(self, network: BitcoinNetwork, reason: str, message: str) -> None:
        self._recorder.event(network.metadata, BITCOIN_NETWORKS, EventType.NORMAL, reason, message)


# ---- during the upgrade ----------------------------------------------------------------------------------------------


def leftovers(network: BitcoinNetwork, pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """
    Return the pods that an upgrade has left without their StatefulSet, the lowest ordinal first.

    They have the label of the network, which the upgrade gave them, and that of no group.
    """
    name = network.metadata.name

    def place(pod: Pod) -> int | None:
        labels = pod.metadata.labels or {}
        is_left = labels.get(NETWORK_LABEL) == name and GROUP_LABEL not in labels
        return ordinal_of(name, pod.metadata.name) if is_left else None

    found = {ordinal: pod for pod in pods if (ordinal := place(pod)) is not None}
    return tuple(found[ordinal] for ordinal in sorted(found))


def released(network: BitcoinNetwork, pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """Return the leftover pods that their StatefulSet has let go while it is being deleted."""
    return tuple(pod for pod in leftovers(network, pods) if pod.metadata.controller is None)


def ordinal_of(network: str, pod: str) -> int | None:
    """
    Return the ordinal of a node of the main group; None for another name.

    >>> ordinal_of("net", "net-sts-2"), ordinal_of("net", "net-sts-02"), ordinal_of("net", "net-sts-old-2")
    (2, None, None)
    """
    digits = pod.removeprefix(f"{statefulset_name(network)}-")
    is_number = digits.isascii() and digits.isdigit()
    return int(digits) if is_number and pod_name(network, int(digits)) == pod else None


def beside(
    network: BitcoinNetwork, objects: Sequence[tuple[AnyResource, dict[str, Any]]], left: Sequence[Pod]
) -> list[tuple[AnyResource, dict[str, Any]]]:
    """Return the desired objects, with a main StatefulSet that wants only the places above the leftover pods."""
    if not left:
        return list(objects)
    start, name = _first_free(network, left), statefulset_name(network.metadata.name)

    def above(resource: AnyResource, body: dict[str, Any]) -> dict[str, Any]:
        if resource.kind != STATEFULSETS.kind or body["metadata"]["name"] != name:
            return body
        replicas = max(0, network.spec.nodes - start)
        return {**body, "spec": {**body["spec"], "replicas": replicas, "ordinals": {"start": start}}}

    return [(resource, above(resource, body)) for resource, body in objects]


def with_leftovers(network: BitcoinNetwork, members: Sequence[Member], left: Sequence[Pod]) -> tuple[Member, ...]:
    """Return the members, leftover pods among them, also those of ordinals that the spec does not ask for any more."""
    if not left:
        return tuple(members)
    found = {pod.metadata.name: _member(network, pod) for pod in left}
    start, highest = _first_free(network, left), left[-1].metadata.name

    def seen(member: Member) -> Member:
        if member.name in found:
            return found.pop(member.name)
        if not _is_blocked(member, start):
            return member
        return replace(member, held_back=f"its pod is made again when {highest} and those below it have been replaced")

    main = [seen(member) for member in members if member.group == MAIN_GROUP]
    return (*main, *found.values(), *(member for member in members if member.group != MAIN_GROUP))


def replaceable(network: BitcoinNetwork, members: Sequence[Member], left: Sequence[Pod]) -> tuple[Member, ...]:
    """
    Return the members that a rollout is about.

    A node below a leftover pod that lost its own pod comes back only when the leftovers above it have been replaced. It
    counts as no node of the network until then: a rollout that waits for it would wait for ever.
    """
    start = _first_free(network, left)
    return tuple(member for member in members if not _is_blocked(member, start))


def _first_free(network: BitcoinNetwork, left: Sequence[Pod]) -> int:
    """Return the ordinal above the highest leftover pod; 0 without any."""
    return max((ordinal_of(network.metadata.name, pod.metadata.name) or 0 for pod in left), default=-1) + 1


def _is_blocked(member: Member, start: int) -> bool:
    return member.group == MAIN_GROUP and member.ordinal < start and not member.uid


def _member(network: BitcoinNetwork, pod: Pod) -> Member:
    meta = pod.metadata
    return Member(
        name=meta.name,
        group=MAIN_GROUP,
        ordinal=ordinal_of(network.metadata.name, meta.name) or 0,
        uid=meta.uid,
        address=pod.address,
        is_ready=pod.ready,
        is_deleting=meta.deleting,
        never_ran=pod.never_ran(container_name(network.metadata.name)),
    )
