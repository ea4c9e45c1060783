"""A cluster around an API server: StatefulSets, one node with its kubelet, garbage collection, namespaces."""

from __future__ import annotations

from ctrlkit.fakes.cluster.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.cluster.node.inprocess_runtime import AlwaysReady, InProcessRuntime
from ctrlkit.fakes.cluster.node.process_runtime import ProcessRuntime
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import Runtime

__all__ = [
    "ALL",
    "AlwaysReady",
    "Cluster",
    "CrashBackoff",
    "InProcessRuntime",
    "Loop",
    "ProcessRuntime",
    "Runtime",
]
