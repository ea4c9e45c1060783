"""The embedded API server, set up as the recorded one was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ctrlkit.client import Client
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.fakes.cluster import ALL, AlwaysReady, Cluster, InProcessRuntime, Loop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Options
from ctrlkit.model.kinds import SERVICE_CIDRS

CONTROL_PLANE = ALL - {Loop.KUBELET, Loop.NODE_LIFECYCLE, Loop.PROVISIONER}
RANGE = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.0.0.0/24"]}}
"""The range of services of a kube-apiserver that is told of none."""

ALONE = frozenset({"subresources"})
"""Scenarios whose server had no controllers beside it, or was asked before they had done anything."""


def loops_of(name: str) -> frozenset[Loop]:
    """The loops that a scenario is replayed with."""
    return frozenset({Loop.GARBAGE, Loop.NAMESPACES, Loop.ACCOUNTS}) if name in ALONE else CONTROL_PLANE


@asynccontextmanager
async def served_as_recorded(loops: frozenset[Loop] = CONTROL_PLANE) -> AsyncIterator[str]:
    """A server with the loops of a control plane, and no node unless `loops` have one; its URL."""
    tracker = Tracker(begins_at=1000, rbac=True)  # recorded answers take numbers of three digits for versions
    tracker.create(SERVICE_CIDRS, RANGE, Options(field_manager="kube-apiserver"))
    images = {"img:1": lambda address, spec: AlwaysReady()}
    async with (
        ApiServer(tracker, tracker.registry, security=Security.INSECURE).serve() as server,
        InProcessRuntime(images=images) as runtime,
        Cluster(Client(tracker, field_manager="kube-controller-manager"), runtime, loops=loops),
    ):
        yield server.url
