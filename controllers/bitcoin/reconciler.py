"""
One pass over one network: make what is missing, put back what was changed, connect the nodes, tell what was seen.

    Service, StatefulSet ⇒ pods ⇒ credentials ⇒ lists of the nodes ⇒ status

In       The key of a network; all else comes from the caches, from its secret, and from the nodes themselves.
Out      Creates and patches of what the network owns, calls of its nodes, a status, Events.

B-a  A network that is as it should be costs no API call: its nodes' lists are read, and nothing is written.
B-b  The lists are compared on every pass, and a pass comes at least every CHECK_S while a node is ready.
B-c  A node that fails costs the other nodes nothing; the network comes again with back-off until all did their part.
B-d  A Warning event tells of each trouble once: when it comes up, and when it changes.
B-e  A network that is being deleted is left alone; what it owns goes with it, by its owner references.
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
"""So long after a pass the lists of the nodes are compared again: a node may restart without its pod noticing."""

SECRET_RETRY_S: Final = 10.0
"""So long after a pass a secret that was missing or incomplete is looked for again."""


class NodesUnreachable(CtrlkitError):
    """Some nodes of a network did not do their part; all others know each other."""


class BitcoinReconciler:
    """
    Brings bitcoin networks to what their specs say.

    Errors  NodesUnreachable, CreationFailed: again, with back-off. NameTaken, TerminalError for a spec that cannot be
            used: not before something changes. ApiError, TransportError: what the client raised.
    Owner   Its controller; `bitcoind` is opened and closed by whoever made it.
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
        """One pass over the network of a key."""
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
        """Tell of a network that does not decode. The cache cannot show its status, so it is read."""
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
        Write a status that differs from the current one, and tell of what is new in it.

        The patch names the version it was made for: out of an older one, times of transition would come out wrong.
        """
        if status == current:
            return
        patch = MergePatch({"metadata": {"resourceVersion": meta.resource_version}, "status": status})
        await self._client.patch(BITCOIN_NETWORKS.of(Unstructured), meta.key, patch, subresource="status")
        for trouble in new_troubles(current.conditions, status.conditions):
            self._recorder.event(meta, BITCOIN_NETWORKS, EventType.WARNING, trouble.reason, trouble.message)


def _readable(status: Any) -> Status:
    """A status as far as it can be read: one that cannot is written anew."""
    try:
        return msgspec.convert(status or {}, Status)
    except msgspec.ValidationError:
        return Status()
