"""
Reconciles a network: creates and repairs its children, connects its nodes, and writes its status.

    Service, StatefulSet ⇒ pods ⇒ credentials ⇒ lists of the nodes ⇒ status

It reads caches, the network's Secret, and the nodes themselves.

B-a  A settled network costs no API call: the lists of its nodes are read, and nothing is written.
B-b  Every reconcile compares the lists; there is one at least every CHECK_S while a node is ready.
B-c  A failing node does not affect the others; the network is retried with back-off until all are connected.
B-d  Each trouble leads to one Warning event when it comes up, and one when it changes.
B-e  A network that is being deleted is left alone; the garbage collector deletes its children.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin import mesh
from ctrlkit.bitcoin.children import Blocked, Children
from ctrlkit.bitcoin.credentials import CredentialSource
from ctrlkit.bitcoin.rpc import BadCredentials, Bitcoind, RpcError
from ctrlkit.bitcoin.status import Findings, Trouble, new_troubles, node_statuses, refused_status, status_of
from ctrlkit.bitcoin.types import BITCOIN_NETWORKS, BitcoinNetwork, NodeStatus, Pod, Service, StatefulSet, Status
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Outcome, Request, RequeueAfter
from ctrlkit.errors import CtrlkitError, DecodeError, NotFound, TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import MergePatch, ObjectKey, ObjectMeta, Unstructured

CHECK_S: Final = 60.0
"""Seconds until the lists are compared again: a node may restart without a change of its pod."""

SECRET_RETRY_S: Final = 10.0
"""Seconds until a Secret that was missing or incomplete is read again."""


class NodesUnreachable(CtrlkitError):
    """Some nodes of a network could not be connected; all others are."""


class BitcoinReconciler:
    """
    Reconciles bitcoin networks.

    Errors  NodesUnreachable and CreationFailed are retried with back-off. NameTaken, and TerminalError for a spec that
            cannot be used, are not. ApiError and TransportError come from the client.
    Owner   Whoever made `bitcoind` opens and closes it.
    """

    def __init__(
        self,
        *,
        networks: Lister[BitcoinNetwork],
        services: Lister[Service],
        statefulsets: Lister[StatefulSet],
        pods: Lister[Pod],
        client: Client,
        recorder: EventRecorder,
        bitcoind: Bitcoind,
    ) -> None:
        self._networks = networks
        self._pods = pods
        self._client = client
        self._recorder = recorder
        self._bitcoind = bitcoind
        self._children = Children(services=services, statefulsets=statefulsets, client=client, recorder=recorder)
        self._credentials = CredentialSource(client)

    async def __call__(self, request: Request) -> Outcome:
        """Reconcile the network of a key."""
        record = self._networks.find_record(request.key)
        if record is None or record.meta.deleting:
            self._credentials.forget(request.key)
            return DONE
        try:
            network = record.value
        except DecodeError as error:
            await self._refuse(record.meta)
            raise TerminalError(f"reconcile network {request.key}: {error}") from None
        return await self._reconcile(network)

    async def _reconcile(self, network: BitcoinNetwork) -> Outcome:
        try:
            await self._children.ensure_service(network)
            statefulset = await self._children.ensure_statefulset(network)
        except Blocked as blocked:
            await self._report(network, Findings(nodes=self._nodes(network, None), blocked=blocked.trouble))
            raise
        nodes = self._nodes(network, statefulset)
        credentials = await self._credentials.read(network)
        if isinstance(credentials, Trouble):
            await self._report(network, Findings(nodes=nodes, credentials=credentials))
            return RequeueAfter(SECRET_RETRY_S)
        ready = {node.node_name: node.ip for node in nodes if node.ready}
        failures = await mesh.connect(self._bitcoind, credentials, ready)
        await self._report(network, Findings(nodes=nodes, failures=failures))
        if failures:
            raise self._unreachable(network.metadata.key, failures, ready)
        return RequeueAfter(CHECK_S) if ready else DONE

    def _nodes(self, network: BitcoinNetwork, statefulset: StatefulSet | None) -> tuple[NodeStatus, ...]:
        def find_pod(name: str) -> Pod | None:
            pod = self._pods.find(ObjectKey(network.metadata.namespace, name))
            ours = pod is not None and statefulset is not None and pod.metadata.is_controlled_by(statefulset.metadata)
            return pod if ours else None

        return node_statuses(network, find_pod)

    def _unreachable(
        self, key: ObjectKey, failures: Mapping[str, RpcError], ready: Mapping[str, str]
    ) -> NodesUnreachable:
        if any(isinstance(error, BadCredentials) for error in failures.values()):
            self._credentials.forget(key)  # the secret may have changed since it was read
        reasons = "; ".join(f"{name}: {error}" for name, error in failures.items())
        return NodesUnreachable(f"connect network {key}: {len(failures)} of {len(ready)} nodes failed: {reasons}")

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
            await self._write_status(meta, current, refused_status(current, generation=meta.generation, why=str(error)))

    async def _report(self, network: BitcoinNetwork, findings: Findings) -> None:
        await self._write_status(network.metadata, network.status, status_of(network, findings))

    async def _write_status(self, meta: ObjectMeta, current: Status, status: Status) -> None:
        """
        Write a status that differs from the current one, and record Warning events for new troubles.

        The patch has the resource version that it was made for, because transition times depend on the old status.
        """
        if status == current:
            return
        patch = MergePatch({"metadata": {"resourceVersion": meta.resource_version}, "status": status})
        await self._client.patch(BITCOIN_NETWORKS.of(Unstructured), meta.key, patch, subresource="status")
        for trouble in new_troubles(current.conditions, status.conditions):
            self._recorder.event(meta, BITCOIN_NETWORKS, EventType.WARNING, trouble.reason, trouble.message)


def _readable(status: Any) -> Status:
    """Decode a status; an empty one if it cannot be decoded."""
    try:
        return msgspec.convert(status or {}, Status)
    except msgspec.ValidationError:
        return Status()
