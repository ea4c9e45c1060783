"""What runs next, and when: a work queue for keys of any kind, and what limits its retries."""

from __future__ import annotations

from ctrlkit.workqueue.delayed import DelayPolicy
from ctrlkit.workqueue.limits import ExponentialPerKey, RateLimiter
from ctrlkit.workqueue.workqueue import QueueClosed, Statistics, WorkQueue

__all__ = ["DelayPolicy", "ExponentialPerKey", "QueueClosed", "RateLimiter", "Statistics", "WorkQueue"]
