"""What runs next, and when: a work queue for keys of any kind, and what limits its retries."""

from __future__ import annotations

from ctrlkit.workqueue.delayed import DelayPolicy
from ctrlkit.workqueue.flows import Flows
from ctrlkit.workqueue.limits import ExponentialPerKey, FastSlow, RateLimiter
from ctrlkit.workqueue.line import LOW, NORMAL
from ctrlkit.workqueue.meter import Meter
from ctrlkit.workqueue.shared_limits import Bucket, MaxOf, WithJitter, WithMaxWait
from ctrlkit.workqueue.statistics import Statistics
from ctrlkit.workqueue.workqueue import QueueClosed, WorkQueue

__all__ = [
    "LOW",
    "NORMAL",
    "Bucket",
    "DelayPolicy",
    "ExponentialPerKey",
    "FastSlow",
    "Flows",
    "MaxOf",
    "Meter",
    "QueueClosed",
    "RateLimiter",
    "Statistics",
    "WithJitter",
    "WithMaxWait",
    "WorkQueue",
]
