"""A work queue for keys of any kind: what runs next, and when; and the rate limiters of its retries."""

from __future__ import annotations

from ctrlkit.workqueue.delayed import DelayPolicy
from ctrlkit.workqueue.fifo import LOW, NORMAL, Flows
from ctrlkit.workqueue.limits import Bucket, ExponentialPerKey, FastSlow, MaxOf, RateLimiter, WithJitter, WithMaxWait
from ctrlkit.workqueue.statistics import Meter, QueueStatistics
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
    "QueueStatistics",
    "RateLimiter",
    "WithJitter",
    "WithMaxWait",
    "WorkQueue",
]
