"""Leader election by a Lease, and sharding: several replicas that share the keys by many Leases."""

from __future__ import annotations

from ctrlkit.election.elector import ElectionStatus, Elector, LeadershipLost, default_identity, pod_namespace
from ctrlkit.election.lease import LeaseRecord, LeaseTimes
from ctrlkit.election.shard import ShardWork
from ctrlkit.election.sharding import Sharding, ShardingStatus

__all__ = [
    "ElectionStatus",
    "Elector",
    "LeadershipLost",
    "LeaseRecord",
    "LeaseTimes",
    "ShardWork",
    "Sharding",
    "ShardingStatus",
    "default_identity",
    "pod_namespace",
]
