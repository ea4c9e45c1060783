"""The controllers of a cluster: StatefulSets, scheduler and kubelets of its nodes, garbage collection, namespaces."""

from __future__ import annotations

from ctrlkit.fakes.cluster.cluster import ALL, Cluster, Loop
from ctrlkit.fakes.cluster.node.declarations import Node
from ctrlkit.fakes.cluster.node.image_runtime import ImageRuntime, InProcessRuntime, ProcessRuntime
from ctrlkit.fakes.cluster.node.images import NEVER_S, CommandAnswer, Exits, Image, Line, Place, Program, Pull
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.restart import CrashBackoff
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, Runtime

__all__ = [
    "ALL",
    "NEVER_S",
    "AlwaysReady",
    "Cluster",
    "CommandAnswer",
    "ContainerRefused",
    "CrashBackoff",
    "Exits",
    "Image",
    "ImageRuntime",
    "InProcessRuntime",
    "Line",
    "Loop",
    "Node",
    "Place",
    "ProcessRuntime",
    "Program",
    "Pull",
    "Runtime",
]
