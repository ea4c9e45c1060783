"""
Reconciles a network: sees to its objects, asks its nodes, connects them, and rolls out what changed, node by node.

    1 read          what the caches show of it
    2 credentials   those that are wanted, in force, and accepted
    3 objects       created, repaired, and removed where the spec lost them
    4 status        before any node is called, where the spec is new; of new pods where the nodes take long to answer.
                    Of a network that was just begun in the next pass, when its pods are there
    5 ask           all nodes at once, and
    6 connect       those that are to know each other, in one budget of time for both
    7 assess        which nodes are connected, and at the tip
    8 roll out      at most one pod is deleted
    9 status        and Events, and when to come again

Owns     Nothing of a network. Between passes ConfigStore and CredentialStore remember Secrets for a minute,
         NodeCalls which nodes fail and until when, EventReader what Events said, OwnedObjects what it applied; all of
         them forget a network that is gone, and a new controller does without. What has to last is on the server: how
         far a rotation is in the Secret NAME-config, what a pod was made of in its annotations.

B-a  A settled network costs no write. Its Secrets are read every REREAD_S, its nodes every CHECK_S.
B-b  Every pass compares what the nodes see with what they should; there is one at least every CHECK_S.
B-c  A failing node affects no other, and all nodes of a network together hold up a pass for one budget of time.
B-d  Each trouble leads to one Warning event when it comes up, and one when it changes.
B-e  A network that is being deleted is left alone, and the garbage collector deletes its objects; with the deletion
     policy Orphan they lose their owner first, and stay; so they do where the spec cannot be decoded by then.
B-f  A new spec is told in the status before any node is called. A status leads to no pass.
B-g  A pass deletes one pod at most, the very one that it looked at, and only where rollout.py allows it and the server
     has the pods as the cache shows them.
B-h  Of a paused network nothing is changed but the status.

A pass may be cut off at any await; the next one sees what it did, and does the rest. The Secret NAME-config is written
before a StatefulSet that has its digest, and credentials come into force in it before anybody calls with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from ctrlkit.bitcoin.asking import CHANGES_MAX, NodeCalls
from ctrlkit.bitcoin.caches import Caches
from ctrlkit.bitcoin.configs import SecretTaken
from ctrlkit.bitcoin.facts import Member, Visit
from ctrlkit.bitcoin.health import Health, assess
from ctrlkit.bitcoin.layout import members_of, refused_spec
from ctrlkit.bitcoin.mesh import Mesh, mesh_of
from ctrlkit.bitcoin.names import NETWORK_LABEL
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, DeletionPolicy, Status
from ctrlkit.bitcoin.objects import PODS
from ctrlkit.bitcoin.owned import Blocked
from ctrlkit.bitcoin.providing import Provided, Provider
from ctrlkit.bitcoin.removal import removal_of
from ctrlkit.bitcoin.reporting import Report
from ctrlkit.bitcoin.rollout import Progress, Step, next_step
from ctrlkit.bitcoin.rpc import BadCredentials, Bitcoind
from ctrlkit.bitcoin.status import Findings, heights_seen, refused_status, status_of
from ctrlkit.bitcoin.troubles import Troubles
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Outcome, Request, RequeueAfter
from ctrlkit.errors import DecodeError, NotFound, TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import ObjectKey, ObjectMeta, Unstructured

T = TypeVar("T")

CHECK_S: Final = 60.0
"""Seconds until the nodes of a settled network are asked again: one may restart without a change of its pod."""

LEAST_S: Final = 1.0
"""Least seconds between two passes that no change asks for."""

TELL_AFTER_S: Final = 0.5
"""Seconds after which the status tells of new pods without their nodes' answers, and of a new network without pods."""

SECRET_RETRY_S: Final = 10.0
"""Seconds until a Secret that was missing, incomplete or of somebody else is read again."""


class BitcoinReconciler:
    """
    Reconciles bitcoin networks.

    Errors  CreationFailed is retried with back-off. NameTaken, and TerminalError for a spec that cannot be used, are
            not. ApiError and TransportError come from the client. Nodes that fail are no error: the status has them.
    Owner   Whoever made `bitcoind` opens and closes it.
    """

    def __init__(
        self, *, caches: Caches, client: Client, recorder: EventRecorder, bitcoind: Bitcoind, namespace: str = ""
    ) -> None:
        self._caches = caches
        self._client = client
        self._recorder = recorder
        self._provider = Provider(caches=caches, client=client, recorder=recorder, namespace=namespace)
        self._troubles = Troubles(client)
        self._nodes = NodeCalls(bitcoind)

    async def __call__(self, request: Request) -> Outcome:
        """Reconcile the network of a key."""
        record = self._caches.networks.lister.find_record(request.key)
        if record is None or record.meta.deleting:
            self._forget(request.key)
        if record is None:
            return DONE
        try:
            network = record.value
        except DecodeError as error:
            if record.meta.deleting:  # it has the finalizer only where its policy was Orphan
                await self._provider.release(record.meta, self._caches.seen(request.key), DeletionPolicy.ORPHAN)
                return DONE
            await self._refuse(record.meta)
            raise TerminalError(f"reconcile network {request.key}: {error}") from None
        if network.metadata.deleting:
            policy = network.spec.deletion_policy
            await self._provider.release(network.metadata, self._caches.seen(request.key), policy)
            return DONE
        refused = refused_spec(network.spec)
        if refused:
            report = Report(self._client, self._recorder, record.meta, network.status)
            await report.write(refused_status(network.status, generation=record.meta.generation, why=refused))
            raise TerminalError(f"reconcile network {request.key}: {refused}")
        return await self._reconcile(network)

    async def _reconcile(self, network: BitcoinNetwork) -> Outcome:
        report = Report(self._client, self._recorder, network.metadata, network.status)
        seen = self._caches.seen(network.metadata.key)
        try:
            provided = await self._provider.provide(network, seen)
        except Blocked as blocked:
            members = members_of(network, seen.statefulsets, seen.pods, seen.claims)
            await report.write(status_of(network, Findings(members=members, blocked=blocked.trouble)))
            if isinstance(blocked, SecretTaken):
                return RequeueAfter(SECRET_RETRY_S)
            raise
        if provided.is_begun and not network.status.observed_generation:
            return RequeueAfter(TELL_AFTER_S)  # its objects lead to the next pass sooner
        asked_for, network = network, provided.network
        members = await self._troubles.told(network, seen, provided.members)
        absent = [member.name for member in members if not member.is_ready]
        mesh = mesh_of(network.spec, [member.name for member in members], absent=absent)
        findings = Findings(members=members, topology=mesh.topology, provision=provided)

        async def tell_first() -> None:
            last = self._nodes.remembered(network.metadata.key, members)
            heard = replace(findings, said=last.said, health=assess(members, last, mesh))
            await report.write(status_of(network, replace(heard, step=_next_step(network, provided, heard))))

        if network.status.observed_generation != network.metadata.generation:
            await tell_first()
        again_s = min(provided.again_s, self._troubles.again_s(network.metadata.key))
        if provided.credentials is not None:
            visiting = self._visit(network, provided, members, mesh)
            visit, health = await (_in_time(visiting, tell_first) if _shows_others(network, members) else visiting)
            findings = replace(findings, said=visit.said, health=health)
            findings = await self._roll_out(network, provided, findings, report)
            again_s = min(again_s, visit.again_s)
        status = status_of(network, findings)
        await report.write(status)
        if provided.removal and not removal_of(_told(asked_for, status), seen.statefulsets, seen.pods, seen.claims).why:
            again_s = LEAST_S  # this pass has heard what lets them go, and no change of an object leads to another
        return _next_look(findings, again_s)

    async def _visit(
        self, network: BitcoinNetwork, provided: Provided, members: tuple[Member, ...], mesh: Mesh
    ) -> tuple[Visit, Health]:
        """Ask the nodes and connect them; of a paused network they are only asked."""
        assert provided.credentials is not None
        key, changes_max = network.metadata.key, 0 if network.spec.paused else CHANGES_MAX
        visit, health = await self._nodes.visit(
            key, members, provided.credentials, mesh, port=provided.port, changes_max=changes_max
        )
        if any(isinstance(said, BadCredentials) for said in visit.said.values()):
            self._provider.reread(key)
        return visit, health

    async def _roll_out(
        self, network: BitcoinNetwork, provided: Provided, findings: Findings, report: Report
    ) -> Findings:
        """Take the next step of a rollout: a pod is deleted, and its StatefulSet makes it anew."""
        step = _next_step(network, provided, findings)
        if step is not None and step.delete is not None and not network.spec.paused:
            if not await self._are_as_cached(network, provided.replaceable):
                why = "waits until the controller's cache shows the pods as the server has them"
                return replace(findings, step=replace(step, progress=Progress.WAITING, delete=None, why=why))
            pod = ObjectKey(network.metadata.namespace, step.delete.name)
            with suppress(NotFound):
                await self._client.delete(PODS, pod, uid=step.delete.uid)
                told = f"deleted pod {pod.name}, which is made anew: {step.updated} of {step.nodes} have what is wanted"
                report.tell(EventType.NORMAL, "ReplacedPod", told)
        return replace(findings, step=step)

    async def _are_as_cached(self, network: BitcoinNetwork, members: Iterable[Member]) -> bool:
        """
        Whether the pods of nodes are on the server as the cache showed them when the pass began.

        A watch may stall, and nodes take seconds to answer; what is not seen is no part of the rule that keeps all but
        one node up. Asked only before a pod is deleted, so that it costs nothing else.
        """
        meta = network.metadata
        label = f"{NETWORK_LABEL}={meta.name}"
        pods = await self._client.list(PODS, namespace=meta.namespace, label_selector=label)
        there = {pod.metadata.name: (pod.metadata.uid, pod.ready, pod.metadata.deleting) for pod in pods}
        return all(there.get(one.name) == (one.uid, one.is_ready, one.is_deleting) for one in members)

    def _forget(self, network: ObjectKey) -> None:
        self._provider.forget(network)
        self._troubles.forget(network)
        self._nodes.forget(network)

    async def _refuse(self, meta: ObjectMeta) -> None:
        """Write the status of a network that cannot be decoded, which has to be read from the server."""
        try:
            found = await self._client.get(BITCOIN_NETWORKS.of(Unstructured), meta.key)
        except NotFound:
            return
        try:
            msgspec.convert(found, BitcoinNetwork)
        except msgspec.ValidationError as error:
            current = _readable(found.get("status"))
            refused = refused_status(current, generation=meta.generation, why=str(error))
            await Report(self._client, self._recorder, meta, current).write(refused)


def _next_step(network: BitcoinNetwork, provided: Provided, findings: Findings) -> Step | None:
    """Return the next step of a rollout; None while what makes the pods is not as the spec says."""
    if not provided.is_settled:
        return None
    names = {member.name for member in provided.replaceable}
    members = [member for member in findings.members if member.name in names]
    heights = heights_seen(network.status, findings)
    return next_step(members, findings.health.at_tip, heights, findings.said)


def _shows_others(network: BitcoinNetwork, members: tuple[Member, ...]) -> bool:
    """Whether the status shows other pods than there are."""
    told = [(node.node_name, node.ready, node.ip) for node in network.status.nodes]
    return told != [(member.name, member.is_ready, member.address) for member in members]


async def _in_time(visiting: Coroutine[Any, Any, T], tell: Callable[[], Awaitable[None]]) -> T:
    """Finish a visit; where it takes longer than TELL_AFTER_S, tell what is known without it meanwhile."""
    visit = asyncio.ensure_future(visiting)
    try:
        await asyncio.wait((visit,), timeout=TELL_AFTER_S)
        if not visit.done():
            await tell()
        return await visit
    finally:
        if not visit.done():
            visit.cancel()
            await asyncio.wait((visit,))


def _next_look(findings: Findings, again_s: float) -> Outcome:
    """Say when to come again, if nothing changes until then."""
    if not findings.members:
        return DONE
    secret_s = CHECK_S if findings.provision.trouble is None else SECRET_RETRY_S
    return RequeueAfter(min(CHECK_S, secret_s, max(again_s, LEAST_S)))


def _told(network: BitcoinNetwork, status: Status) -> BitcoinNetwork:
    return msgspec.structs.replace(network, status=status)


def _readable(status: Any) -> Status:
    """Decode a status; an empty one if it cannot be decoded."""
    try:
        return msgspec.convert(status or {}, Status)
    except msgspec.ValidationError:
        return Status()
