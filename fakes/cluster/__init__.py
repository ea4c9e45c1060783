"""A cluster around an API server: StatefulSets, one node with its kubelet, garbage collection, namespaces."""

from __future__ import annotations

from fakes.cluster.cluster import ALL, Cluster, Loop
from fakes.cluster.inprocess_runtime import AlwaysReady, InProcessRuntime
from fakes.cluster.process_runtime import ProcessRuntime
from fakes.cluster.restart import CrashBackoff
from fakes.cluster.runtime import Runtime

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
