"""
The servers for the demo. Each is a context: everything that it started ends with it.

    embedded   object tracker ⇒ API server on loopback ⇒ HTTP ⇒ cluster loops ⇒ processes of nodes
    existing   an existing server, with our cluster loops and processes if asked for

All clients, those of the cluster loops included, use HTTP with the kubeconfig whose path is yielded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from ctrlkit.bitcoin.demo.binary import Binary, NodeKind, controller_image
from ctrlkit.bitcoin.demo.installation import NAMESPACE
from ctrlkit.client import Client
from ctrlkit.clock import now
from ctrlkit.errors import ApiError, ConfigError, NotFound, Unauthorized
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.apiserver.webhook_client import HttpsWebhooks
from ctrlkit.fakes.cluster.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.cluster.node.addresses import missing_addresses
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.cluster.node.image_runtime import ImageRuntime
from ctrlkit.fakes.cluster.node.images import IMAGE_NAMES, Image
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.manager import connect
from ctrlkit.model import Action, Lines, Verb
from ctrlkit.model.kinds import LEASES, NAMESPACES, NODES, PODS
from ctrlkit.model.streams import Connection, StreamTransport

_REACH_LIMIT_S = 10.0


MACHINES: Final = ("ctrlkit-node-1", "ctrlkit-node-2")
"""The machines that run nodes where they are ours: two, so that one can be lost."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A server by its kubeconfig, and the machines of its cluster that are ours to lose; None if none is."""

    kubeconfig: str
    machines: Fleet | None = None


@asynccontextmanager
async def embedded(binary: Binary, *, port: int, namespace: str = NAMESPACE) -> AsyncIterator[Ground]:
    """
    Run a cluster of our own; its kubeconfig has a namespace. Errors: PortTaken.

    Its pods run bitcoin nodes, and this controller for the image `bitcoin-controller`.
    """
    tracker = Tracker(begins_at=version_at(now()))
    tracker.webhooks = HttpsWebhooks({})
    transport: StreamTransport = EarlyProbes(tracker) if binary.kind is NodeKind.SIMULATED else tracker
    async with (
        ImageRuntime(images={**_nodes(binary), "bitcoin-controller": controller_image()}) as runtime,
        ApiServer(transport, tracker.registry).serve(port=port) as server,
    ):
        kubeconfig = runtime.folder / "kubeconfig"  # so that it goes with the processes, even after SIGKILL
        server.write_kubeconfig(kubeconfig, namespace=namespace)
        tracker.run_pods_with(runtime)
        async with (
            connect(kubeconfig=str(kubeconfig)) as client,
            Cluster(client, runtime, nodes=MACHINES) as cluster,
        ):
            yield Ground(str(kubeconfig), cluster.fleet)


@asynccontextmanager
async def existing(kubeconfig: str, *, context: str | None, kubelet: Binary | None) -> AsyncIterator[Ground]:
    """Use an existing server; with `kubelet`, run machines on it. Errors: ConfigError, Unreachable, Unauthorized."""
    async with connect(kubeconfig=kubeconfig, context=context) as client:
        await _reach(client, kubeconfig)
        if kubelet is None:
            yield Ground(kubeconfig)
            return
        there = {node.metadata.name for node in await client.list(NODES)}
        try:
            async with (
                ImageRuntime(images=_nodes(kubelet)) as runtime,
                Cluster(client, runtime, loops=await _missing_loops(client), nodes=MACHINES) as cluster,
            ):
                yield Ground(kubeconfig, cluster.fleet)
        finally:
            for machine in MACHINES:
                if machine not in there:
                    with suppress(NotFound):
                        await client.delete(NODES, machine)


def _nodes(binary: Binary) -> dict[str, Image]:
    """Return the images that have nodes, all of one kind."""
    return dict.fromkeys(IMAGE_NAMES, binary.image)


async def _reach(client: Client, kubeconfig: str) -> None:
    try:
        async with asyncio.timeout(_REACH_LIMIT_S):
            await client.get(NAMESPACES, "default")
    except TimeoutError:
        raise ConfigError(
            f"reach the API server of {kubeconfig}: no answer within {_REACH_LIMIT_S:g} s; see whether it runs"
        ) from None
    except Unauthorized:
        raise
    except ApiError:
        return  # it answers


async def _missing_loops(client: Client) -> frozenset[Loop]:
    """Return all loops, or only those that no controller manager has if one holds its Lease."""
    try:
        await client.get(LEASES, "kube-system/kube-controller-manager")
    except NotFound:
        return ALL
    return frozenset({Loop.SCHEDULER, Loop.KUBELET, Loop.PROVISIONER})


PROBE_S: Final = 1


def check_addresses(pods: int, *, is_set_up: Callable[[str], bool] | None = None) -> None:
    """
    See to it that so many nodes can run side by side.

    Errors  ConfigError with the commands that set up what is missing: on macOS a machine has 127.0.0.1 alone.
    """
    missing = missing_addresses(pods, is_set_up=is_set_up)
    if missing:
        commands = " && ".join(f"sudo ifconfig lo0 alias {address} up" for address in missing)
        raise ConfigError(
            f"run {pods} nodes side by side: each needs a loopback address of its own, because all use the same ports, "
            f"and this machine lacks {len(missing)}; set them up (until it is started again): {commands}"
        )


class EarlyProbes:
    """
    A StreamTransport that has new pods probed early, for simulated nodes, which are up at once.

    The controller's pods give a node a day to start, and are asked every few seconds. Like a mutating admission
    webhook, this changes each pod as it is created: without a startup probe, a kubelet asks from the start, and then
    each second, whether it is ready. The StatefulSet that the controller wrote stays as it is.
    """

    def __init__(self, transport: StreamTransport) -> None:
        self._transport = transport

    async def do(self, action: Action) -> bytes:
        """Perform a call, with changed probes for a new pod."""
        creates_pod = action.verb is Verb.CREATE and action.resource.identity == PODS.identity
        if creates_pod and not action.subresource and isinstance(action.body, Mapping):
            action = replace(action, body=with_early_probes(action.body))
        return await self._transport.do(action)

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch."""
        return self._transport.watch(action)

    def read(self, action: Action) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a log."""
        return self._transport.read(action)

    def connect(self, action: Action, protocols: Sequence[str]) -> AbstractAsyncContextManager[Connection]:
        """Open a connection to a container or a port of a pod."""
        return self._transport.connect(action, protocols)


def with_early_probes(pod: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a pod that is asked from the start, and then each second, whether it is ready.

    >>> probe = {"initialDelaySeconds": 5, "periodSeconds": 5, "exec": {"command": ["true"]}}
    >>> container = {"name": "c", "startupProbe": probe, "readinessProbe": probe}
    >>> with_early_probes({"spec": {"containers": [container]}})["spec"]["containers"]
    [{'name': 'c', 'readinessProbe': {'periodSeconds': 1, 'exec': {'command': ['true']}}}]
    """
    spec = pod.get("spec") or {}
    containers = [_with_early_probe(container) for container in spec.get("containers") or ()]
    return {**pod, "spec": {**spec, "containers": containers}}


def _with_early_probe(container: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in container.items() if name != "startupProbe"}
    asked = kept.get("readinessProbe")
    if not asked:
        return kept
    early = {name: value for name, value in asked.items() if name != "initialDelaySeconds"}
    return kept | {"readinessProbe": early | {"periodSeconds": PROBE_S}}
