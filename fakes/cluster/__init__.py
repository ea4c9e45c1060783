"""The controllers of a cluster: StatefulSets, scheduler and kubelets of its nodes, garbage collection, namespaces."""

from __future__ import annotations

from ctrlkit.fakes.cluster.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.cluster.node.declarations import Node
from ctrlkit.fakes.cluster.node.images import Image, Place, Program
from ctrlkit.fakes.cluster.node.inprocess_runtime import AlwaysReady, InProcessRuntime
from ctrlkit.fakes.cluster.node.process_runtime import ProcessRuntime
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, Runtime
from ctrlkit.fakes.cluster.node.scripts import Exits

__all__ = [
    "ALL",
    "AlwaysReady",
    "Cluster",
    "ContainerRefused",
    "CrashBackoff",
    "Exits",
    "Image",
    "InProcessRuntime",
    "Loop",
    "Node",
    "Place",
    "ProcessRuntime",
    "Program",
    "Runtime",
]
