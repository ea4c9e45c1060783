"""The official client of Python: threads, asyncio, dynamic, informer, leader election."""

from __future__ import annotations

import pytest

from tests.foreign.conftest import Stranger

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(600)]

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
ASYNCIO = [
    "deployment: None RollingUpdate Always",
    "service: 80",
    "log: 404 Not Found",
    "watched: ['MODIFIED', 'MODIFIED', 'DELETED']",
    "applied: NonIndexed Apply",
]


def test_threads(stranger: Stranger) -> None:
    """Objects from YAML, every kind of patch, log, exec and eviction, a watch and pages."""
    assert stranger.python("", "kubernetes_sync.py") == [
        "from yaml: ClusterIP True True 6",
        "again: 409 Conflict",
        "patched: [('a', '4'), ('b', '2'), ('c', '3'), ('d', '5')]",
        "stale: 409 Conflict",
        "secret: {'word': 'aGk='} Opaque",
        "containers: ['side', 'web']",
        "scaled: 5",
        "selector: 422 Unprocessable Entity",
        "pod: Pending",
        "log: 404 Not Found",
        "exec: 0",
        "watched: ['MODIFIED', 'MODIFIED', 'MODIFIED', 'MODIFIED', 'DELETED']",
        "page: 1 None",
        "versions: 1 True",
    ]


def test_dynamic(stranger: Stranger) -> None:
    """A kind of one's own is found by discovery; its schema refuses, its status is apart, its watch resumes."""
    assert stranger.python("", "kubernetes_dynamic.py") == [
        f"found: things True {VERBS} ['status']",
        "invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        "changed: 3 True 3",
        "stale: 409",
        "watched: MODIFIED 2",
        "watched: MODIFIED 3",
        "watched: MODIFIED 3",
        "watched: DELETED 3",
        "gone: 404",
    ]


def test_informer_and_leader_election(stranger: Stranger) -> None:
    """An informer is told what enters its selector, and what leaves it; a leader holds its Lease."""
    assert stranger.python("", "kubernetes_informer.py") == [
        "ADDED a {'k': '1'}",
        "ADDED b None",
        "MODIFIED a {'k': '2'} ['a', 'b']",
        "DELETED b None",
        "DELETED a {'k': '2'} []",
        "holds: python 17 None",
    ]


@pytest.mark.parametrize(
    ("environment", "library"), [("", "kubernetes.aio"), ("kubernetes_asyncio", "kubernetes_asyncio")]
)
def test_asyncio(stranger: Stranger, environment: str, library: str) -> None:
    """The same library by its two names, of two releases."""
    assert stranger.python(environment, "asyncio_client.py", library) == ASYNCIO
