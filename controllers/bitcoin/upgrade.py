"""
`bitcoin-controller upgrade NETWORK`: brings a network made before v2 to the layout of today, pod by pod.

    1  the Secret NAME-config has the credentials that the nodes accept, as those in force
    2  each pod has the label of the network, which owns it beside the StatefulSet
    3  the StatefulSet is deleted, and its pods run on without it; the revisions of its template are deleted as well
    4  the controller makes a new StatefulSet, and replaces the pods one by one from the highest down (legacy.py)

Each round looks at what is there and does the first thing that is missing, so the command can end at any point and be
run again. The controller alone takes step 4: without the command it goes on, too.

U-a  Before step 1 the server has shown that it knows spec.ordinals, which step 4 needs (Kubernetes 1.27).
U-b  Before step 3 all nodes are at the tip, and a controller that knows how to go on has told so in the status.
U-c  A network of one node is refused: no other node has its chain. `lose_chain` allows it.
U-d  Nothing but what stands above is written. The pods go by the ordinary rollout, which keeps a majority at the tip.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ctrlkit.bitcoin.credentials import credentials_in
from ctrlkit.bitcoin.layout import config_in, config_secret, groups_of
from ctrlkit.bitcoin.legacy import (
    DEFAULT_CREDENTIALS,
    old_labels,
    ordinal_of,
    statefulset_made_before,
    upgrade_command,
)
from ctrlkit.bitcoin.names import GROUP_LABEL, NETWORK_LABEL, config_name, selector, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, MAIN_GROUP, BitcoinNetwork, NodeState, NodeStatus
from ctrlkit.bitcoin.objects import PODS, SECRETS, STATEFULSETS, Pod, Secret, StatefulSet
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rotation import ConfigState, auth_line
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.client import Client, DryRun, Propagation
from ctrlkit.clock import monotonic
from ctrlkit.errors import Conflict, CtrlkitError, NotFound
from ctrlkit.model import (
    Condition,
    LabelSelector,
    MergePatch,
    ObjectKey,
    OnConflict,
    PartialObjectMetadata,
    StrategicMergePatch,
    Unstructured,
    find_condition,
    to_plain,
)
from ctrlkit.model.kinds import CONTROLLER_REVISIONS

REVISIONS: Final = CONTROLLER_REVISIONS.metadata_only()

LOOK_S: Final = 1.0
"""Seconds between two looks at what is there."""

CONTROLLER_LIMIT_S: Final = 60.0
"""Seconds until a controller has done what only a controller does; then there is none."""

T = TypeVar("T")

_UP_TO_DATE: Final = "UpToDate"
_SALT_BYTES: Final = 16


class UpgradeRefused(CtrlkitError):
    """The network cannot be upgraded as it is; nothing was changed."""


class UpgradeUnfinished(CtrlkitError):
    """The upgrade did not come to its end in time; it can be run again."""


# ---- what is there ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What there is of a network at one moment.

    Shape   `old_pods` are those that were made before, the lowest ordinal first, with their StatefulSet or without it;
            `new_pods` the names of those of today. `revisions` are ControllerRevisions that a former StatefulSet left.
            `accepted`: the credentials that the old nodes accept, or why they
            are not known. `config` is the Secret NAME-config.
    """

    network: BitcoinNetwork
    statefulset: StatefulSet | None
    old_pods: tuple[Pod, ...] = ()
    new_pods: frozenset[str] = frozenset()
    revisions: tuple[PartialObjectMetadata, ...] = ()
    accepted: Credentials | Trouble = DEFAULT_CREDENTIALS
    config: Secret | None = None

    @property
    def old_set(self) -> StatefulSet | None:
        """The StatefulSet, if it was made before."""
        return statefulset_made_before(self.network, [self.statefulset] if self.statefulset else [])

    @property
    def is_old(self) -> bool:
        """Whether anything was made before."""
        return self.old_set is not None or bool(self.old_pods) or bool(self.revisions)

    @property
    def up_to_date(self) -> Condition | None:
        """What the controller says of how far the network is, if it says so of the spec as it is."""
        found = find_condition(self.network.status.conditions, _UP_TO_DATE)
        is_current = self.network.status.observed_generation == self.network.metadata.generation
        return found if is_current else None


async def look(client: Client, key: ObjectKey) -> Seen:
    """Read what there is of a network. Errors: UpgradeRefused if there is no such network; the client's."""
    try:
        network = await client.get(BITCOIN_NETWORKS, key)
    except NotFound:
        raise UpgradeRefused(
            f"upgrade {key}: there is no such network, or no v2 of its kind; see `kubectl get bitcoinnetworks -A`"
        ) from None
    statefulset = await _found(client.get(STATEFULSETS, ObjectKey(key.namespace, statefulset_name(key.name))))
    pods = {
        pod.metadata.name: pod
        for labels in (old_labels(key.name), selector(key.name, MAIN_GROUP))
        for pod in await client.list(PODS, namespace=key.namespace, label_selector=_labelled(labels))
        if ordinal_of(key.name, pod.metadata.name) is not None and _is_free_or_of(pod, statefulset)
    }
    revisions = await client.list(REVISIONS, namespace=key.namespace, label_selector=_labelled(old_labels(key.name)))
    is_new = {name: GROUP_LABEL in (pod.metadata.labels or {}) for name, pod in pods.items()}
    old = sorted((pod for name, pod in pods.items() if not is_new[name]), key=lambda pod: _ordinal(key.name, pod))
    name = ObjectKey(key.namespace, config_name(key.name))
    config = await _found(client.get(SECRETS, name))
    return Seen(
        network=network,
        statefulset=statefulset,
        old_pods=tuple(old),
        new_pods=frozenset(name for name in pods if is_new[name]),
        revisions=tuple(one for one in revisions if _is_left(one, statefulset_name(key.name))),
        accepted=await _accepted(client, network) if old else DEFAULT_CREDENTIALS,
        config=config if old else None,
    )


async def _found(reading: Awaitable[T]) -> T | None:
    try:
        return await reading
    except NotFound:
        return None


async def _accepted(client: Client, network: BitcoinNetwork) -> Credentials | Trouble:
    """What nodes made before accept: their Secret's credentials, and without a Secret the defaults of their image."""
    name = network.spec.secret
    if not name:
        return DEFAULT_CREDENTIALS
    secret = await _found(client.get(SECRETS, ObjectKey(network.metadata.namespace, name)))
    if secret is None:
        return Trouble(Reason.SECRET_NOT_FOUND, f"secret {name} does not exist")
    return credentials_in(secret, name)


def _is_free_or_of(pod: Pod, statefulset: StatefulSet | None) -> bool:
    if pod.metadata.controller is None:
        return True
    return statefulset is not None and pod.metadata.is_controlled_by(statefulset.metadata)


def _is_left(revision: PartialObjectMetadata, statefulset: str) -> bool:
    return revision.metadata.controller is None and revision.metadata.name.startswith(f"{statefulset}-")


def _labelled(labels: dict[str, str]) -> LabelSelector:
    return LabelSelector.of_object({"matchLabels": labels})


def _ordinal(network: str, pod: Pod) -> int:
    return ordinal_of(network, pod.metadata.name) or 0


# ---- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteConfig:
    """Write NAME-config with these credentials in force."""

    network: BitcoinNetwork
    credentials: Credentials

    def __str__(self) -> str:
        name = config_name(self.network.metadata.name)
        return f"write secret {name}, with the credentials that the nodes accept as those in force"


@dataclass(frozen=True, slots=True)
class MarkPod:
    """Give a pod the label of its network, and the network as an owner."""

    network: BitcoinNetwork
    pod: Pod

    def __str__(self) -> str:
        return f"label pod {self.pod.metadata.name} as one of network {self.network.metadata.name}, which owns it"


@dataclass(frozen=True, slots=True)
class ReleasePods:
    """Delete the StatefulSet, and leave its pods."""

    statefulset: StatefulSet

    def __str__(self) -> str:
        return f"delete statefulset {self.statefulset.metadata.name}, and leave its pods running"


@dataclass(frozen=True, slots=True)
class LosePod:
    """Delete the only pod, with its chain."""

    pod: Pod

    def __str__(self) -> str:
        return f"delete pod {self.pod.metadata.name}, with the only copy of its chain"


@dataclass(frozen=True, slots=True)
class DeleteRevision:
    """Delete a revision that the former StatefulSet left, and that nobody will ever look at."""

    revision: PartialObjectMetadata

    def __str__(self) -> str:
        return f"delete controllerrevision {self.revision.metadata.name}, which the former statefulset left"


Write = WriteConfig | MarkPod | ReleasePods | DeleteRevision | LosePod


@dataclass(frozen=True, slots=True)
class Wait:
    """
    Nothing can be done now.

    Shape   `limit_s` seconds of the same wait end in an error that says `otherwise`.
    """

    why: str
    limit_s: float = float("inf")
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""

    text: str


def writes_of(seen: Seen, *, lose_chain: bool = False) -> Iterator[Write]:
    """
    Yield what is to be written to a network, in order.

    Errors  UpgradeRefused.
    """
    network, old_set = seen.network, seen.old_set
    if old_set is not None:
        _check(seen, lose_chain=lose_chain)
    if seen.old_pods:
        yield from _config_of(seen)
    yield from (MarkPod(network, pod) for pod in seen.old_pods if not _is_marked(pod, network))
    if old_set is None:
        yield from map(DeleteRevision, seen.revisions)
        yield from (LosePod(pod) for pod in seen.old_pods if lose_chain and _is_only_copy(pod, seen))
    elif not old_set.metadata.deleting:
        yield ReleasePods(old_set)


def _config_of(seen: Seen) -> Iterator[WriteConfig]:
    network, found = seen.network, None if seen.config is None else config_in(seen.config)
    if isinstance(seen.accepted, Trouble):
        raise _refused(network, f"{seen.accepted.message}; it is what the nodes were started with")
    if found is None or (seen.old_set is not None and found.in_force != seen.accepted):
        yield WriteConfig(network, seen.accepted)


def _is_marked(pod: Pod, network: BitcoinNetwork) -> bool:
    is_labelled = (pod.metadata.labels or {}).get(NETWORK_LABEL) == network.metadata.name
    return is_labelled and any(owner.uid == network.metadata.uid for owner in pod.metadata.owner_references or ())


def _is_only_copy(pod: Pod, seen: Seen) -> bool:
    others = len(seen.old_pods) - 1 + len(seen.new_pods)
    return not others and not pod.metadata.deleting and _nodes_of(seen.network) == 1


def wait_of(seen: Seen, *, lose_chain: bool = False) -> Wait | None:
    """Return what has to be waited for before anything more is written; None if nothing has."""
    network, old_set = seen.network, seen.old_set
    if old_set is None:
        return None
    if old_set.metadata.deleting:
        return Wait(f"waits until statefulset {old_set.metadata.name} has let its pods go")
    said = seen.up_to_date
    if said is None or said.reason != Reason.MADE_BEFORE:
        return Wait(
            "waits for a controller that knows v2: the status says nothing of what an upgrade would bring",
            limit_s=CONTROLLER_LIMIT_S,
            otherwise="update or start the controller, which makes the new StatefulSet",
        )
    behind = [node for node in _main_nodes(network) if node.state is not NodeState.AT_TIP]
    if (behind or len(_main_nodes(network)) != network.spec.nodes) and not lose_chain:
        why = "; ".join(node_line(node) for node in behind) or "some are not there yet"
        return Wait(f"waits until all nodes are at the tip: {why}")
    return None


def end_of(seen: Seen) -> Wait | Done:
    """Return what is waited for once nothing is left to write, or that all is done."""
    network = seen.network
    key, said = network.metadata.key, seen.up_to_date
    if seen.statefulset is None:
        return Wait(
            "waits for the controller to make the new StatefulSet",
            limit_s=CONTROLLER_LIMIT_S,
            otherwise="start the controller; the nodes run on meanwhile",
        )
    nodes = _main_nodes(network)
    all_at_tip = len(nodes) == network.spec.nodes and all(node.state is NodeState.AT_TIP for node in nodes)
    if not seen.is_old and all_at_tip and said is not None and said.status == "True":
        return Done(f"network {key} is upgraded: {_counted(network.spec.nodes)}, all at the tip")
    return Wait(said.message if said is not None and said.message else "waits for the controller")


def _check(seen: Seen, *, lose_chain: bool) -> None:
    network = seen.network
    if network.metadata.deleting:
        raise _refused(network, "it is being deleted")
    if network.spec.paused:
        raise _refused(network, "it is paused, so the controller would not go on; set spec.paused to false")
    if seen.config is not None and not seen.config.metadata.is_controlled_by(network.metadata):
        name = seen.config.metadata.name
        raise _refused(network, f"secret {name} exists and is not this network's; delete it, or rename it")
    if _nodes_of(network) == 1 and not lose_chain:
        scale = f"kubectl -n {network.metadata.namespace} scale bitcoinnetwork {network.metadata.name} --replicas 2"
        raise _refused(
            network,
            f"the chain of its only node would be lost, as no other node has it; add a node first ({scale}), or say "
            "--lose-chain",
        )


def _refused(network: BitcoinNetwork, why: str) -> UpgradeRefused:
    return UpgradeRefused(f"upgrade {network.metadata.key}: {why}")


def _main_nodes(network: BitcoinNetwork) -> list[NodeStatus]:
    return [node for node in network.status.nodes if node.group in ("", MAIN_GROUP)]


def _nodes_of(network: BitcoinNetwork) -> int:
    return sum(groups_of(network.spec).values())


def _counted(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


# ---- doing it --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Progress:
    """Says each thing once: a wait when it begins, a node when it has changed."""

    say: Callable[[str], None]
    waiting: Wait | None = None
    since: float = 0.0
    nodes: dict[str, str] = field(default_factory=dict)

    def look_at(self, seen: Seen) -> None:
        old = {pod.metadata.name for pod in seen.old_pods}
        for node in _main_nodes(seen.network):
            name = node.node_name
            made = "made before" if name in old else "new" if name in seen.new_pods else "no pod"
            line = f"  {node_line(node)} ({made})"
            if self.nodes.get(name) != line:
                self.say(line)
            self.nodes[name] = line

    def wait(self, wait: Wait) -> None:
        if self.waiting != wait:
            self.say(wait.why)
            self.waiting, self.since = wait, monotonic()
        elif monotonic() - self.since > wait.limit_s:
            raise UpgradeUnfinished(f"{wait.why}, {wait.limit_s:g} s in vain; {wait.otherwise}, and run this again")

    def do(self, write: Write) -> None:
        self.waiting = None
        self.say(str(write))


def node_line(node: NodeStatus) -> str:
    """
    Say what a node does.

    >>> node_line(NodeStatus(ordinal=0, ready=False, ip="", node_name="net-sts-0", dns_name="", message="no image"))
    'net-sts-0 is not known: no image'
    """
    state = "not known" if node.state is None else str(node.state)
    return f"{node.node_name} is {state}" + (f": {node.message}" if node.message else "")


async def upgrade(
    client: Client, key: ObjectKey, *, say: Callable[[str], None], timeout_s: float, lose_chain: bool = False
) -> None:
    """
    Upgrade a network, and return when all of its nodes are new; a line for each step goes to `say`.

    Errors  UpgradeRefused, before anything was written; UpgradeUnfinished after `timeout_s` seconds; the client's.
    """
    progress = _Progress(say)
    try:
        async with asyncio.timeout(timeout_s):
            await _run(client, key, progress, lose_chain=lose_chain)
    except TimeoutError:
        why = progress.waiting.why if progress.waiting else "the server did not answer"
        again = upgrade_command(key.name, key.namespace)
        raise UpgradeUnfinished(f"upgrade {key}: {timeout_s:g} s are over; {why}; to go on: {again}") from None


async def _run(client: Client, key: ObjectKey, progress: _Progress, *, lose_chain: bool) -> None:
    seen = await look(client, key)
    if not seen.is_old:
        for line in _nothing_to_do(seen):
            progress.say(line)
        return
    await _check_server(client, seen)
    while True:
        progress.look_at(seen)
        write = next(writes_of(seen, lose_chain=lose_chain), None)
        wait = wait_of(seen, lose_chain=lose_chain)
        if wait is None and write is not None:
            progress.do(write)
            with suppress(Conflict, NotFound):  # it has changed: the next look shows how
                await _carry_out(client, write)
        else:
            end = wait or end_of(seen)
            if isinstance(end, Done):
                progress.say(end.text)
                return
            progress.wait(end)
            await asyncio.sleep(LOOK_S)
        seen = await look(client, key)


async def planned(client: Client, key: ObjectKey, *, lose_chain: bool = False) -> list[str]:
    """Return what `upgrade` would do now, a line for each step. Errors: as upgrade."""
    seen = await look(client, key)
    if not seen.is_old:
        return _nothing_to_do(seen)
    await _check_server(client, seen)
    lines = [f"would {write}" for write in writes_of(seen, lose_chain=lose_chain)]
    pods = ", ".join(pod.metadata.name for pod in reversed(seen.old_pods))
    wait = wait_of(seen, lose_chain=lose_chain)
    return [
        *([f"first {wait.why}"] if wait else []),
        *lines,
        *([f"the controller then replaces, one at a time: {pods}"] if pods else []),
    ]


def _nothing_to_do(seen: Seen) -> list[str]:
    """Say of a network of today that there is nothing to do, and what is still on its way, as after an upgrade."""
    fact = f"nothing of network {seen.network.metadata.key} was made before v2: nothing to do"
    if isinstance(end_of(seen), Done):
        return [fact]
    said = seen.up_to_date
    why = [said.message] if said is not None and said.status != "True" else []
    late = [node for node in _main_nodes(seen.network) if node.state is not NodeState.AT_TIP]
    return [f"{fact}; still on its way:", *(f"  {line}" for line in (*why, *map(node_line, late)))]


async def _check_server(client: Client, seen: Seen) -> None:
    """
    Ask the server whether it knows what the new StatefulSet will need, on the old one, and without any change of it.

    Errors  UpgradeRefused.
    """
    if seen.old_set is None or seen.old_set.metadata.deleting:
        return
    meta = seen.old_set.metadata
    patch = MergePatch({"metadata": {"uid": meta.uid}, "spec": {"ordinals": {"start": 1}}})
    answer = await client.patch(STATEFULSETS.of(Unstructured), meta.key, patch, dry_run=DryRun.ALL)
    if answer.at("spec.ordinals.start") != 1:
        raise _refused(
            seen.network,
            "the server drops spec.ordinals of statefulsets, without which the new one would be in the way of the old "
            "pods; update the cluster to Kubernetes 1.27 or newer",
        )


async def _carry_out(client: Client, write: Write) -> None:
    match write:
        case WriteConfig(network, credentials):
            state = ConfigState(credentials, (auth_line(credentials, secrets.token_hex(_SALT_BYTES)),))
            body = config_secret(network, state)
            body["metadata"]["ownerReferences"] = [to_plain(BITCOIN_NETWORKS.owner_reference(network.metadata))]
            key = ObjectKey(network.metadata.namespace, body["metadata"]["name"])
            await client.apply(SECRETS, key, body, on_conflict=OnConflict.FORCE)
        case MarkPod(network, pod):
            owner = to_plain(BITCOIN_NETWORKS.owner_reference(network.metadata))
            metadata = {
                "uid": pod.metadata.uid,
                "labels": {NETWORK_LABEL: network.metadata.name},
                "ownerReferences": [owner | {"controller": False, "blockOwnerDeletion": False}],
            }
            await client.patch(PODS, pod.metadata.key, StrategicMergePatch({"metadata": metadata}))
        case ReleasePods(statefulset):
            meta = statefulset.metadata
            await client.delete(
                STATEFULSETS, meta.key, propagation=Propagation.ORPHAN, uid=meta.uid, version=meta.resource_version
            )
        case DeleteRevision(revision):
            await client.delete(REVISIONS, revision.metadata.key, uid=revision.metadata.uid)
        case LosePod(pod):
            await client.delete(PODS, pod.metadata.key, uid=pod.metadata.uid)
