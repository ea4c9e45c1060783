"""
The controllers that turn an API server into a cluster, written with ctrlkit, so they run against any server.

They create pods for StatefulSets, run the pods' containers in a Runtime, collect garbage, empty terminating namespaces,
make the ServiceAccount of each namespace and gather the rules of aggregated roles. Enter the Runtime first: whoever
enters it owns its containers.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from types import TracebackType

from ctrlkit.client import Client
from ctrlkit.fakes.cluster.loops.account_tokens import add_account_tokens
from ctrlkit.fakes.cluster.loops.accounts import add_accounts
from ctrlkit.fakes.cluster.loops.aggregation import add_aggregation
from ctrlkit.fakes.cluster.loops.cronjob import add_cron_jobs
from ctrlkit.fakes.cluster.loops.daemonset import add_daemon_sets
from ctrlkit.fakes.cluster.loops.deployment import add_deployments
from ctrlkit.fakes.cluster.loops.disruption import add_budgets
from ctrlkit.fakes.cluster.loops.endpoints import add_endpoints
from ctrlkit.fakes.cluster.loops.ephemeral_volumes import add_ephemeral_volumes
from ctrlkit.fakes.cluster.loops.expansion import add_expansion
from ctrlkit.fakes.cluster.loops.first_objects import AddLoop, add_when_used
from ctrlkit.fakes.cluster.loops.garbage import add_garbage_collector
from ctrlkit.fakes.cluster.loops.job import add_jobs
from ctrlkit.fakes.cluster.loops.kinds import WatchedKinds
from ctrlkit.fakes.cluster.loops.namespaces import add_namespaces
from ctrlkit.fakes.cluster.loops.node_lifecycle import add_node_lifecycle
from ctrlkit.fakes.cluster.loops.node_ttl import add_node_ttl
from ctrlkit.fakes.cluster.loops.pod_gc import add_pod_collector
from ctrlkit.fakes.cluster.loops.policies import add_policy_types
from ctrlkit.fakes.cluster.loops.protection import (
    add_attributes_protection,
    add_claim_protection,
    add_volume_protection,
)
from ctrlkit.fakes.cluster.loops.provisioner import add_provisioner
from ctrlkit.fakes.cluster.loops.quotas import add_quotas
from ctrlkit.fakes.cluster.loops.replicaset import CONTROLLERS, REPLICA_SETS, add_replica_sets
from ctrlkit.fakes.cluster.loops.scheduler import add_scheduler
from ctrlkit.fakes.cluster.loops.statefulset import add_stateful_sets
from ctrlkit.fakes.cluster.loops.taint_eviction import add_taint_eviction
from ctrlkit.fakes.cluster.loops.volumes import add_volumes
from ctrlkit.fakes.cluster.node.declarations import Nodes, declared
from ctrlkit.fakes.cluster.node.fleet import Fleet
from ctrlkit.fakes.cluster.node.kubelet import add_kubelet
from ctrlkit.fakes.cluster.node.node import add_nodes
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import Runtime
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import GraceExceeded, Manager
from ctrlkit.model import AnyResource, Resource, Unstructured
from ctrlkit.model.kinds import (
    CLUSTER_ROLES,
    CRON_JOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICASETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    VALIDATING_ADMISSION_POLICIES,
    VOLUME_ATTRIBUTES_CLASSES,
)


class Loop(Enum):
    """A controller of the cluster; KUBELET includes the node."""

    DEPLOYMENTS = "deployments"
    REPLICA_SETS = "replicasets"
    REPLICATION_CONTROLLERS = "replicationcontrollers"
    ENDPOINTS = "endpoints"
    QUOTAS = "resourcequotas"
    DISRUPTION = "disruption"
    STATEFUL_SETS = "statefulsets"
    JOBS = "jobs"
    CRON_JOBS = "cronjobs"
    DAEMON_SETS = "daemonsets"
    SCHEDULER = "scheduler"
    KUBELET = "kubelet"
    NODE_LIFECYCLE = "nodelifecycle"
    NODE_TTL = "nodettl"
    TAINT_EVICTION = "tainteviction"
    POD_GC = "podgc"
    GARBAGE = "garbage"
    NAMESPACES = "namespaces"
    ACCOUNTS = "accounts"
    AGGREGATION = "aggregation"
    POLICY_TYPES = "policytypes"
    VOLUMES = "persistentvolumes"
    VOLUME_PROTECTION = "volumeprotection"
    EPHEMERAL_VOLUMES = "ephemeralvolumes"
    PROVISIONER = "provisioner"


ALL: frozenset[Loop] = frozenset(Loop)
"""All loops."""


def loops_named(names: Collection[str]) -> frozenset[Loop]:
    """
    Return loops by their names; `all` and `none` stand for themselves.

    >>> loops_named({"garbage"}), loops_named({"none"}), loops_named({"all"}) == ALL
    (frozenset({<Loop.GARBAGE: 'garbage'>}), frozenset(), True)

    Errors  ValueError for a name that there is not, for none, and for one of those two with others.
    """
    known = {loop.value: frozenset({loop}) for loop in Loop}
    alone = {"all": ALL, "none": frozenset[Loop]()}
    wrong = sorted(set(names) - known.keys() - alone.keys())
    mixed = sorted(alone.keys() & set(names)) if len(set(names)) > 1 else []
    if wrong or mixed or not names:
        fact = f"there is no {', '.join(wrong)}" if wrong else "none is named"
        fact = f"{mixed[0]} is said together with others" if mixed and not wrong else fact
        raise ValueError(f"loops of the cluster: {fact}; write all, none, or some of {', '.join(sorted(known))}")
    return frozenset[Loop]().union(*((known | alone)[name] for name in names))


_BY_KIND: Mapping[Loop, tuple[AnyResource, AddLoop]] = {
    Loop.DEPLOYMENTS: (DEPLOYMENTS, add_deployments),
    Loop.REPLICA_SETS: (REPLICASETS, functools.partial(add_replica_sets, kind=REPLICA_SETS)),
    Loop.REPLICATION_CONTROLLERS: (REPLICATION_CONTROLLERS, functools.partial(add_replica_sets, kind=CONTROLLERS)),
    Loop.ENDPOINTS: (SERVICES, add_endpoints),
    Loop.STATEFUL_SETS: (STATEFULSETS, add_stateful_sets),
    Loop.JOBS: (JOBS, add_jobs),
    Loop.CRON_JOBS: (CRON_JOBS, add_cron_jobs),
    Loop.EPHEMERAL_VOLUMES: (PODS, add_ephemeral_volumes),
    Loop.DAEMON_SETS: (DAEMONSETS, add_daemon_sets),
    Loop.AGGREGATION: (CLUSTER_ROLES, add_aggregation),
    Loop.POLICY_TYPES: (VALIDATING_ADMISSION_POLICIES, add_policy_types),
}
"""The loops that are about the objects of one kind, and begin with the first of them."""

_BY_KINDS: Mapping[Loop, Sequence[tuple[AnyResource, AddLoop]]] = {
    Loop.VOLUMES: (
        (PERSISTENT_VOLUMES, add_volumes),
        (PERSISTENT_VOLUME_CLAIMS, add_volumes),
        (PERSISTENT_VOLUME_CLAIMS, add_expansion),
    ),
    Loop.VOLUME_PROTECTION: (
        (PERSISTENT_VOLUME_CLAIMS, add_claim_protection),
        (PERSISTENT_VOLUMES, add_volume_protection),
        (VOLUME_ATTRIBUTES_CLASSES, add_attributes_protection),
    ),
    Loop.PROVISIONER: ((PERSISTENT_VOLUMES, add_provisioner), (PERSISTENT_VOLUME_CLAIMS, add_provisioner)),
}
"""Those that are about several kinds: what begins with the first object of each."""

_OF_ANY_KIND: Mapping[Loop, tuple[AnyResource, Callable[..., None]]] = {
    Loop.QUOTAS: (RESOURCE_QUOTAS, add_quotas),
    Loop.DISRUPTION: (POD_DISRUPTION_BUDGETS, add_budgets),
}
"""Those of them that look at objects of any kind besides."""

_ABOUT_NODES: Mapping[Loop, AddLoop] = {
    Loop.NODE_TTL: add_node_ttl,
    Loop.TAINT_EVICTION: add_taint_eviction,
    Loop.POD_GC: add_pod_collector,
}

_CONTROLLER_MANAGER = "kube-controller-manager"
"""In whose name all loops write, but for those that are other programs, and those that apply."""

_ABOUT_ALL_KINDS = frozenset({Loop.GARBAGE, Loop.NAMESPACES, *_OF_ANY_KIND})


class Cluster:
    """
    A cluster of one node, `ctrlkit-node`, or of as many as are declared.

        async with ImageRuntime(images=...) as runtime, Cluster(client, runtime):
            ...

    Shape   `loops` are the controllers to run; leave out those that the server's control plane runs itself. `kinds` are
            custom kinds that the server serves without a CustomResourceDefinition; others are discovered. `backoff` is
            for restarts of containers. `root_ca` is the PEM of the server's certificate authority, which each namespace
            gets as the ConfigMap kube-root-ca.crt. `server` is the Kubernetes release of the server. `tracker` is the
            server's, where it runs in this process: a kind is then watched once it has objects, which is cheaper.
            `nodes` are those to play: how many (n1, n2, ...), or each by its name or as a Node. `stop_s` is how long
            it takes at least to stop a pod: real machines never do it at once, and clients that wait for the end of a
            pod count on that.
    Errors  An exception that ends a loop ends the block. RuntimeError for a second run. ValueError for nodes that are
            declared wrongly.
    """

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        *,
        loops: frozenset[Loop] = ALL,
        kinds: Sequence[Resource[Unstructured]] = (),
        backoff: CrashBackoff | None = None,
        root_ca: str = "",
        server: str = NEWEST,
        tracker: Tracker | None = None,
        nodes: Nodes = 1,
        stop_s: float = 0.0,
    ) -> None:
        client = Client(client.transport, field_manager=_CONTROLLER_MANAGER)
        self._manager = Manager(client, grace_s=0.0)  # what runs here waits for containers, and those end with us
        self._stop = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._was_entered = False
        self.fleet: Fleet = Fleet(declared(nodes) if Loop.KUBELET in loops else ())
        """The nodes that are played, to lose and to recover them."""
        used = [(resource, add) for loop, (resource, add) in _BY_KIND.items() if loop in loops]
        used += [each for loop, some in _BY_KINDS.items() if loop in loops for each in some]
        if loops & _ABOUT_ALL_KINDS:
            known = WatchedKinds(self._manager, more=kinds, server=server, tracker=tracker)
            used += [
                (resource, functools.partial(add_loop, known=known))
                for loop, (resource, add_loop) in _OF_ANY_KIND.items()
                if loop in loops
            ]
            if Loop.GARBAGE in loops:
                add_garbage_collector(self._manager, known)
            if Loop.NAMESPACES in loops:
                add_namespaces(self._manager, known)
        if Loop.ACCOUNTS in loops:
            used.append((SECRETS, functools.partial(add_account_tokens, root_ca=root_ca)))
        add_when_used(self._manager, tracker, used)
        if Loop.SCHEDULER in loops:
            add_scheduler(self._manager, self.fleet)
        if Loop.KUBELET in loops:
            clears_taint = Loop.NODE_LIFECYCLE not in loops
            add_nodes(self._manager, self.fleet, server=server, clears_taint=clears_taint)
            add_kubelet(self._manager, runtime, backoff=backoff or CrashBackoff(), fleet=self.fleet, stop_s=stop_s)
        self._add_node_loops(loops)
        if Loop.ACCOUNTS in loops:
            add_accounts(self._manager, root_ca=root_ca)

    def _add_node_loops(self, loops: frozenset[Loop]) -> None:
        if Loop.NODE_LIFECYCLE in loops:
            add_node_lifecycle(self._manager, self.fleet)
        for loop, add in _ABOUT_NODES.items():
            if loop in loops:
                add(self._manager)

    async def run(self) -> None:
        """Run all loops until cancelled, or until the end of the block that entered the cluster."""
        try:
            await self._manager.run(self._stop)
        except GraceExceeded:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None

    def busy(self) -> tuple[str, ...]:
        """Describe the work that is not done yet; empty when idle."""
        return tuple(self.reports())

    def reports(self) -> Iterator[str]:
        """Yield what `busy` returns, as far as it is asked for."""
        return (f"cluster: {report}" for report in self._manager.reports())

    async def __aenter__(self) -> Cluster:
        if self._was_entered:
            raise RuntimeError("enter the cluster: it was entered before; make a new one")
        self._was_entered = True
        await self._tasks.__aenter__()
        self._tasks.create_task(self.run(), name="cluster")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            if group.exceptions[0] is not error:
                raise group.exceptions[0] from None
